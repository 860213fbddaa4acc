/**
 * A process that puts one blob, fills another, removes the first, and is killed at the step it is told:
 * `node kill-yourself.ts FOLDER STEP ROUND`. A step is before each disk operation and half-way through each write;
 * it ends with 0 when there are fewer. In each round the source comes in other pieces, and breaks off at another place.
 */
import type { BlobSource } from '../../src/store/blob-store.ts';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { nodeDiskIo, type DiskIo } from '../../src/store/disk-io.ts';
import { readAndClose, someContent, sourceOf } from './sources.ts';

const folder = process.argv[2] ?? '';
let steps = Number(process.argv[3]);
const round = Number(process.argv[4]);

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

async function* breakOff(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let left = round;
  for await (const chunk of body) {
    if (left-- === 0) throw new Error('connection reset');
    yield chunk;
  }
}

const store = await openDiskBlobStore({ path: folder, io, delay: () => Promise.resolve() });
const small = someContent(1000);
await store.put(small.digest, small.bytes);
const large = someContent(200_000);
const pieces = sourceOf(large.bytes, 20_000 + ((round * 7919) % 60_000));
const source: BlobSource = async (offset, signal) => {
  const opened = await pieces(offset, signal);
  return offset === 0 && round > 0 ? { ...opened, body: breakOff(opened.body) } : opened;
};
await readAndClose(await store.fill(large.digest, { size: large.size, source }));
await store.remove(small.digest);
await store.close();
step();
