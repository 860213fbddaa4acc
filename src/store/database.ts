/** Opening a SQLite database of ours, and what its errors are called. */
import { open } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { migrate, WHAT_IS_LOST } from './migrations.ts';
import { sqliteCode, StoreError } from './store-error.ts';

const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * Opens the database and brings it to its newest shape; created with mode 0600 where there is none.
 * `:memory:` keeps nothing. A killed process loses nothing that was committed, a power cut the last commits at most.
 * @throws {StoreError} when the file is no database of ours, is of a newer version, or cannot be used.
 */
export async function openDatabase(file: string, steps: readonly string[]): Promise<DatabaseSync> {
  let database: DatabaseSync | undefined;
  try {
    // SQLite would create it readable by others; its journal files copy the mode.
    if (file !== ':memory:') await (await open(file, 'a', 0o600)).close();
    database = new DatabaseSync(file, { timeout: 2000 });
    // Asked first, since a file that is no database shows it at the first read.
    database.prepare('PRAGMA schema_version').get();
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF',
    );
    migrate(database, file, steps);
    return database;
  } catch (error) {
    database?.close();
    throw storeError(error, file);
  }
}

/** Whatever a database threw, as the store's own error; a file that is damaged is `not-a-database`. */
export function storeError(error: unknown, file: string): StoreError {
  if (error instanceof StoreError) return error;
  const code = sqliteCode(error);
  if (code === SQLITE_NOTADB || code === SQLITE_CORRUPT) {
    return new StoreError(
      'not-a-database',
      `expected ${file} to be a sound SQLite database, got something else or a damaged one: remove or restore it. ${WHAT_IS_LOST}`,
      error,
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new StoreError('storage-failed', `cannot use the database ${file}: ${reason}`, error);
}
