/** Verdicts, grants and pins in one SQLite database, found under tuples and written in one transaction. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { parseDigest, type Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import { openDatabase, storeError } from './database.ts';
import type { LocalRecords } from './local-records.ts';
import { inTransaction, RECORDS_STEPS } from './migrations.ts';
import type {
  DueVerdict,
  DecisionRecord,
  GrantKey,
  GrantKind,
  GrantRecord,
  PolicyKey,
  Records,
  VerdictKey,
  VerdictRecord,
} from './records.ts';
import { dueOf, grantOf, verdictOf } from './rows.ts';
import { SqliteLocal } from './sqlite-local.ts';
import { SqliteTags } from './sqlite-tags.ts';
import type { Arrival, KnownTag, PinRecord, TagEntry, TagKey, TagOrder } from './tag-records.ts';
import { WITHDRAW } from './withdrawal.ts';

export interface SqliteRecordsOptions {
  /** Path of the database, created with mode 0600 where there is none; `:memory:` keeps nothing. */
  readonly file: string;
}

/** @throws {StoreError} when the file is no database of ours, is of a newer version, or cannot be used. */
export async function openSqliteRecords({ file }: SqliteRecordsOptions): Promise<Records> {
  const database = await openDatabase(file, RECORDS_STEPS);
  try {
    return new SqliteRecords(database, file);
  } catch (error) {
    database.close();
    throw storeError(error, file);
  }
}

class SqliteRecords implements Records {
  readonly #database: DatabaseSync;
  readonly #file: string;
  readonly #verdict: StatementSync;
  readonly #grantManifest: StatementSync;
  readonly #grantBlob: StatementSync;
  readonly #openChildren: StatementSync;
  readonly #due: StatementSync;
  readonly #postpone: StatementSync;
  readonly #withdrawTag: StatementSync;
  readonly #otherTag: StatementSync;
  readonly #withdraw: readonly StatementSync[];
  readonly #putVerdict: StatementSync;
  readonly #putGrant: StatementSync;
  readonly #tags: SqliteTags;
  readonly local: LocalRecords;

