/** Decisions under rules and trust roots that are no more. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Digest } from '../oci/digest.ts';

export interface OldRecordsOptions {
  /** Of the rules and trust roots in force. */
  readonly policyKeys: ReadonlySet<string>;
  /** What was decided later stays: a rule may come back. Milliseconds since the epoch. */
  readonly before: number;
  /** Nothing is forgotten for good. */
  readonly keep: boolean;
}

export class OldRecords {
  /** Verdicts and grants. */
  readonly forgotten: number;
  readonly #named: StatementSync;
  readonly #knowsNothing: boolean;

  /** Forgets them in one transaction, and learns which content the others name. */
  constructor(database: DatabaseSync, { policyKeys, before, keep }: OldRecordsOptions) {
    database.exec('CREATE TEMP TABLE in_force (policy_key TEXT PRIMARY KEY)');
    const add = database.prepare('INSERT OR IGNORE INTO in_force VALUES (?)');
    for (const key of policyKeys) add.run(key);
    database.exec('BEGIN IMMEDIATE');
    try {
      const verdicts = database
        .prepare(
          `DELETE FROM verdicts
           WHERE decided_at < ? AND policy_key NOT IN (SELECT policy_key FROM in_force)`,
        )
        .run(before);
      // A grant lasts as long as what gave it.
      const grants = database
        .prepare(
          `DELETE FROM grants
           WHERE policy_key NOT IN (SELECT policy_key FROM in_force) AND NOT EXISTS (
             SELECT 1 FROM verdicts
             WHERE registry = grants.registry AND path = grants.path
               AND digest = grants.because AND policy_key = grants.policy_key
           )`,
        )
        .run();
      this.forgotten = Number(verdicts.changes) + Number(grants.changes);
      database.exec(
        `CREATE TEMP TABLE named (digest TEXT PRIMARY KEY) WITHOUT ROWID;
         INSERT INTO named SELECT digest FROM verdicts UNION SELECT digest FROM grants`,
      );
      if (!keep) database.exec('COMMIT');
    } finally {
      if (database.isTransaction && !keep) database.exec('ROLLBACK');
    }
    this.#knowsNothing = database.prepare('SELECT 1 FROM named LIMIT 1').get() === undefined;
    this.#named = database.prepare('SELECT 1 FROM named WHERE digest = ?');
  }

  /** Whether a decision that is left names the content; where all decisions were lost, that says nothing. */
  names(digest: Digest): boolean {
    return this.#knowsNothing || this.#named.get(digest) !== undefined;
  }
}
