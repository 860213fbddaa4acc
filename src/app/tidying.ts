/** Before a cache is tidied up: what was imported and no proxy has seen yet is taken into the books, so that it counts. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { boundBlobStore } from '../store/bounded-blob-store.ts';
import { openDiskBlobStore } from '../store/disk-blob-store.ts';
import { openSqliteRecords } from '../store/sqlite-records.ts';
import { openKeptUsage } from '../store/sqlite-usage.ts';
import { StoreError } from '../store/store-error.ts';
import { adoptImported } from './adoption.ts';

/**
 * Images that have to stay are known by their names in the books; without them an import would be taken for leftovers as
 * soon as the rules change.
 * @throws {StoreError} `in-use` while a proxy works on the folder, which adopts them itself; `storage-failed`.
 */
export async function adoptBeforeTidying({ cache }: Config, logger: Logger): Promise<void> {
  const file = join(cache.path, 'records.sqlite');
  if (!existsSync(file)) return;
  const records = await openSqliteRecords({ file });
  try {
    const isOpen = async (): Promise<boolean> => (await records.local.listUnadopted(1)).length > 0;
    if (!(await isOpen())) return;
    const disk = await openDiskBlobStore({ path: cache.path, logger });
    const blobs = await boundBlobStore(disk, {
      // No room is made here.
      maxBytes: Number.POSITIVE_INFINITY,
      usage: await openKeptUsage(join(cache.path, 'usage.sqlite')),
      clock: Date.now,
      logger,
    });
    try {
      await adoptImported({ blobs, records, logger });
      if (!(await isOpen())) return;
    } finally {
      await blobs.close();
    }
    const message = 'imported images could not be taken into the books of the cache';
    throw new StoreError('storage-failed', message);
  } finally {
    await records.close();
  }
}
