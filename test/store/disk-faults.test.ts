import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { BlobStore, FillOptions } from '../../src/store/blob-store.ts';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { nodeDiskIo, type DiskIo } from '../../src/store/disk-io.ts';
import { Fill } from '../../src/store/fill.ts';
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
    const folder = t.testdir();
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

  test(`a fill fails and leaves nothing when ${operation} fails`, async (t, store, fault, folder) => {
    fault({ [operation]: noSpace });
    const fed = new HandFedSource();
    const reading = store
      .fill(content.digest, { size: content.size, source: fed.source })
      .then((reader) => readAndClose(reader).finally(() => reader.close()));
    fed.feed(content.bytes);
    fed.end();
    const outcome = await reading.then(
      () => undefined,
      (error: unknown) => error,
    );
    // After the proof only publishing is left, which a fast reader does not wait for.
    const mustFail = operation === 'create' || operation === 'write';
    t.match(outcome, mustFail || outcome !== undefined ? failure : undefined);
    await until(() => filesBelow(folder).length === 0);
    fault(nodeDiskIo);
    const again = await store.fill(content.digest, options);
    t.ok((await readAndClose(again)).equals(content.bytes), 'and works when there is room again');
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

test('a reader that waits learns at once that the disk failed', async (t, store, fault) => {
  const fed = new HandFedSource();
  const reader = await store.fill(content.digest, { size: content.size, source: fed.source });
  const waiting = reader.read(Buffer.alloc(10), 0);
  fault({ write: noSpace });
  fed.feed(content.bytes.subarray(0, 100));
  await t.rejects(waiting, { code: 'storage-failed' });
  t.ok(fed.signals[0]?.aborted, 'although the source says nothing more');
  await reader.close();
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
  const reading = reader.read(Buffer.alloc(1), 0);
  t.ok(await isPending(reading));
  t.ok(given > 0 && given < 4 * 1024 * 1024, `${given} bytes were taken from the source`);
  gate.reject(new Error('EIO: i/o error'));
  await t.rejects(reading, { code: 'storage-failed', message: /EIO/ });
  await reader.close();
});

t.test('a fill that fails while nobody waits for it ends no process', async (t) => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): unknown => unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.teardown(() => process.off('unhandledRejection', note));
  const folder = t.testdir();
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
