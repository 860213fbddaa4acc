/** The files of a cache folder, one after the other, in memory that does not grow with their number. */
import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDigest, type Digest } from '../oci/digest.ts';
import { isAbsent } from './disk-io.ts';
import { blobsFolder } from './disk-layout.ts';

export interface KeptFile {
  readonly path: string;
  /** Undefined for what is no blob of ours. */
  readonly digest: Digest | undefined;
  /** Bytes. */
  readonly size: number;
}

/** A folder of blobs whose digests begin alike. */
export interface Shelf {
  readonly algorithm: string;
  /** Two hexadecimal digits. */
  readonly prefix: string;
  readonly files: readonly KeptFile[];
}

/** Every folder of blobs, in order; what goes while it is read is left out. A folder that is not there has none. */
export async function* shelvesOf(path: string): AsyncGenerator<Shelf, void, undefined> {
  const blobs = blobsFolder(path);
  for (const algorithm of await foldersIn(blobs)) {
    const folder = join(blobs, algorithm.name);
    for (const { name: prefix } of await foldersIn(folder)) {
      const files: KeptFile[] = [];
      for (const entry of await entriesOf(join(folder, prefix))) {
        const file = await lookAt(join(folder, prefix, entry.name), algorithm.name, prefix);
        if (file !== undefined) files.push(file);
      }
      yield { algorithm: algorithm.name, prefix, files };
    }
  }
}

/** What is in a folder; for a file, or where nothing is, that is nothing. */
export async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  } catch (error) {
    if (isAbsent(error) || isNoFolder(error)) return [];
    throw error;
  }
}

/** Not those that are linked from elsewhere. */
async function foldersIn(folder: string): Promise<readonly Dirent[]> {
  return (await entriesOf(folder)).filter((entry) => entry.isDirectory());
}

async function lookAt(
  path: string,
  algorithm: string,
  prefix: string,
): Promise<KeptFile | undefined> {
  try {
    const stats = await lstat(path);
    const hex = path.slice(path.lastIndexOf('/') + 1);
    const digest = `${algorithm}:${hex}`;
    const isOurs = stats.isFile() && hex.startsWith(prefix) && isDigest(digest);
    return { path, digest: isOurs ? digest : undefined, size: stats.size };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function isNoFolder(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOTDIR';
}
