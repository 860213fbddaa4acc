/** Approvals, imports and what is attached by them, in the database of the records. */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestMatches, type Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import { storeError } from './database.ts';
import { approvalOf, attachmentOf, contentOf, importedOf } from './local-rows.ts';
import type {
  Approval,
  ImportedImage,
  LocalAttachment,
  LocalContent,
  LocalRecords,
  Revocation,
} from './local-records.ts';
import { inTransaction } from './migrations.ts';
import { textOf } from './rows.ts';
import { openStatements } from './statements.ts';
import { withdrawEverywhere } from './withdrawal.ts';

const IN_REPOSITORY = 'registry = ? AND path = ?';
const ANNOUNCE = 'UPDATE notices SET announced = announced + 1';

export class SqliteLocal implements LocalRecords {
  readonly #database: DatabaseSync;
  readonly #file: string;
  readonly #sql: (text: string) => StatementSync;

  constructor(database: DatabaseSync, file: string) {
    this.#database = database;
    this.#sql = openStatements(database);
    this.#file = file;
  }

  listAttachments(
    { registry, path }: Repository,
    subject: Digest,
    limit: number,
  ): Promise<readonly LocalAttachment[]> {
    return this.#attempt(() =>
      this.#sql(
        `SELECT * FROM attachments WHERE ${IN_REPOSITORY} AND subject = ?
         ORDER BY origin = 'approval' DESC, at DESC, digest LIMIT ?`,
      )
        .all(registry, path, subject, limit)
        .map(attachmentOf),
    );
  }

  findAttachment(
    { registry, path }: Repository,
    digest: Digest,
  ): Promise<LocalAttachment | undefined> {
    return this.#attempt(() => {
      const row = this.#sql(
        `SELECT * FROM attachments WHERE ${IN_REPOSITORY} AND digest = ? LIMIT 1`,
      ).get(registry, path, digest);
      return row && attachmentOf(row);
    });
  }

  findContent(digest: Digest): Promise<Buffer | undefined> {
    return this.#attempt(() => {
      const row = this.#sql('SELECT bytes FROM local_contents WHERE digest = ?').get(digest);
      const bytes = row && contentOf(row);
      return bytes && digestMatches(bytes, digest) ? bytes : undefined;
    });
  }

  attach(attachments: readonly LocalAttachment[]): Promise<void> {
    return this.#inTransaction(() => {
      for (const attachment of attachments) this.#attach(attachment);
    });
  }

  approve(
    approval: Approval & { readonly manifest: Digest },
    descriptor: Descriptor,
    contents: readonly LocalContent[],
  ): Promise<void> {
    const { repository, subject, approvedAt } = approval;
    return this.#inTransaction(() => {
      const earlier = this.#find(approval);
      if (earlier !== undefined && !saysAsMuch(approval, earlier)) {
        withdrawEverywhere(this.#database, repository, subject);
      }
      this.#detach(approval);
      this.#put(approval);
      for (const { digest, bytes } of contents) {
        this.#run('REPLACE INTO local_contents VALUES (?, ?)', digest, bytes);
      }
      this.#attach({ repository, subject, descriptor, origin: 'approval', at: approvedAt });
      this.#run(ANNOUNCE);
    });
  }

  revoke({ repository, subject, keys, at, reason }: Revocation): Promise<void> {
    return this.#inTransaction(() => {
      for (const key of keys) {
        const unknown = { repository, subject, key, reference: '', note: '', approvedAt: at };
        const known = this.#find(unknown);
        if (known !== undefined) this.#detach(known);
        // Said again without a reason, the first one stands.
        const before = reason === '' ? known?.revoked : undefined;
        this.#put({ ...(known ?? unknown), revoked: before ?? { at, reason } });
      }
      withdrawEverywhere(this.#database, repository, subject);
      this.#run(ANNOUNCE);
    });
  }

  findRevokedKeys({ registry, path }: Repository, subject: Digest): Promise<readonly string[]> {
    return this.#attempt(() =>
      this.#sql(
        `SELECT key FROM approvals
         WHERE ${IN_REPOSITORY} AND subject = ? AND revoked_at IS NOT NULL`,
      )
        .all(registry, path, subject)
        .map((row) => textOf(row, 'key')),
    );
  }

  listApprovals(): Promise<readonly Approval[]> {
    return this.#attempt(() =>
      this.#sql('SELECT * FROM approvals ORDER BY registry, path, approved_at DESC, subject, key')
        .all()
        .map(approvalOf),
    );
  }

  addImported(images: readonly ImportedImage[]): Promise<void> {
    return this.#inTransaction(() => {
      for (const { repository, tag = '', digest, at } of images) {
        const { registry, path } = repository;
        this.#run(
          'REPLACE INTO imported_images VALUES (?, ?, ?, ?, ?, 0)',
          ...[registry, path, tag, digest, at],
        );
      }
    });
  }

  listUnadopted(limit: number): Promise<readonly ImportedImage[]> {
    return this.#attempt(() =>
      this.#sql('SELECT * FROM imported_images WHERE adopted = 0 ORDER BY at LIMIT ?')
        .all(limit)
        .map(importedOf),
    );
  }

  adopted(images: readonly ImportedImage[]): Promise<void> {
    return this.#inTransaction(() => {
      // What was imported again meanwhile is adopted again.
      for (const { repository, tag = '', digest, at } of images) {
        this.#run(
          `UPDATE imported_images SET adopted = 1
           WHERE ${IN_REPOSITORY} AND tag = ? AND digest = ? AND at = ?`,
          ...[repository.registry, repository.path, tag, digest, at],
        );
      }
    });
  }

  announce(): Promise<void> {
    return this.#attempt(() => {
      this.#run(ANNOUNCE);
    });
  }

  announced(): Promise<number> {
    return this.#attempt(() =>
      numberOf(this.#sql('SELECT announced AS number FROM notices').get()),
    );
  }

  notice(number: number): Promise<void> {
    return this.#attempt(() => {
      this.#run('UPDATE notices SET noticed = ? WHERE noticed < ?', number, number);
    });
  }

  noticed(): Promise<number> {
    return this.#attempt(() => numberOf(this.#sql('SELECT noticed AS number FROM notices').get()));
  }

  #attach({ repository, subject, descriptor, origin, at }: LocalAttachment): void {
    const { registry, path } = repository;
    const { digest, mediaType, size, artifactType = '', annotations = {} } = descriptor;
    this.#run(
      'REPLACE INTO attachments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[registry, path, subject, digest, mediaType, size, artifactType],
      ...[JSON.stringify(annotations), origin, at],
    );
  }

  #find({ repository, subject, key }: Pick<Approval, 'repository' | 'subject' | 'key'>) {
    const { registry, path } = repository;
    const row = this.#sql(
      `SELECT * FROM approvals WHERE ${IN_REPOSITORY} AND subject = ? AND key = ?`,
    ).get(registry, path, subject, key);
    return row && approvalOf(row);
  }

  #put(approval: Approval): void {
    const { repository, subject, key, reference, note, approvedAt, expires } = approval;
    const { manifest = '', revoked } = approval;
    const carrier = revoked === undefined ? manifest : '';
    this.#run(
      'REPLACE INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[repository.registry, repository.path, subject, key, reference, note, approvedAt],
      ...[expires ?? null, carrier, revoked?.at ?? null, revoked?.reason ?? ''],
    );
  }

  /** What the key signed before is attached no longer, and its bytes go with it. */
  #detach(approval: Pick<Approval, 'repository' | 'subject' | 'key'>): void {
    const manifest = this.#find(approval)?.manifest;
    if (manifest === undefined) return;
    const { repository, subject } = approval;
    this.#run(
      `DELETE FROM attachments
       WHERE ${IN_REPOSITORY} AND subject = ? AND digest = ? AND origin = 'approval'`,
      ...[repository.registry, repository.path, subject, manifest],
    );
    this.#run(
      `DELETE FROM local_contents WHERE digest = ?1
       AND NOT EXISTS (SELECT 1 FROM attachments WHERE digest = ?1)`,
      manifest,
    );
  }

  #run(text: string, ...values: readonly SQLInputValue[]): void {
    this.#sql(text).run(...values);
  }

  #inTransaction(work: () => void): Promise<void> {
    return this.#attempt(() => {
      inTransaction(this.#database, work);
    });
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

/** Whether what was decided because of the earlier approval would be decided so because of the later one. */
function saysAsMuch(later: Approval, earlier: Approval): boolean {
  const [end, before] = [later.expires ?? Infinity, earlier.expires ?? Infinity];
  return end >= before && later.reference === earlier.reference;
}

function numberOf(row: Readonly<Record<string, unknown>> | undefined): number {
  const value = row?.['number'];
  return typeof value === 'number' ? value : 0;
}
