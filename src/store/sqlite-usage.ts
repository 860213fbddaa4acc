/** The order of use in a SQLite database of its own, which may be lost at no greater cost than that order. */
import { rm } from 'node:fs/promises';
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { StoreLogger } from './blob-files.ts';
import { openDatabase, storeError } from './database.ts';
import { inTransaction } from './migrations.ts';
import { StoreError } from './store-error.ts';
import { SMALL, type BlobUse, type Usage, type UsageChange, type UsageSummary } from './usage.ts';

/** Append only: a step that was released never changes. */
const STEPS: readonly string[] = [
  `CREATE TABLE blobs (
     digest TEXT NOT NULL UNIQUE,
     size INTEGER NOT NULL,
     small INTEGER NOT NULL,
     used INTEGER NOT NULL,
     arriving INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX blobs_by_use ON blobs (small, used, size);
   CREATE INDEX blobs_arriving ON blobs (arriving) WHERE arriving = 1;`,
];

export interface SqliteUsageOptions {
  /** Path of the database, created with mode 0600 where there is none; `:memory:` keeps nothing. */
  readonly file: string;
  readonly logger?: StoreLogger | undefined;
}

/** Always opens: a damaged file is begun anew, one that cannot be used is replaced by memory, both with a warning. */
export async function openSqliteUsage({ file, logger }: SqliteUsageOptions): Promise<Usage> {
  try {
    return await open(file);
  } catch (error) {
    logger?.warn({ err: error }, 'what is in the cache has to be learned anew, as it is read');
    const beyondRepair =
      error instanceof StoreError && ['not-a-database', 'newer-version'].includes(error.code);
    if (!beyondRepair) return open(':memory:');
  }
  try {
    for (const each of [file, `${file}-wal`, `${file}-shm`]) await rm(each, { force: true });
    return await open(file);
  } catch (error) {
    logger?.warn({ err: error }, 'what is in the cache is forgotten at the next start');
    return open(':memory:');
  }
}

async function open(file: string): Promise<Usage> {
  const database = await openDatabase(file, STEPS);
  try {
    const usage = new SqliteUsage(database);
    // Damage shows itself here, and not once the store is in use.
    usage.summary(Number.MAX_SAFE_INTEGER);
    return usage;
  } catch (error) {
    database.close();
    throw storeError(error, file);
  }
}

class SqliteUsage implements Usage {
  readonly #database: DatabaseSync;
  readonly #sum: StatementSync;
  readonly #larger: StatementSync;
  readonly #arriving: StatementSync;
  readonly #oldest: StatementSync;
  readonly #size: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#sum = database.prepare(
      'SELECT SUM(IIF(size <= ?, size, 0)) AS bytes, MAX(used) AS last FROM blobs',
    );
    // From the index, which is small, and not from the table.
    this.#larger = database.prepare(
      `SELECT digest, size, used FROM blobs
       WHERE rowid IN (SELECT rowid FROM blobs INDEXED BY blobs_by_use WHERE size > ?)`,
    );
    this.#arriving = database.prepare('SELECT digest, size, used FROM blobs WHERE arriving = 1');
    this.#oldest = database.prepare(
      'SELECT digest, size, used FROM blobs WHERE small = ? AND used > ? ORDER BY used LIMIT 1',
    );
    this.#size = database.prepare('SELECT size FROM blobs WHERE digest = ?');
    this.#put = database.prepare(
      `INSERT INTO blobs (digest, size, small, used, arriving) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET
         size = excluded.size,
         small = excluded.small,
         used = excluded.used,
         arriving = excluded.arriving`,
    );
    this.#delete = database.prepare('DELETE FROM blobs WHERE digest = ?');
  }

  summary(largest: number): UsageSummary {
    const row = this.#sum.get(largest);
    return {
      bytes: numberOf(row?.['bytes']),
      lastUse: numberOf(row?.['last']),
      larger: usesOf(this.#larger.all(largest)),
    };
  }

  arriving(): readonly BlobUse[] {
    return usesOf(this.#arriving.all());
  }

  oldest(small: boolean, after: number): BlobUse | undefined {
    return usesOf(this.#oldest.all(small ? 1 : 0, after))[0];
  }

  write(changes: ReadonlyMap<Digest, UsageChange>, largest: number): number {
    let grown = 0;
    const counted = (size: number): number => (size <= largest ? size : 0);
    inTransaction(this.#database, () => {
      for (const [digest, change] of changes) {
        grown -= counted(numberOf(this.#size.get(digest)?.['size']));
        if (change.kind === 'gone') {
          this.#delete.run(digest);
        } else {
          const { kind, size, use } = change;
          this.#put.run(digest, size, size < SMALL ? 1 : 0, use, kind === 'arriving' ? 1 : 0);
          grown += counted(size);
        }
      }
    });
    return grown;
  }

  close(): void {
    this.#database.close();
  }
}

type Row = Readonly<Record<string, SQLOutputValue>>;

/** Rows that someone else wrote and that make no sense are none. */
function usesOf(rows: readonly Row[]): BlobUse[] {
  return rows.flatMap((row) => {
    const digest = row['digest'];
    if (!isDigest(digest)) return [];
    return [{ digest, size: numberOf(row['size']), use: numberOf(row['used']) }];
  });
}

function numberOf(value: SQLOutputValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}
