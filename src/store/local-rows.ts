/** Rows about approvals and imports as checked records: what lies on a disk may have been changed by anyone. */
import { parseAnnotations } from '../oci/descriptor.ts';
import { parseDigest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Approval, ImportedImage, LocalAttachment } from './local-records.ts';
import { integer, textOf, type Row } from './rows.ts';

/** @throws {TypeError | SyntaxError} when the row is not of the shape that was written. */
export function attachmentOf(row: Row): LocalAttachment {
  const artifactType = textOf(row, 'artifact_type');
  const annotations = parseAnnotations(JSON.parse(textOf(row, 'annotations'))) ?? {};
  const origin = textOf(row, 'origin');
  if (origin !== 'approval' && origin !== 'import') {
    throw new TypeError(`expected approval or import in origin, got ${origin}`);
  }
  return {
    repository: repositoryOf(row),
    subject: parseDigest(row['subject']),
    descriptor: {
      mediaType: textOf(row, 'media_type'),
      digest: parseDigest(row['digest']),
      size: integer(row, 'size'),
      ...(artifactType === '' ? {} : { artifactType }),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    origin,
    at: integer(row, 'at'),
  };
}

/** @throws {TypeError | SyntaxError} when the row is not of the shape that was written. */
export function approvalOf(row: Row): Approval {
  const manifest = textOf(row, 'manifest');
  return {
    repository: repositoryOf(row),
    subject: parseDigest(row['subject']),
    key: textOf(row, 'key'),
    reference: textOf(row, 'reference'),
    note: textOf(row, 'note'),
    approvedAt: integer(row, 'approved_at'),
    ...(row['expires'] === null ? {} : { expires: integer(row, 'expires') }),
    ...(manifest === '' ? {} : { manifest: parseDigest(manifest) }),
    ...(row['revoked_at'] === null
      ? {}
      : { revoked: { at: integer(row, 'revoked_at'), reason: textOf(row, 'reason') } }),
  };
}

/** @throws {TypeError | SyntaxError} when the row is not of the shape that was written. */
export function importedOf(row: Row): ImportedImage {
  const tag = textOf(row, 'tag');
  return {
    repository: repositoryOf(row),
    digest: parseDigest(row['digest']),
    ...(tag === '' ? {} : { tag }),
    at: integer(row, 'at'),
  };
}

/** @throws {TypeError} for anything but bytes. */
export function contentOf(row: Row): Buffer {
  const bytes = row['bytes'];
  if (bytes instanceof Uint8Array) return Buffer.from(bytes);
  throw new TypeError(`expected bytes, got ${typeof bytes}`);
}

function repositoryOf(row: Row): Repository {
  return { registry: textOf(row, 'registry'), path: textOf(row, 'path') };
}
