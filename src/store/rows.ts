/** Database rows as checked records: what lies on a disk may have been changed by anyone. */
import type { SQLOutputValue } from 'node:sqlite';
import { parseDigest, type Digest } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json.ts';
import type { Repository } from '../oci/reference.ts';
import type {
  DueVerdict,
  GrantKey,
  GrantKind,
  GrantRecord,
  VerdictKey,
  VerdictRecord,
} from './records.ts';
import type { PinRecord, TagEntry, TagOrder, Withheld } from './tag-records.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;

/** @throws {TypeError} when the row is not of the shape that was written. */
export function verdictOf(row: Row, key: VerdictKey): VerdictRecord {
  return {
    ...key,
    mediaType: textOf(row, 'media_type'),
    size: integer(row, 'size'),
    verdict: textOf(row, 'verdict'),
    decidedAt: integer(row, 'decided_at'),
    ...(row['due_at'] === null ? {} : { dueAt: integer(row, 'due_at') }),
  };
}

/** @throws {TypeError | SyntaxError} when the row is not of the shape that was written. */
export function dueOf(row: Row): DueVerdict {
  const tag = textOf(row, 'tag');
  return {
    repository: { registry: textOf(row, 'registry'), path: textOf(row, 'path') },
    digest: digestOf(row, 'digest'),
    ...(tag === '' ? {} : { tag }),
    dueAt: integer(row, 'due_at'),
  };
}

/** @throws {TypeError | SyntaxError} when the row is not of the shape that was written. */
export function grantOf(row: Row, key: GrantKey): GrantRecord {
  return {
    ...key,
    kind: kindOf(textOf(row, 'kind')),
    mediaType: textOf(row, 'media_type'),
    size: integer(row, 'size'),
    because: digestOf(row, 'because'),
  };
}

/** @throws {TypeError | SyntaxError} when the row is not of the shape that was written. */
export function pinOf(row: Row, repository: Repository, tag: string): PinRecord {
  return {
    repository,
    tag,
    digest: digestOf(row, 'digest'),
    checkedAt: integer(row, 'checked_at'),
    since: integer(row, 'since'),
    ...withheldOf(row),
  };
}

function withheldOf(row: Row): { readonly withheld?: Withheld } {
  const written = textOf(row, 'withheld');
  if (written === '') return {};
  const value: unknown = JSON.parse(written);
  if (!isJsonObject(value)) throw new TypeError('expected an object in withheld');
  const { digest, why, reason, refused } = value;
  if (typeof why !== 'string' || typeof reason !== 'string' || typeof refused !== 'boolean') {
    throw new TypeError('expected why, reason and refused in withheld');
  }
  const named = digest === undefined ? {} : { digest: parseDigest(digest) };
  return { withheld: { ...named, why, reason, refused } };
}

/** @throws {TypeError | SyntaxError} when the row is not of the shape that was written. */
export function entryOf(row: Row): TagEntry {
  return {
    digest: digestOf(row, 'digest'),
    firstSeen: integer(row, 'first_seen'),
    ...(row['admitted_at'] === null ? {} : { admittedAt: integer(row, 'admitted_at') }),
    evidence: textOf(row, 'evidence'),
    ...(row['signed_at'] === null ? {} : { signedAt: integer(row, 'signed_at') }),
    ...(row['left_at'] === null ? {} : { leftAt: integer(row, 'left_at') }),
  };
}

/** @throws {TypeError | SyntaxError} when the row is not of the shape that was written. */
export function orderOf(row: Row): TagOrder {
  const rollback = textOf(row, 'rollback');
  return {
    frozen: integer(row, 'frozen') !== 0,
    ...(textOf(row, 'digest') === '' ? {} : { digest: digestOf(row, 'digest') }),
    ...(rollback === '' ? {} : { rollback: rollback === '*' ? 'any' : digestOf(row, 'rollback') }),
    ...(integer(row, 'ask') === 0 ? {} : { ask: true }),
  };
}

function digestOf(row: Row, column: string): Digest {
  return parseDigest(row[column]);
}

function kindOf(value: string): GrantKind {
  switch (value) {
    case 'manifest':
    case 'attachment':
    case 'blob':
    case 'attachment-blob':
      return value;
    default:
      throw new TypeError(`expected a kind of grant, got ${value}`);
  }
}

/** @throws {TypeError} for anything but text. */
export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === 'string') return value;
  throw new TypeError(`expected text in ${column}, got ${typeof value}`);
}

/** @throws {TypeError} for anything but a non-negative integer. */
export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new TypeError(`expected a non-negative integer in ${column}, got ${String(value)}`);
}
