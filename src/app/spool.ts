/** What comes through a pipe, in a file beside the cache: a layout is read in no order. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isAbsent } from '../store/disk-io.ts';
import { LayoutError } from '../layout/layout-error.ts';

/** Bytes of the disk that are left free. */
const RESERVE = 64 * 1024 * 1024;
/** Bytes between two looks at what is free. */
const LOOK = 16 * 1024 * 1024;

export interface Spooled {
  readonly path: string;
  remove(): Promise<void>;
}

/** @throws {LayoutError} `unreadable` where the disk is too full for it. */
export async function spool(
  input: AsyncIterable<Buffer>,
  folder: string,
  freeBytes: (folder: string) => Promise<number> = freeBytesOf,
): Promise<Spooled> {
  await onDisk(folder, async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await removeOld(folder);
  });
  const path = join(folder, `${process.pid}-${randomBytes(8).toString('hex')}`);
  const remove = (): Promise<void> => rm(path, { force: true });
  try {
    await using file = await onDisk(path, () => open(path, 'wx', 0o600));
    let unchecked = LOOK;
    for await (const chunk of input) {
      unchecked += chunk.length;
      if (unchecked >= LOOK) {
        unchecked = 0;
        if ((await freeBytes(folder)) < RESERVE + chunk.length) {
          throw new LayoutError(
            'unreadable',
            `the disk of ${folder} is too full for what comes through the pipe: put it in a file elsewhere`,
          );
        }
      }
      await onDisk(path, () => file.writeFile(chunk));
    }
    return { path, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** @throws {LayoutError} `unreadable` for what the system has against it. */
async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `cannot keep what comes through the pipe in ${path}: ${reason}: put it in a file elsewhere`;
    throw new LayoutError('unreadable', message, error);
  }
}

/** Those of processes that are gone; in a container every process has the number of the one before it. */
async function removeOld(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, id = ''] = /^(\d+)-/.exec(name) ?? [];
    const isOld = id !== '' && (Number(id) === process.pid || !isAlive(Number(id)));
    if (isOld) await rm(join(folder, name), { force: true });
  }
}

function isAlive(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Bytes that a user may still write to the disk of a folder, or of where it will be. */
export async function freeBytesOf(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    const parent = dirname(folder);
    if (parent === folder || !isAbsent(error)) throw error;
    return freeBytesOf(parent);
  }
}
