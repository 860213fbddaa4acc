/** The records of a cache, for a command beside a proxy that may be using them. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Records } from '../store/records.ts';
import { openSqliteRecords } from '../store/sqlite-records.ts';

/**
 * Where there are none, they are made only to be written, since who looks may not be the user whom the proxy runs as.
 * @throws {StoreError} when they cannot be opened.
 */
export async function openCommandRecords(
  path: string,
  purpose: 'read' | 'write',
): Promise<Records> {
  const file = join(path, 'records.sqlite');
  if (purpose === 'read' && !existsSync(file)) return openSqliteRecords({ file: ':memory:' });
  await mkdir(path, { recursive: true, mode: 0o700 });
  return openSqliteRecords({ file });
}
