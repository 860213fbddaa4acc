/** Database rows as checked records: what lies on a disk may have been changed by anyone. */
import type { SQLOutputValue } from 'node:sqlite';
import { parseDigest, type Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type {
  GrantKey,
  GrantKind,
  GrantRecord,
  PinRecord,
  VerdictKey,
  VerdictRecord,
} from './records.ts';

type Row = Readonly<Record<string, SQLOutputValue>>;

/** @throws {TypeError} when the row is not of the shape that was written. */
export function verdictOf(row: Row, key: VerdictKey): VerdictRecord {
  return {
    ...key,
    mediaType: text(row, 'media_type'),
    size: integer(row, 'size'),
    verdict: text(row, 'verdict'),
    decidedAt: integer(row, 'decided_at'),
  };
}

/** @throws {TypeError | SyntaxError} when the row is not of the shape that was written. */
export function grantOf(row: Row, key: GrantKey): GrantRecord {
  return {
    ...key,
    kind: kindOf(text(row, 'kind')),
    mediaType: text(row, 'media_type'),
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

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === 'string') return value;
  throw new TypeError(`expected text in ${column}, got ${typeof value}`);
}

function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new TypeError(`expected a non-negative integer in ${column}, got ${String(value)}`);
}
