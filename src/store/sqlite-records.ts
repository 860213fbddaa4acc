/** Verdicts, grants and pins in one SQLite database, found under tuples and written in one transaction. */
import { open } from 'node:fs/promises';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Repository } from '../oci/reference.ts';
import { inTransaction, migrate } from './migrations.ts';
import type {
  DecisionRecord,
  GrantKey,
  GrantKind,
  GrantRecord,
  PinRecord,
  Records,
  VerdictKey,
  VerdictRecord,
} from './records.ts';
import { grantOf, pinOf, verdictOf } from './rows.ts';
import { sqliteCode, StoreError } from './store-error.ts';

const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

export interface SqliteRecordsOptions {
  /** Path of the database, created with mode 0600 where there is none; `:memory:` keeps nothing. */
  readonly file: string;
}

/** @throws {StoreError} when the file is no database of ours, is of a newer version, or cannot be used. */
export async function openSqliteRecords({ file }: SqliteRecordsOptions): Promise<Records> {
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
    migrate(database, file);
    return new SqliteRecords(database, file);
  } catch (error) {
    database?.close();
    throw storeError(error, file);
  }
}

class SqliteRecords implements Records {
  readonly #database: DatabaseSync;
  readonly #file: string;
  readonly #verdict: StatementSync;
  readonly #grantManifest: StatementSync;
  readonly #grantBlob: StatementSync;
  readonly #pin: StatementSync;
  readonly #putVerdict: StatementSync;
  readonly #putGrant: StatementSync;
  readonly #putPin: StatementSync;

  constructor(database: DatabaseSync, file: string) {
    this.#database = database;
    this.#file = file;
    this.#verdict = database.prepare(
      `SELECT media_type, size, verdict, decided_at FROM verdicts
       WHERE registry = ? AND path = ? AND digest = ? AND tag = ? AND policy_key = ?`,
    );
    this.#grantManifest = database.prepare(selectGrant('manifest', 'attachment'));
    this.#grantBlob = database.prepare(selectGrant('blob', 'attachment-blob'));
    this.#pin = database.prepare(
      'SELECT digest, checked_at, since FROM pins WHERE registry = ? AND path = ? AND tag = ?',
    );
    this.#putVerdict = database.prepare('REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#putGrant = database.prepare('REPLACE INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    this.#putPin = database.prepare(
      `INSERT INTO pins VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET
         since = CASE WHEN digest = excluded.digest THEN since ELSE excluded.since END,
         digest = excluded.digest,
         checked_at = excluded.checked_at`,
    );
  }

  findVerdict(key: VerdictKey): Promise<VerdictRecord | undefined> {
    return this.#attempt(() => {
      const { repository, digest, tag, policyKey } = key;
      const { registry, path } = repository;
      const row = this.#verdict.get(registry, path, digest, tag ?? '', policyKey);
      return row && verdictOf(row, { repository, digest, tag, policyKey });
    });
  }

  findGrant(key: GrantKey, of: 'manifest' | 'blob'): Promise<GrantRecord | undefined> {
    return this.#attempt(() => {
      const { repository, digest, policyKey } = key;
      const statement = of === 'manifest' ? this.#grantManifest : this.#grantBlob;
      const row = statement.get(repository.registry, repository.path, digest, policyKey);
      return row && grantOf(row, { repository, digest, policyKey });
    });
  }

  findPin(repository: Repository, tag: string): Promise<PinRecord | undefined> {
    return this.#attempt(() => {
      const row = this.#pin.get(repository.registry, repository.path, tag);
      return row && pinOf(row, repository, tag);
    });
  }

  record({ verdict, grants, pin }: DecisionRecord): Promise<void> {
    return this.#attempt(() => {
      inTransaction(this.#database, () => {
        if (verdict) this.#writeVerdict(verdict);
        for (const grant of grants ?? []) this.#writeGrant(grant);
        if (pin) this.#writePin(pin);
      });
    });
  }

  close(): Promise<void> {
    return this.#attempt(() => {
      if (this.#database.isOpen) this.#database.close();
    });
  }

  #writeVerdict(verdict: VerdictRecord): void {
    const { registry, path } = verdict.repository;
    const { digest, tag, policyKey, mediaType, size, decidedAt } = verdict;
    this.#putVerdict.run(
      ...[registry, path, digest, tag ?? '', policyKey],
      ...[mediaType, size, verdict.verdict, decidedAt],
    );
  }

  #writeGrant({
    repository,
    digest,
    policyKey,
    kind,
    mediaType,
    size,
    because,
  }: GrantRecord): void {
    const { registry, path } = repository;
    this.#putGrant.run(registry, path, digest, policyKey, kind, mediaType, size, because);
  }

  #writePin({ repository, tag, digest, checkedAt, since }: PinRecord): void {
    this.#putPin.run(repository.registry, repository.path, tag, digest, checkedAt, since);
  }

  /** SQLite answers at once; what it throws becomes a rejection like that of any other port. */
  async #attempt<T>(work: () => T): Promise<T> {
    try {
      return await Promise.resolve(work());
    } catch (error) {
      throw storeError(error, this.#file);
    }
  }
}

/** Of two grants the stronger: an attachment that shares a blob with an image takes nothing from the image. */
function selectGrant(strong: GrantKind, weak: GrantKind): string {
  return `SELECT kind, media_type, size, because FROM grants
    WHERE registry = ? AND path = ? AND digest = ? AND policy_key = ? AND kind IN ('${strong}', '${weak}')
    ORDER BY kind = '${weak}' LIMIT 1`;
}

function storeError(error: unknown, file: string): StoreError {
  if (error instanceof StoreError) return error;
  const code = sqliteCode(error);
  if (code === SQLITE_NOTADB || code === SQLITE_CORRUPT) {
    return new StoreError(
      'not-a-database',
      `expected ${file} to be a sound SQLite database, got something else or a damaged one: remove or restore it; what it held is decided anew`,
      error,
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new StoreError('storage-failed', `cannot use the database ${file}: ${reason}`, error);
}
