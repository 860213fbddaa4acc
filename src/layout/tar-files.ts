/** The files of a layout in one tar, which stays open and is read by position. */
import { open, type FileHandle } from 'node:fs/promises';
import { LayoutError, shown } from './layout-error.ts';
import type { LayoutFile, LayoutFiles } from './layout-files.ts';
import { scanTar } from './tar-scanner.ts';

/** @throws {LayoutError} */
export async function openTarFiles(path: string): Promise<LayoutFiles> {
  const handle = await openRegular(path);
  try {
    const { size } = await handle.stat();
    const read = (target: Buffer, position: number): Promise<number> =>
      readAt(handle, target, position);
    const extents = await scanTar({ size, read });
    return {
      sizes: new Map([...extents].map(([name, extent]) => [name, extent.size])),
      open(name) {
        const extent = extents.get(name);
        if (extent === undefined) {
          return Promise.reject(new LayoutError('missing', `there is no ${shown(name)}`));
        }
        const file: LayoutFile = {
          size: extent.size,
          read(target, position) {
            const length = Math.min(target.length, Math.max(0, extent.size - position));
            return length === 0
              ? Promise.resolve(0)
              : read(target.subarray(0, length), extent.start + position);
          },
          close: () => Promise.resolve(),
        };
        return Promise.resolve(file);
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openRegular(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** @throws {LayoutError} `unreadable` */
export async function readAt(
  handle: FileHandle,
  target: Buffer,
  position: number,
): Promise<number> {
  try {
    return (await handle.read(target, 0, target.length, position)).bytesRead;
  } catch (error) {
    throw unreadable('the layout', error);
  }
}

export function unreadable(what: string, error: unknown): LayoutError {
  const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
  const told = error instanceof Error ? error.message : String(error);
  const reason = isAbsent ? 'there is no such file or folder' : told;
  return new LayoutError('unreadable', `cannot read ${what}: ${reason}`, error);
}
