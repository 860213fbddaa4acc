/** Pins, their history and operators' orders in the database of the records. Every method may throw. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Digest } from '../oci/digest.ts';
import { parseRepository, type Repository } from '../oci/reference.ts';
import { inTransaction } from './migrations.ts';
import { entryOf, orderOf, pinOf, textOf } from './rows.ts';
import { openStatements } from './statements.ts';
import {
  MAX_SEEN_OF_REPOSITORY,
  MAX_SEEN_OF_TAG,
  MAX_TAG_HISTORY,
  type Arrival,
  type KnownTag,
  type PinRecord,
  type TagEntry,
  type TagKey,
  type TagOrder,
} from './tag-records.ts';

const OF_TAG = 'registry = ? AND path = ? AND tag = ?';

export class SqliteTags {
  readonly #database: DatabaseSync;
  readonly #sql: (text: string) => StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#sql = openStatements(database);
  }

  findPin({ registry, path }: Repository, tag: string): PinRecord | undefined {
    const row = this.#sql(
      `SELECT digest, checked_at, since, withheld FROM pins WHERE ${OF_TAG}`,
    ).get(registry, path, tag);
    return row && pinOf(row, { registry, path }, tag);
  }

  writePin({ repository, tag, digest, checkedAt, since, withheld }: PinRecord): void {
    this.#sql(
      `INSERT INTO pins VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET
         since = CASE WHEN digest = excluded.digest THEN since ELSE excluded.since END,
         digest = excluded.digest,
         checked_at = excluded.checked_at,
         withheld = excluded.withheld`,
    ).run(
      ...[repository.registry, repository.path, tag, digest, checkedAt, since],
      withheld === undefined ? '' : JSON.stringify(withheld),
    );
  }

  removePin({ repository, tag }: TagKey): void {
    this.#sql(`DELETE FROM pins WHERE ${OF_TAG}`).run(repository.registry, repository.path, tag);
  }

  findHistory({ registry, path }: Repository, tag: string): readonly TagEntry[] {
    return this.#sql(
      `SELECT digest, first_seen, admitted_at, evidence, signed_at, left_at FROM tag_history
       WHERE ${OF_TAG}
       ORDER BY admitted_at IS NOT NULL AND left_at IS NULL DESC,
         coalesce(left_at, admitted_at, first_seen) DESC, digest`,
    )
      .all(registry, path, tag)
      .map(entryOf);
  }

  see({ repository, tag }: TagKey, digest: Digest, at: number): number {
    const { registry, path } = repository;
    inTransaction(this.#database, () => {
      // A clock that was set back: what was seen in its future is seen now, and waits from now on.
      this.#sql(
        `INSERT INTO tag_history VALUES (?, ?, ?, ?, ?, NULL, '', NULL, NULL)
         ON CONFLICT DO UPDATE SET first_seen = min(first_seen, excluded.first_seen)`,
      ).run(registry, path, tag, digest, at);
      this.#sql(
        `DELETE FROM tag_history WHERE ${OF_TAG} AND admitted_at IS NULL AND digest <> ?
         AND digest NOT IN (
           SELECT digest FROM tag_history WHERE ${OF_TAG} AND admitted_at IS NULL
           ORDER BY first_seen DESC LIMIT ?
         )`,
      ).run(registry, path, tag, digest, registry, path, tag, MAX_SEEN_OF_TAG);
      this.#sql(
        `DELETE FROM tag_history
         WHERE registry = ? AND path = ? AND (tag, digest) IN (
           SELECT tag, digest FROM tag_history
           WHERE registry = ? AND path = ? AND admitted_at IS NULL
           ORDER BY first_seen DESC LIMIT -1 OFFSET ?
         )`,
      ).run(registry, path, registry, path, MAX_SEEN_OF_REPOSITORY);
    });
    const row = this.#sql(
      `SELECT min(first_seen) AS first_seen FROM tag_history
       WHERE registry = ? AND path = ? AND digest = ?`,
    ).get(registry, path, digest);
    const first = row?.['first_seen'];
    return typeof first === 'number' ? Math.min(first, at) : at;
  }

  arrive({ pin, at, evidence, signedAt, leaves, usesRollback }: Arrival): void {
    const { registry, path } = pin.repository;
    const { tag, digest } = pin;
    inTransaction(this.#database, () => {
      this.writePin(pin);
      // A clock that was ahead: what was left in its future would never be the oldest.
      this.#sql(`UPDATE tag_history SET left_at = ? WHERE ${OF_TAG} AND left_at > ?`).run(
        ...[at, registry, path, tag, at],
      );
      if (leaves) {
        this.#sql(
          `UPDATE tag_history SET left_at = ?
           WHERE ${OF_TAG} AND digest <> ? AND left_at IS NULL AND admitted_at IS NOT NULL`,
        ).run(at, registry, path, tag, digest);
      }
      this.#sql(
        `INSERT INTO tag_history VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)
         ON CONFLICT DO UPDATE SET
           first_seen = min(first_seen, excluded.first_seen),
           admitted_at = coalesce(admitted_at, excluded.admitted_at),
           evidence = excluded.evidence,
           signed_at = coalesce(excluded.signed_at, signed_at),
           left_at = NULL`,
      ).run(...[registry, path, tag, digest, at, at], ...[evidence, signedAt ?? null]);
      this.#sql(
        `DELETE FROM tag_history WHERE ${OF_TAG} AND admitted_at IS NOT NULL AND digest NOT IN (
           SELECT digest FROM tag_history WHERE ${OF_TAG} AND admitted_at IS NOT NULL
           ORDER BY left_at IS NOT NULL, left_at DESC LIMIT ?
         )`,
      ).run(registry, path, tag, registry, path, tag, MAX_TAG_HISTORY);
      if (usesRollback) {
        this.#sql(
          `UPDATE tag_orders SET rollback = '' WHERE ${OF_TAG} AND rollback IN ('*', ?)`,
        ).run(registry, path, tag, digest);
        this.#forgetEmptyOrder(pin);
      }
    });
  }

  findOrder({ registry, path }: Repository, tag: string): TagOrder | undefined {
    const row = this.#sql(
      `SELECT frozen, digest, rollback, ask FROM tag_orders WHERE ${OF_TAG}`,
    ).get(...[registry, path, tag]);
    return row && orderOf(row);
  }

  giveOrders(orders: readonly (TagKey & { readonly order: TagOrder })[]): void {
    inTransaction(this.#database, () => {
      for (const { repository, tag, order } of orders) {
        const { registry, path } = repository;
        const { frozen, digest = '', rollback = '', ask = false } = order;
        this.#sql('REPLACE INTO tag_orders VALUES (?, ?, ?, ?, ?, ?, ?)').run(
          ...[registry, path, tag, frozen ? 1 : 0, digest],
          ...[rollback === 'any' ? '*' : rollback, ask ? 1 : 0],
        );
        this.#forgetEmptyOrder({ repository, tag });
      }
    });
  }

  asked({ repository, tag }: TagKey): void {
    const { registry, path } = repository;
    inTransaction(this.#database, () => {
      this.#sql(`UPDATE tag_orders SET ask = 0 WHERE ${OF_TAG}`).run(registry, path, tag);
      this.#forgetEmptyOrder({ repository, tag });
    });
  }

  #forgetEmptyOrder({ repository, tag }: TagKey): void {
    this.#sql(
      `DELETE FROM tag_orders
       WHERE ${OF_TAG} AND frozen = 0 AND digest = '' AND rollback = '' AND ask = 0`,
    ).run(repository.registry, repository.path, tag);
  }

  listTags(): readonly KnownTag[] {
    return this.#sql(
      `SELECT registry, path, tag FROM pins UNION SELECT registry, path, tag FROM tag_orders
       ORDER BY registry, path, tag`,
    )
      .all()
      .map((row) => {
        const repository = parseRepository(textOf(row, 'registry'), textOf(row, 'path'));
        const tag = textOf(row, 'tag');
        const pin = this.findPin(repository, tag);
        const order = this.findOrder(repository, tag);
        return {
          ...{ repository, tag },
          ...(pin === undefined ? {} : { pin }),
          ...(order === undefined ? {} : { order }),
        };
      });
  }

  listPinned({ registry, path }: Repository, after: string, limit: number): readonly string[] {
    return this.#sql(
      'SELECT tag FROM pins WHERE registry = ? AND path = ? AND tag > ? ORDER BY tag LIMIT ?',
    )
      .all(registry, path, after, limit)
      .map((row) => textOf(row, 'tag'));
  }

  version(): number {
    const value = this.#sql('PRAGMA data_version').get()?.['data_version'];
    return typeof value === 'number' ? value : 0;
  }
}
