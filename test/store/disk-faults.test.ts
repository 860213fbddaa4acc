import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { BlobStore, FillOptions } from '../../src/store/blob-store.ts';
import { HELD_TAIL, openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { nodeDiskIo, type DiskIo } from '../../src/store/disk-io.ts';
import { Fill, FINISH_UNREAD } from '../../src/store/fill.ts';
import {
  filesBelow,
  HandFedSource,
  isPending,
  openDescriptors,
  readAndClose,
  someContent,
  sourceOf,
  turns,
  until,
} from './sources.ts';
import { testdir } from '../helpers/testdir.ts';

const content = someContent(300_000);
const options: FillOptions = { size: content.size, source: sourceOf(content.bytes) };

function noSpace(): Promise<never> {
  const error = new Error('ENOSPC: no space left on device');
  return Promise.reject(Object.assign(error, { code: 'ENOSPC' }));
}

/** A test with a store whose disk does from the moment of `fault` what the test says. */
function test(
  sentence: string,
  body: (
    t: Test,
    store: BlobStore,
    fault: (change: Partial<DiskIo>) => void,
    folder: string,
  ) => Promise<void>,
): void {
  t.test(sentence, async (t) => {
    const folder = testdir(t);
    const io: DiskIo = { ...nodeDiskIo };
    const delay = (): Promise<void> => Promise.resolve();
    const store = await openDiskBlobStore({ path: folder, io, delay });
    try {
      await body(t, store, (change) => Object.assign(io, change), folder);
    } finally {
      await store.close();
    }
    t.equal(openDescriptors(folder), 0, 'no descriptor is left');
  });
}

const faults: [keyof DiskIo, RegExp][] = [
  ['create', /create a temporary file: ENOSPC/],
  ['write', /write a blob: ENOSPC/],
  ['sync', /sync a blob: ENOSPC/],
  ['makeFolder', /publish a blob: ENOSPC/],
  ['rename', /publish a blob: ENOSPC/],
  ['syncFolder', /publish a blob: ENOSPC/],
];

for (const [operation, message] of faults) {
  const failure = { name: 'FillError', code: 'storage-failed', message };

  test(`a fill is served and leaves nothing when ${operation} fails`, async (t, store, fault, folder) => {
    fault({ [operation]: noSpace });
    const reader = await store.fill(content.digest, options);
    t.ok((await readAndClose(reader)).equals(content.bytes));
    await until(() => filesBelow(folder).length === 0);
    fault(nodeDiskIo);
    const again = await store.fill(content.digest, options);
    t.ok((await readAndClose(again)).equals(content.bytes), 'and is kept when there is room again');
    await until(async () => (await store.stat(content.digest)) !== undefined);
  });

  test(`a put fails and leaves nothing when ${operation} fails`, async (t, store, fault, folder) => {
    fault({ [operation]: noSpace });
    await t.rejects(store.put(content.digest, content.bytes), failure);
    t.strictSame(filesBelow(folder), []);
    fault(nodeDiskIo);
    await store.put(content.digest, content.bytes);
    t.equal(await store.stat(content.digest), content.size);
  });
}

test('readers that wait go on at once where the disk failed', async (t, store, fault) => {
  const fed = new HandFedSource();
  const asked: number[] = [];
  const source: FillOptions['source'] = (offset, signal) => {
    asked.push(offset);
    return asked.length === 1
      ? fed.source(offset, signal)
      : sourceOf(content.bytes)(offset, signal);
  };
  const fill = () => store.fill(content.digest, { size: content.size, source });
  const [first, second] = [await fill(), await fill()];
  fed.feed(content.bytes.subarray(0, 100_000));
  const early = Buffer.alloc(1000);
  for (let at = 0; at < 100_000;) at += await first.read(Buffer.alloc(100_000), at);
  const waiting = first.read(Buffer.alloc(10), 100_100);
  fault({ write: noSpace });
  fed.feed(content.bytes.subarray(100_000, 100_100));
  t.equal(await waiting, 10);
  t.ok(fed.signals[0]?.aborted, 'although the source says nothing more');
  t.ok((await readAndClose(first)).equals(content.bytes));
  t.equal(await second.read(early, 99_990), 10, 'what is on the disk is read from it');
  t.ok((await readAndClose(second)).equals(content.bytes));
  t.strictSame(asked, [0, 100_000, 100_000], 'each asks for what the disk has not');
});

test('without the disk nothing of the tail leaves before the proof', async (t, store, fault) => {
  fault({ write: noSpace });
  const wrong = Buffer.from(content.bytes);
  wrong[3] = (wrong[3] ?? 0) ^ 1;
  const held = content.size - HELD_TAIL;
  for (const [bytes, failure] of [
    [wrong, { code: 'digest-mismatch' }],
    [content.bytes.subarray(0, held + 10), { code: 'size-mismatch' }],
    [Buffer.concat([content.bytes, wrong]), { code: 'size-mismatch' }],
  ] as const) {
    const source: FillOptions['source'] = async (offset, signal) => ({
      ...(await sourceOf(bytes)(offset, signal)),
      size: undefined,
    });
    const reader = await store.fill(content.digest, { size: content.size, source });
    let position = 0;
    const target = Buffer.alloc(50_000);
    const reading = (async () => {
      for (;;) position += await reader.read(target, position);
    })();
    await t.rejects(reading, failure);
    t.ok(position <= held, `${position} bytes were given away`);
    await t.rejects(reader.read(target, position), failure, 'and it stays so');
    await t.rejects(reader.read(target, content.size), failure, 'nor is an end said');
    await reader.close();
    t.equal(await store.stat(content.digest), undefined);
  }
});

test('without the disk a reader may jump and go back', async (t, store, fault) => {
  fault({ create: noSpace });
  const reader = await store.fill(content.digest, options);
  const target = Buffer.alloc(1);
  for (const position of [content.size - 1, 0, 150_000, 149_999]) {
    t.equal(await reader.read(target, position), 1);
    t.equal(target[0], content.bytes[position]);
  }
  t.equal(await reader.read(target, content.size), 0);
  await reader.close();
  await t.rejects(reader.read(target, 0), { code: 'closed' });
});

test('without the disk a source that breaks is resumed', async (t, store, fault) => {
  fault({ create: noSpace });
  const asked: number[] = [];
  const source: FillOptions['source'] = (offset) => {
    asked.push(offset);
    async function* body(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(content.bytes.subarray(offset, offset + 100_000));
      if (offset < 200_000) throw new Error('cut');
    }
    return Promise.resolve({ offset, size: content.size, body: body() });
  };
  const reader = await store.fill(content.digest, { size: content.size, source });
  t.ok((await readAndClose(reader)).equals(content.bytes));
  t.strictSame(asked.slice(1), [0, 100_000, 200_000]);
});

test('a reader that is closed while it waits without the disk ends its source', async (t, store, fault) => {
  fault({ create: noSpace });
  const fed = new HandFedSource();
  const reader = await store.fill(content.digest, { size: content.size, source: fed.source });
  const waiting = reader.read(Buffer.alloc(10), 0);
  await turns();
  await reader.close();
  await t.rejects(waiting, { code: 'closed' });
  t.ok(fed.signals.at(-1)?.aborted);
});

test('writes that take only a part of what they were given lose nothing', async (t, store, fault) => {
  let turn = 0;
  fault({
    write: (fd, buffers, position) => {
      const bytes = Buffer.concat(buffers);
      const part = bytes.subarray(0, 1 + ((turn++ * 7919) % 20_000));
      return nodeDiskIo.write(fd, [part], position);
    },
  });
  const reader = await store.fill(content.digest, options);
  t.ok((await readAndClose(reader)).equals(content.bytes));
  await store.remove(content.digest);
  await store.put(content.digest, content.bytes);
  t.ok((await store.get(content.digest, content.size))?.equals(content.bytes));
});

test('a disk that takes no byte and gives no error is a failure, not a wait', async (t, store, fault) => {
  fault({ write: () => Promise.resolve(0) });
  await t.rejects(store.put(content.digest, content.bytes), { code: 'storage-failed' });
});

test('a file that cannot be removed is left for the next opening', async (t, store, fault, folder) => {
  fault({ remove: noSpace });
  const lie = someContent(content.size, 7);
  const reader = await store.fill(content.digest, { ...options, source: sourceOf(lie.bytes) });
  await t.rejects(readAndClose(reader), { code: 'digest-mismatch' });
  await t.rejects(store.remove(content.digest), {
    code: 'storage-failed',
    message: /remove a blob/,
  });
  await store.close();
  t.equal(filesBelow(join(folder, 'v1', 'tmp')).length, 1);
  const next = await openDiskBlobStore({ path: folder });
  t.strictSame(filesBelow(folder), []);
  await next.close();
});

test('a file is not closed under a write that nobody needs any more', async (t, store, fault, folder) => {
  const gate = Promise.withResolvers<number>();
  fault({ write: () => gate.promise });
  const fed = new HandFedSource();
  const size = FINISH_UNREAD + content.size;
  const reader = await store.fill(content.digest, { size, source: fed.source });
  fed.feed(content.bytes.subarray(0, 1000));
  await reader.read(Buffer.alloc(10), 0);
  await reader.close();
  t.ok(fed.signals[0]?.aborted);
  await turns();
  if (process.platform === 'linux') t.equal(openDescriptors(join(folder, 'v1')), 1);
  gate.resolve(1000);
  await until(() => filesBelow(join(folder, 'v1', 'tmp')).length === 0);
});

test('the source waits while the disk is slower', async (t, store, fault) => {
  const gate = Promise.withResolvers<number>();
  fault({ write: () => gate.promise });
  const size = 32 * 1024 * 1024;
  const chunk = Buffer.alloc(65_536);
  let given = 0;
  async function* body(): AsyncGenerator<Buffer> {
    for (; given < size; given += chunk.length) {
      await Promise.resolve();
      yield chunk;
    }
  }
  const source: FillOptions['source'] = () =>
    Promise.resolve({ offset: 0, size: undefined, body: body() });
  const reader = await store.fill(content.digest, { size, source });
  t.equal(await reader.read(Buffer.alloc(1), 0), 1, 'readers do not wait for the disk');
  const reading = reader.read(Buffer.alloc(1), 4 * 1024 * 1024);
  t.ok(await isPending(reading));
  t.ok(given < 4 * 1024 * 1024, `${given} bytes were taken from the source`);
  gate.reject(new Error('EIO: i/o error'));
  t.equal(await reading, 1);
  await reader.close();
});

t.test('a fill that fails while nobody waits for it ends no process', async (t) => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): unknown => unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.teardown(() => process.off('unhandledRejection', note));
  const folder = testdir(t);
  const io: DiskIo = { ...nodeDiskIo };
  const store = await openDiskBlobStore({ path: folder, io, delay: () => Promise.resolve() });
  const fed = new HandFedSource();
  const reader = await store.fill(content.digest, { size: content.size, source: fed.source });
  await reader.close();
  io.write = noSpace;
  io.remove = noSpace;
  fed.feed(content.bytes);
  await turns();
  Object.assign(io, nodeDiskIo, { remove: noSpace });
  const silent = new HandFedSource();
  await store.fill(content.digest, { size: content.size, source: silent.source });
  silent.fail(new Error('reset'));
  silent.fail(new Error('reset'));
  silent.fail(new Error('reset'));
  silent.fail(new Error('reset'));
  const unread = new Fill({
    digest: content.digest,
    size: content.size,
    source: silent.source,
    heldTail: 1,
    delay: () => Promise.resolve(),
    isComplete: noSpace,
    createTemp: noSpace,
    onEnd: () => undefined,
  });
  await unread.finished;
  await turns();
  await store.close();
  await turns();
  t.strictSame(unhandled, []);
});
