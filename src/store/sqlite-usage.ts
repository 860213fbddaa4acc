/** The order of use in a SQLite database of its own, which may be lost at no greater cost than that order. */
import { rm } from 'node:fs/promises';
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { StoreLogger } from './blob-files.ts';
import { openDatabase, storeError } from './database.ts';
import { inTransaction, USAGE_STEPS } from './migrations.ts';
import { SqliteImages } from './sqlite-images.ts';
import { StoreError } from './store-error.ts';
import {
  SMALL,
  type BlobUse,
  type Candidate,
  type ImageGraph,
  type Place,
  type Pull,
  type Usage,
  type UsageChange,
  type UsageSummary,
} from './usage.ts';

export interface SqliteUsageOptions {
  /** Path of the database, created with mode 0600 where there is none; `:memory:` keeps nothing. */
  readonly file: string;
  readonly logger?: StoreLogger | undefined;
}

/** Always opens: a damaged file is begun anew, one that cannot be used is replaced by memory, both with a warning. */
export async function openSqliteUsage({ file, logger }: SqliteUsageOptions): Promise<Usage> {
  try {
    return await openKeptUsage(file);
  } catch (error) {
    logger?.warn({ err: error }, 'what is in the cache has to be learned anew, as it is read');
    const beyondRepair =
      error instanceof StoreError && ['not-a-database', 'newer-version'].includes(error.code);
    if (!beyondRepair) return openKeptUsage(':memory:');
  }
  try {
    for (const each of [file, `${file}-wal`, `${file}-shm`]) await rm(each, { force: true });
    return await openKeptUsage(file);
  } catch (error) {
    logger?.warn({ err: error }, 'what is in the cache is forgotten at the next start');
    return openKeptUsage(':memory:');
  }
}

/** As the file is, created where there is none. @throws {StoreError} */
export async function openKeptUsage(file: string): Promise<Usage> {
  const database = await openDatabase(file, USAGE_STEPS);
  try {
    // Damage shows itself here, and not once the store is in use.
    return new SqliteUsage(database);
  } catch (error) {
    database.close();
    throw storeError(error, file);
  }
}

class SqliteUsage implements Usage {
  readonly #database: DatabaseSync;
  readonly #images: SqliteImages;
  /** As they were when it was opened. */
  readonly #sums: { readonly bytes: number; readonly lastUse: number };
  readonly #larger: StatementSync;
  readonly #list: StatementSync;
  readonly #arriving: StatementSync;
  readonly #equallyOld: StatementSync;
  readonly #younger: StatementSync;
  readonly #size: StatementSync;
  readonly #put: StatementSync;
  readonly #leave: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#images = new SqliteImages(database);
    // From the index, which is small, and not from the table.
    const sums = database
      .prepare(
        'SELECT SUM(size) AS bytes, MAX(used) AS last FROM content INDEXED BY content_by_place',
      )
      .get();
    this.#sums = { bytes: numberOf(sums?.['bytes']), lastUse: numberOf(sums?.['last']) };
    this.#larger = database.prepare(
      `SELECT digest, size FROM content
       WHERE id IN (SELECT id FROM content INDEXED BY content_by_place WHERE size > ?)`,
    );
    this.#list = database.prepare(
      'SELECT digest, size FROM content WHERE digest > ? AND size > 0 ORDER BY digest LIMIT ?',
    );
    this.#arriving = database.prepare('SELECT digest, size FROM content WHERE arriving = 1');
    // Two questions, each of which the index answers with one row, however many are equally old.
    this.#equallyOld = database.prepare(
      `SELECT digest, used, id FROM content
       WHERE place = ? AND used = ? AND id > ? ORDER BY id LIMIT 1`,
    );
    this.#younger = database.prepare(
      'SELECT digest, used, id FROM content WHERE place = ? AND used > ? ORDER BY used, id LIMIT 1',
    );
    this.#size = database.prepare('SELECT size FROM content WHERE digest = ?');
    this.#put = database.prepare(
      `INSERT INTO content (digest, size, place, used, arriving) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET
         size = excluded.size,
         place = CASE
           WHEN place = 2 OR EXISTS (SELECT 1 FROM members WHERE parent = content.id) THEN place
           ELSE excluded.place
         END,
         used = MAX(used, excluded.used),
         arriving = excluded.arriving`,
    );
    this.#leave = database.prepare(
      `UPDATE content SET size = 0, arriving = 0 WHERE digest = ?
       AND (place = 2 OR EXISTS (SELECT 1 FROM members WHERE parent = content.id))`,
    );
    this.#delete = database.prepare('DELETE FROM content WHERE digest = ?');
  }

  summary(largest: number): UsageSummary {
    const larger = usesOf(this.#larger.all(largest));
    const bytes = this.#sums.bytes - larger.reduce((sum, { size }) => sum + size, 0);
    return { bytes, lastUse: this.#sums.lastUse, larger };
  }

  sizeOf(digest: Digest): number {
    return numberOf(this.#size.get(digest)?.['size']);
  }

  list(after: string, limit: number): readonly BlobUse[] {
    return usesOf(this.#list.all(after, limit));
  }

  arriving(): readonly BlobUse[] {
    return usesOf(this.#arriving.all());
  }

  oldest(small: boolean, after: Place | undefined): Candidate | undefined {
    const place = small ? 1 : 0;
    const { use, id } = after ?? { use: -1, id: -1 };
    const row = this.#equallyOld.get(place, use, id) ?? this.#younger.get(place, use);
    const digest = row?.['digest'];
    if (row === undefined || !isDigest(digest)) return undefined;
    return { digest, use: numberOf(row['used']), id: numberOf(row['id']) };
  }

  write(changes: ReadonlyMap<Digest, UsageChange>, largest: number): number {
    let grown = 0;
    const counted = (size: number): number => (size <= largest ? size : 0);
    inTransaction(this.#database, () => {
      for (const [digest, change] of changes) {
        grown -= counted(this.sizeOf(digest));
        if (change.kind === 'gone') {
          // What something else belongs to, or belongs to something, is remembered as such.
          if (this.#leave.run(digest).changes === 0) this.#delete.run(digest);
        } else {
          const { kind, size, use } = change;
          this.#put.run(digest, size, size < SMALL ? 1 : 0, use, kind === 'arriving' ? 1 : 0);
          grown += counted(size);
        }
      }
    });
    return grown;
  }

  link(manifest: Digest, members: readonly Digest[]): void {
    const distinct = new Set(members);
    // Whatever is decided from the records is linked again: reading costs less than writing.
    if (distinct.size === 0 || this.#images.isLinked(manifest, distinct)) return;
    inTransaction(this.#database, () => {
      this.#images.link(manifest, distinct);
    });
  }

  attach(image: Digest, content: Digest): void {
    if (this.#images.isAttached(image, content)) return;
    inTransaction(this.#database, () => {
      this.#images.attach(image, content);
    });
  }

  pulled(pulls: ReadonlyMap<Digest, Pull>): readonly Digest[] {
    const missing: Digest[] = [];
    inTransaction(this.#database, () => {
      for (const [digest, pull] of pulls) {
        if (!this.#images.pulled(digest, pull)) missing.push(digest);
      }
    });
    return missing;
  }

  graph(root: Digest): ImageGraph {
    return this.#images.graph(root);
  }

  unlink(root: Digest): void {
    inTransaction(this.#database, () => {
      this.#images.unlink(root);
    });
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
    return isDigest(digest) ? [{ digest, size: numberOf(row['size']) }] : [];
  });
}

function numberOf(value: SQLOutputValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}
