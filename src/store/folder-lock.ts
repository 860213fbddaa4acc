/** Exclusive use of a folder by one process, ended by the kernel however the process ends. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sqliteCode, StoreError } from './store-error.ts';

const SQLITE_BUSY = 5;

export interface FolderLock {
  /** Lets another process in. Releasing twice is harmless. */
  release(): void;
}

/** Whether some process has the folder: a proxy runs on it. @throws {StoreError} `storage-failed`. */
export async function isFolderInUse(path: string): Promise<boolean> {
  try {
    (await lockFolder(path)).release();
    return false;
  } catch (error) {
    if (error instanceof StoreError && error.code === 'in-use') return true;
    throw error;
  }
}

/** Locks in use; a database that is collected as garbage would close, and its lock with it. */
const held = new Set<DatabaseSync>();

/**
 * Takes the folder, creating it with mode 0700 where there is none. A file `lock` in it is an empty database held in an
 * exclusive transaction: Node has no file locks of its own, SQLite has, and nothing is left to clean up after a kill.
 * The folder must be on a file system with POSIX locks, i.e. a local one.
 * @param patience milliseconds for which it may be taken: commands look whether it is by taking it for a moment.
 * @throws {StoreError} `in-use` when a process, this one included, has it.
 */
export async function lockFolder(path: string, patience = 0): Promise<FolderLock> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(join(path, 'lock'), { timeout: patience });
    try {
      // The journal stays in memory: nothing is ever written, and a kill shall leave no file but the lock.
      database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      throw error;
    }
    held.add(database);
    return {
      release() {
        if (held.delete(database)) database.close();
      },
    };
  } catch (error) {
    if (sqliteCode(error) === SQLITE_BUSY) {
      throw new StoreError(
        'in-use',
        `the folder ${path} is in use by another Countersign process: stop that process, or give this one another cache.path`,
        error,
      );
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new StoreError('storage-failed', `cannot use the folder ${path}: ${reason}`, error);
  }
}
