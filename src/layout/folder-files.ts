/** The files of a layout in a folder: nothing in it may be a link, or lead elsewhere. */
import { constants } from 'node:fs';
import { lstat, open, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_ENTRIES } from './bounds.ts';
import { NameBook, parseEntryName } from './entry-name.ts';
import { LayoutError, shown } from './layout-error.ts';
import type { LayoutFile, LayoutFiles } from './layout-files.ts';
import { readAt, unreadable } from './tar-files.ts';

/** Folders in folders: `blobs/sha256`. */
const MAX_DEPTH = 8;

/** @throws {LayoutError} */
export async function openFolderFiles(path: string): Promise<LayoutFiles> {
  const sizes = new Map<string, number>();
  const names = new NameBook();
  let entries = 0;

  async function walk(folder: string, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) throw new LayoutError('hostile', `the folder ${shown(folder)} is deep`);
    for await (const { name: own } of await opendir(join(path, folder))) {
      if (++entries > MAX_ENTRIES) {
        throw new LayoutError('too-large', `expected at most ${MAX_ENTRIES} entries in the folder`);
      }
      const name = parseEntryName(folder === '' ? own : `${folder}/${own}`);
      names.add(name);
      const stats = await lstat(join(path, name));
      if (stats.isDirectory()) await walk(name, depth + 1);
      else if (stats.isFile()) sizes.set(name, stats.size);
      else throw notAFile(name);
    }
  }

  try {
    await walk('', 0);
  } catch (error) {
    throw error instanceof LayoutError ? error : unreadable(path, error);
  }
  return {
    sizes,
    async open(name) {
      const size = sizes.get(name);
      if (size === undefined) throw new LayoutError('missing', `there is no ${shown(name)}`);
      return openFile(join(path, name), name, size);
    },
    close: () => Promise.resolve(),
  };
}

async function openFile(path: string, name: string, size: number): Promise<LayoutFile> {
  // It was no link when the folder was looked through; it must be none now.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(
    (error: unknown) => {
      throw unreadable(shown(name), error);
    },
  );
  return {
    size,
    read: (target, position) => readAt(handle, target, position),
    close: () => handle.close(),
  };
}

function notAFile(name: string): LayoutError {
  return new LayoutError('hostile', `the entry ${shown(name)} is a link, or no file`);
}
