/** Where things lie in the cache folder: `v1/blobs/<algorithm>/<2 hex>/<hex>`, and `v1/tmp/` for what is not proven yet. */
import { randomBytes } from 'node:crypto';
import { chmod, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestAlgorithm, digestHex, type Digest } from '../oci/digest.ts';
import type { DiskIo } from './disk-io.ts';

/** Another layout gets another number, so that an old and a new version never misread each other's files. */
const VERSION = 'v1';

/** Where the complete blobs of a cache folder lie. */
export function blobsFolder(path: string): string {
  return join(path, VERSION, 'blobs');
}

/** Where unfinished files of a cache folder lie. */
export function tempFolder(path: string): string {
  return join(path, VERSION, 'tmp');
}

/** What an import works in, beside the process that has the cache folder. */
export function importFolder(path: string): string {
  return join(path, VERSION, 'import');
}

export interface DiskLayoutOptions {
  /** Whether to remove what a killed process left half-written; it does unless told. */
  readonly sweep?: boolean;
  /** Where unfinished files lie, on the same file system; {@link tempFolder} unless told. */
  readonly temp?: string;
}

export class DiskLayout {
  readonly #io: DiskIo;
  readonly #blobs: string;
  readonly #temp: string;
  readonly #known = new Set<string>();

  private constructor(io: DiskIo, path: string, temp: string) {
    this.#io = io;
    this.#blobs = blobsFolder(path);
    this.#temp = temp;
  }

  /**
   * Makes the folders and removes what a killed process left half-written.
   * Only for who holds the folder's lock: another process's files would be removed from under it.
   */
  static async open(
    io: DiskIo,
    path: string,
    { sweep = true, temp = tempFolder(path) }: DiskLayoutOptions = {},
  ): Promise<DiskLayout> {
    const layout = new DiskLayout(io, path, temp);
    await layout.#makeFolder(layout.#temp);
    await layout.#makeFolder(layout.#blobs);
    await chmod(join(path, VERSION), 0o700);
    for (const name of sweep ? await readdir(layout.#temp) : []) {
      await rm(join(layout.#temp, name), { recursive: true, force: true });
    }
    return layout;
  }

  blobPath(digest: Digest): string {
    return join(this.#blobs, blobName(digest));
  }

  /** A name nobody used before. */
  newTempPath(): string {
    return join(this.#temp, randomBytes(16).toString('hex'));
  }

  /** Moves a finished file to its digest's name, so that it is there after a power cut. */
  async publish(tempPath: string, digest: Digest): Promise<void> {
    const path = this.blobPath(digest);
    const folder = dirname(path);
    await this.#makeFolder(folder);
    await this.#io.rename(tempPath, path);
    try {
      await this.#io.syncFolder(folder);
    } catch (error) {
      await this.#io.remove(path);
      throw error;
    }
  }

  async #makeFolder(path: string): Promise<void> {
    if (this.#known.has(path)) return;
    const first = await this.#io.makeFolder(path);
    if (first !== undefined) {
      // The entries that lead here must survive a power cut as well.
      const top = dirname(first);
      for (let at = path; at !== top;) {
        at = dirname(at);
        await this.#io.syncFolder(at);
      }
    }
    this.#known.add(path);
  }
}

/** A blob's path below `v1/blobs`, with slashes: a server in front of us may read it there too. */
export function blobName(digest: Digest): string {
  const hex = digestHex(digest);
  return `${digestAlgorithm(digest)}/${hex.slice(0, 2)}/${hex}`;
}
