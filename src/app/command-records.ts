/** The records of a cache, for a command beside a proxy that may be using them. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Records } from '../store/records.ts';
import { openSqliteRecords } from '../store/sqlite-records.ts';
import { StoreError } from '../store/store-error.ts';

/**
 * Where there are none, they are made only to be written, since who looks may not be the user whom the proxy runs as.
 * @throws {StoreError} when they cannot be opened.
 */
export async function openCommandRecords(
  path: string,
  purpose: 'read' | 'write',
): Promise<Records> {
  const file = join(path, 'records.sqlite');
  try {
    if (purpose === 'read' && (await isAbsent(file)))
      return await openSqliteRecords({ file: ':memory:' });
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StoreError('storage-failed', `cannot use the folder ${path}: ${reason}`, error);
  }
  return openSqliteRecords({ file });
}

/** Not being allowed to look is another matter: who is told of nothing must know that there is nothing. */
async function isAbsent(file: string): Promise<boolean> {
  try {
    await stat(file);
    return false;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return true;
    throw error;
  }
}