  constructor(database: DatabaseSync, file: string) {
    this.#database = database;
    this.#file = file;
    this.#verdict = database.prepare(
      `SELECT media_type, size, verdict, decided_at, due_at FROM verdicts
       WHERE registry = ? AND path = ? AND digest = ? AND tag = ? AND policy_key = ?`,
    );
    this.#grantManifest = database.prepare(selectGrant('manifest', 'attachment'));
    this.#grantBlob = database.prepare(selectGrant('blob', 'attachment-blob'));
    this.#openChildren = database.prepare(
      `SELECT DISTINCT digest FROM grants AS child
       WHERE registry = ? AND path = ? AND policy_key = ? AND kind = 'manifest' AND NOT EXISTS (
         SELECT 1 FROM verdicts
         WHERE registry = child.registry AND path = child.path AND digest = child.digest
           AND policy_key = child.policy_key
       ) LIMIT ?`,
    );
    this.#due = database.prepare(
      `SELECT registry, path, digest, tag, due_at FROM verdicts
       WHERE policy_key = ? AND due_at <= ?
         AND (due_at, registry, path, digest, tag) > (?, ?, ?, ?, ?)
       ORDER BY due_at, registry, path, digest, tag LIMIT ?`,
    );
    this.#postpone = database.prepare(
      `UPDATE verdicts SET due_at = ?
       WHERE registry = ? AND path = ? AND digest = ? AND tag = ? AND policy_key = ?`,
    );
    const ofDigest = 'registry = ? AND path = ? AND digest = ? AND policy_key = ?';
    this.#withdrawTag = database.prepare(`DELETE FROM verdicts WHERE ${ofDigest} AND tag = ?`);
    this.#otherTag = database.prepare(
      `SELECT 1 FROM verdicts WHERE ${ofDigest} AND tag <> '' LIMIT 1`,
    );
    this.#withdraw = WITHDRAW.map((text) => database.prepare(text));
    this.#putVerdict = database.prepare(
      'REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#putGrant = database.prepare('REPLACE INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    this.#tags = new SqliteTags(database);
    this.local = new SqliteLocal(database, file);
  }

  findVerdict(key: VerdictKey): Promise<VerdictRecord | undefined> {
    return this.#attempt(() => {
      const { repository, digest, tag, policyKey } = key;
      const { registry, path } = repository;
      const row = this.#verdict.get(registry, path, digest, tag ?? '', policyKey);
      return row && verdictOf(row, { repository, digest, tag, policyKey });
    });
  }

  findGrants(
    key: GrantKey,
    of: 'manifest' | 'blob',
    limit: number,
  ): Promise<readonly GrantRecord[]> {
    return this.#attempt(() => {
      const { repository, digest, policyKey } = key;
      const { registry, path } = repository;
      const statement = of === 'manifest' ? this.#grantManifest : this.#grantBlob;
      const rows = statement.all(registry, path, digest, policyKey, limit);
      return rows.map((row) => grantOf(row, { repository, digest, policyKey }));
    });
  }

  findOpenChildren(
    { registry, path }: Repository,
    policyKey: PolicyKey,
    limit: number,
  ): Promise<readonly Digest[]> {
    return this.#attempt(() =>
      this.#openChildren
        .all(registry, path, policyKey, limit)
        .map((row) => parseDigest(row['digest'])),
    );
  }

  listDue(
    policyKey: PolicyKey,
    at: number,
    limit: number,
    after?: DueVerdict,
  ): Promise<readonly DueVerdict[]> {
    const { dueAt = -1, repository, digest = '', tag = '' } = after ?? {};
    const place = [dueAt, repository?.registry ?? '', repository?.path ?? '', digest, tag] as const;
    return this.#attempt(() => this.#due.all(policyKey, at, ...place, limit).map(dueOf));
  }

  postpone(
    { repository, digest, tag, policyKey }: VerdictKey,
    dueAt: number | undefined,
  ): Promise<void> {
    const { registry, path } = repository;
    return this.#attempt(() => {
      this.#postpone.run(dueAt ?? null, registry, path, digest, tag ?? '', policyKey);
    });
  }

  withdraw({ repository, digest, tag, policyKey }: VerdictKey): Promise<void> {
    const { registry, path } = repository;
    return this.#attempt(() => {
      inTransaction(this.#database, () => {
        const key = { registry, path, digest, policyKey };
        if (tag !== undefined) {
          this.#withdrawTag.run(registry, path, digest, policyKey, tag);
          if (this.#otherTag.get(registry, path, digest, policyKey) !== undefined) return;
        }
        for (const statement of this.#withdraw) statement.run(key);
      });
    });
  }

  findPin(repository: Repository, tag: string): Promise<PinRecord | undefined> {
    return this.#attempt(() => this.#tags.findPin(repository, tag));
  }

  findHistory(repository: Repository, tag: string): Promise<readonly TagEntry[]> {
    return this.#attempt(() => this.#tags.findHistory(repository, tag));
  }

  findOrder(repository: Repository, tag: string): Promise<TagOrder | undefined> {
    return this.#attempt(() => this.#tags.findOrder(repository, tag));
  }

  see(key: TagKey, digest: Digest, at: number): Promise<number> {
    return this.#attempt(() => this.#tags.see(key, digest, at));
  }

  arrive(arrival: Arrival): Promise<void> {
    return this.#attempt(() => {
      this.#tags.arrive(arrival);
    });
  }

  asked(key: TagKey): Promise<void> {
    return this.#attempt(() => {
      this.#tags.asked(key);
    });
  }

  removePin(key: TagKey): Promise<void> {
    return this.#attempt(() => {
      this.#tags.removePin(key);
    });
  }

  giveOrders(orders: readonly (TagKey & { readonly order: TagOrder })[]): Promise<void> {
    return this.#attempt(() => {
      this.#tags.giveOrders(orders);
    });
  }

  listTags(): Promise<readonly KnownTag[]> {
    return this.#attempt(() => this.#tags.listTags());
  }

  listPinned(repository: Repository, after: string, limit: number): Promise<readonly string[]> {
    return this.#attempt(() => this.#tags.listPinned(repository, after, limit));
  }

  version(): Promise<number> {
    return this.#attempt(() => this.#tags.version());
  }

  record({ verdict, grants, pin }: DecisionRecord): Promise<void> {
    return this.#attempt(() => {
      inTransaction(this.#database, () => {
        if (verdict) this.#writeVerdict(verdict);
        for (const grant of grants ?? []) this.#writeGrant(grant);
        if (pin) this.#tags.writePin(pin);
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
    const { digest, tag, policyKey, mediaType, size, decidedAt, dueAt } = verdict;
    this.#putVerdict.run(
      ...[registry, path, digest, tag ?? '', policyKey],
      ...[mediaType, size, verdict.verdict, decidedAt, dueAt ?? null],
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

  /** SQLite answers at once; what it throws becomes a rejection like that of any other port. */
  async #attempt<T>(work: () => T): Promise<T> {
    try {
      return await Promise.resolve(work());
    } catch (error) {
      throw storeError(error, this.#file);
    }
  }
}

/**
 * Of several grants the strongest first: an attachment that shares a blob with an image takes nothing from the image. In
 * the order of the primary key, since a layer may have as many grants as there are images on it.
 */
function selectGrant(strong: GrantKind, weak: GrantKind): string {
  return `SELECT kind, media_type, size, because FROM grants
    WHERE registry = ? AND path = ? AND digest = ? AND policy_key = ? AND kind IN ('${strong}', '${weak}')
    ORDER BY kind DESC LIMIT ?`;
}
