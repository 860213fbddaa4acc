import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { digestHex, type Digest } from '../../src/oci/digest.ts';
import type { BlobReader, BlobStore } from '../../src/store/blob-store.ts';
import { HELD_TAIL, openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { FINISH_UNREAD } from '../../src/store/fill.ts';
import { blobStoreConformance } from '../ports/blob-store.ts';
import {
  filesBelow,
  HandFedSource,
  noSource,
  openDescriptors,
  readAndClose,
  readFrom,
  someContent,
  sourceOf,
  turns,
  until,
} from './sources.ts';
import { testdir } from '../helpers/testdir.ts';

const delay = (): Promise<void> => Promise.resolve();

blobStoreConformance('a disk store', (t: Test) => openDiskBlobStore({ path: testdir(t), delay }));
blobStoreConformance('a disk store that holds back a single byte', (t: Test) => {
  return openDiskBlobStore({ path: testdir(t), delay, heldTail: 0 });
});

const large = someContent(300_000);
const small = someContent(1000, 2);

function pathOf(folder: string, digest: Digest): string {
  const hex = digestHex(digest);
  return join(folder, 'v1', 'blobs', 'sha256', hex.slice(0, 2), hex);
}

/** A test with a store on a folder of its own; at the end no descriptor and no temporary file may be left. */
function test(
  sentence: string,
  body: (t: Test, store: BlobStore, folder: string, warnings: string[]) => Promise<void>,
): void {
  t.test(sentence, async (t) => {
    const folder = testdir(t);
    const warnings: string[] = [];
    const logger = { warn: (_: object, message: string) => warnings.push(message) };
    const store = await openDiskBlobStore({ path: folder, delay, logger });
    try {
      await body(t, store, folder, warnings);
    } finally {
      await store.close();
    }
    t.equal(openDescriptors(folder), 0, 'no descriptor is left');
    t.strictSame(filesBelow(join(folder, 'v1', 'tmp')), [], 'no temporary file is left');
  });
}

test('keeps a blob in a file under its digest, readable by its owner alone', async (t, store, folder) => {
  await store.put(small.digest, small.bytes);
  const reader = await store.fill(large.digest, {
    size: large.size,
    source: sourceOf(large.bytes),
  });
  await readAndClose(reader);
  for (const { digest, bytes } of [small, large]) {
    const path = pathOf(folder, digest);
    await until(async () => (await store.stat(digest)) !== undefined);
    t.ok(readFileSync(path).equals(bytes));
    t.equal(statSync(path).mode & 0o777, 0o600);
    for (const parent of ['v1', 'v1/tmp', 'v1/blobs', 'v1/blobs/sha256', join(path, '..')]) {
      t.equal(
        statSync(parent.startsWith('v1') ? join(folder, parent) : parent).mode & 0o777,
        0o700,
      );
    }
  }
});

t.test('removes at its opening what a killed process left half-written', async (t) => {
  const folder = testdir(t);
  mkdirSync(join(folder, 'v1', 'tmp', 'folder'), { recursive: true });
  writeFileSync(join(folder, 'v1', 'tmp', 'folder', 'deep'), 'half');
  writeFileSync(join(folder, 'v1', 'tmp', 'left'), 'half');
  const store = await openDiskBlobStore({ path: folder });
  t.strictSame(filesBelow(folder), []);
  await store.close();
});

t.test('finds after a restart what it kept before', async (t) => {
  const folder = testdir(t);
  const before = await openDiskBlobStore({ path: folder });
  await before.put(small.digest, small.bytes);
  await before.close();
  const after = await openDiskBlobStore({ path: folder });
  t.strictSame(await after.get(small.digest, 10_000), small.bytes);
  await after.close();
});

t.test('names the folder that it cannot use', async (t) => {
  const folder = testdir(t, { v1: 'a file where the folder should be' });
  await t.rejects(openDiskBlobStore({ path: folder }), {
    code: 'storage-failed',
    message: new RegExp(folder),
  });
  const path = join(folder, 'v1');
  await t.rejects(openDiskBlobStore({ path }), { code: 'storage-failed', message: /v1/ });
  t.equal(openDescriptors(folder), 0);
});

test('takes a truncated file for damage, removes it and fills it anew', async (t, store, folder, warnings) => {
  for (const size of [0, large.size - 1]) {
    await store.put(large.digest, large.bytes);
    truncateSync(pathOf(folder, large.digest), size);
    t.equal(await store.open(large.digest, large.size), undefined);
    t.equal(await store.stat(large.digest), undefined);
  }
  t.equal(warnings.length, 2);
  t.match(warnings[0], /damaged/);
  await store.put(large.digest, large.bytes);
  truncateSync(pathOf(folder, large.digest), 10);
  const options = { size: large.size, source: sourceOf(large.bytes) };
  t.ok((await readAndClose(await store.fill(large.digest, options))).equals(large.bytes));
});

test('never gives small content of which a byte changed on the disk', async (t, store, folder, warnings) => {
  for (const at of [0, 500, small.size - 1]) {
    await store.put(small.digest, small.bytes);
    damage(pathOf(folder, small.digest), at);
    t.equal(await store.get(small.digest, 10_000), undefined);
    t.equal(await store.stat(small.digest), undefined);
  }
  t.equal(warnings.length, 3);
});

test('shows no damaged content to an inspection', async (t, store, folder) => {
  await store.put(small.digest, small.bytes);
  damage(pathOf(folder, small.digest), 500);
  const inspect = (): undefined => {
    t.fail('damaged bytes were inspected');
  };
  const options = { size: small.size, source: noSource, inspect };
  await t.rejects(store.fill(small.digest, options), { code: 'digest-mismatch' });
  t.equal(await store.stat(small.digest), undefined);
});

test('heals damaged content when it is put again', async (t, store, folder) => {
  await store.put(small.digest, small.bytes);
  damage(pathOf(folder, small.digest), 1);
  await store.put(small.digest, small.bytes);
  t.strictSame(await store.get(small.digest, 10_000), small.bytes);
});

test('fails a read that finds its file shortened, instead of calling that the end', async (t, store, folder) => {
  await store.put(small.digest, small.bytes);
  const reader = await store.open(small.digest, small.size);
  truncateSync(pathOf(folder, small.digest), 100);
  t.ok(reader);
  if (reader) await t.rejects(readAndClose(reader), { code: 'storage-failed', message: /100/ });
});

test('serves followers from the growing file on, after it got its name and after it lost it', async (t, store) => {
  const fed = new HandFedSource();
  const options = { size: large.size, source: fed.source };
  const reader = await store.fill(large.digest, options);
  fed.feed(large.bytes);
  fed.end();
  await until(async () => (await store.stat(large.digest)) !== undefined);
  t.ok((await readFrom(reader)).equals(large.bytes));
  await store.remove(large.digest);
  t.ok((await readFrom(reader)).equals(large.bytes));
  await reader.close();
});

test('finishes for nobody what is nearly there', async (t, store) => {
  const fed = new HandFedSource();
  const reader = await store.fill(large.digest, { size: large.size, source: fed.source });
  fed.feed(large.bytes.subarray(0, 1000));
  await reader.close();
  fed.feed(large.bytes.subarray(1000));
  fed.end();
  await until(async () => (await store.stat(large.digest)) === large.size);
  t.strictSame(fed.offsets, [0]);
});

test('aborts what nobody reads when much is missing, and starts anew when asked', async (t, store, folder) => {
  const fed = new HandFedSource();
  const size = large.size + FINISH_UNREAD + 1;
  const options = { size, source: fed.source };
  const readers = [
    await store.fill(large.digest, options),
    await store.fill(large.digest, options),
  ];
  fed.feed(large.bytes);
  await readAt(readers[0], large.size - 1);
  await readers[0]?.close();
  await readers[0]?.close();
  t.notOk(fed.signals[0]?.aborted, 'one reader is left');
  await readers[1]?.close();
  t.ok(fed.signals[0]?.aborted);
  await until(() => filesBelow(folder).length === 0);
  const again = await store.fill(large.digest, options);
  t.strictSame(fed.offsets, [0, 0]);
  fed.feed(large.bytes);
  fed.feed(Buffer.alloc(1));
  await readAt(again, large.size);
  await again.close();
  t.notOk(fed.signals[1]?.aborted, 'just little enough is missing');
});

test('of what arrives all at once nothing of the tail is given before the proof', async (t, store) => {
  const fed = new HandFedSource();
  const reader = await store.fill(large.digest, { size: large.size, source: fed.source });
  fed.feed(large.bytes);
  const target = Buffer.alloc(large.size);
  const bytes = await reader.read(target, 1000);
  t.equal(bytes, large.size - HELD_TAIL - 1000);
  t.ok(target.subarray(0, bytes).equals(large.bytes.subarray(1000, 1000 + bytes)));
  t.strictSame(target.subarray(bytes), Buffer.alloc(large.size - bytes), 'not even in the buffer');
  fed.end();
  t.ok((await readAndClose(reader)).equals(large.bytes));
});

test('lets no slow reader slow the fill', async (t, store) => {
  const options = { size: large.size, source: sourceOf(large.bytes) };
  const slow = await store.fill(large.digest, options);
  const fast = await store.fill(large.digest, options);
  t.ok((await readAndClose(fast)).equals(large.bytes));
  await until(async () => (await store.stat(large.digest)) === large.size);
  t.ok((await readAndClose(slow)).equals(large.bytes));
});

test('shares one descriptor among all followers', async (t, store, folder) => {
  const fed = new HandFedSource();
  const options = { size: large.size, source: fed.source };
  const readers = await Promise.all(
    Array.from({ length: 50 }, () => store.fill(large.digest, options)),
  );
  if (process.platform === 'linux') t.equal(openDescriptors(join(folder, 'v1')), 1);
  await Promise.all(readers.map((reader) => reader.close()));
});

test('a read that is left at once takes no descriptor from another', async (t, store) => {
  await store.put(small.digest, small.bytes);
  for (let turn = 0; turn < 50; turn++) {
    const ended = Promise.withResolvers<boolean>();
    const source = sourceOf(large.bytes);
    const options = { size: large.size, source, onEnd: ended.resolve };
    const reader = await store.fill(large.digest, options);
    await ended.promise;
    // The last who holds the file goes while its own read is on its way.
    const reading = reader.read(Buffer.alloc(10), 0);
    await Promise.all([
      t.rejects(reading, { name: 'FillError', code: 'closed' }),
      reader.close(),
      store.get(small.digest, small.size).then((bytes) => t.ok(bytes?.equals(small.bytes))),
    ]);
    await store.remove(large.digest);
  }
});

test('closes every descriptor when it is closed', async (t, store, folder) => {
  await store.put(small.digest, small.bytes);
  const fed = new HandFedSource();
  await store.fill(large.digest, { size: large.size, source: fed.source });
  const reader = await store.open(small.digest, small.size);
  const reading = reader?.read(Buffer.alloc(10), 0).catch(() => 0);
  void store.put(large.digest, large.bytes).catch(() => undefined);
  if (process.platform === 'linux') t.ok(openDescriptors(join(folder, 'v1')) >= 2);
  await store.close();
  await reading;
});

/** One byte at the position, once it is there. */
async function readAt(reader: BlobReader | undefined, position: number): Promise<void> {
  await reader?.read(Buffer.alloc(1), position);
}

t.test('can be closed at any moment of a fill', async (t) => {
  for (let moment = 0; moment < 40; moment++) {
    const folder = testdir(t);
    const store = await openDiskBlobStore({ path: folder, delay });
    const options = { size: large.size, source: sourceOf(large.bytes) };
    const reading = store.fill(large.digest, options).then(readAndClose);
    await turns(moment);
    const [outcome] = await Promise.allSettled([reading, store.close()]);
    if (outcome.status === 'rejected') t.match(outcome.reason, { code: 'closed' });
    t.equal(openDescriptors(folder), 0);
    t.strictSame(filesBelow(join(folder, 'v1', 'tmp')), [], `closed at moment ${moment}`);
  }
});

function damage(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}
