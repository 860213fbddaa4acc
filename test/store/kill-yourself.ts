/**
 * A process that puts one blob, fills another, removes the first, and is killed at the step it is told:
 * `node kill-yourself.ts FOLDER STEP`. A step is before each disk operation and half-way through each write;
 * it ends with 0 when there are fewer.
 */
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { nodeDiskIo, type DiskIo } from '../../src/store/disk-io.ts';
import { readAndClose, someContent, sourceOf } from './sources.ts';

const folder = process.argv[2] ?? '';
let steps = Number(process.argv[3]);

function step(): void {
  if (steps-- === 0) process.kill(process.pid, 'SIGKILL');
}

async function around<T>(work: () => Promise<T>, half?: () => Promise<unknown>): Promise<T> {
  step();
  if (half) {
    if (steps === 0) await half();
    step();
  }
  return work();
}

const io: DiskIo = {
  create: (path) => around(() => nodeDiskIo.create(path)),
  write: (fd, buffers, position) =>
    around(
      () => nodeDiskIo.write(fd, buffers, position),
      () => {
        const bytes = Buffer.concat(buffers);
        return nodeDiskIo.write(fd, [bytes.subarray(0, bytes.length / 2)], position);
      },
    ),
  sync: (fd) => around(() => nodeDiskIo.sync(fd)),
  syncFolder: (path) => around(() => nodeDiskIo.syncFolder(path)),
  rename: (from, to) => around(() => nodeDiskIo.rename(from, to)),
  makeFolder: (path) => around(() => nodeDiskIo.makeFolder(path)),
  remove: (path) => around(() => nodeDiskIo.remove(path)),
};

const store = await openDiskBlobStore({ path: folder, io });
const small = someContent(1000);
await store.put(small.digest, small.bytes);
const large = someContent(200_000);
const source = sourceOf(large.bytes, 50_000);
await readAndClose(await store.fill(large.digest, { size: large.size, source }));
await store.remove(small.digest);
await store.close();
step();
