/** The complete blobs of a cache folder, for who only looks: nothing is made there, taken or removed. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestMatches } from '../oci/digest.ts';
import type { BlobStore } from './blob-store.ts';
import { isAbsent, storageFailed } from './disk-io.ts';
import { blobName, blobsFolder } from './disk-layout.ts';

/** @param path the cache folder, which need not be there. */
export function keptBlobs(path: string): Pick<BlobStore, 'stat' | 'get'> {
  async function sizeOf(file: string): Promise<number | undefined> {
    try {
      return (await stat(file)).size;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw storageFailed('look for a blob', error);
    }
  }

  const fileOf = (digest: Parameters<BlobStore['stat']>[0]): string =>
    join(blobsFolder(path), blobName(digest));
  return {
    stat: (digest) => sizeOf(fileOf(digest)),
    async get(digest, maxBytes) {
      const file = fileOf(digest);
      const size = await sizeOf(file);
      if (size === undefined || size > maxBytes) return undefined;
      const bytes = await readFile(file);
      return digestMatches(bytes, digest) ? bytes : undefined;
    },
  };
}
