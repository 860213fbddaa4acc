/** Blobs: served under a grant, from the cache or while they fill it. */
import type { Digest } from '../oci/digest.ts';
import { formatReference } from '../oci/reference.ts';
import type { BlobReader, FillError } from '../store/blob-store.ts';
import type { GrantRecord } from '../store/records.ts';
import { inspectAttachment } from './attachment.ts';
import { MAX_ATTACHMENT_CONTENT } from './bounds.ts';
import type { Refused } from './decision.ts';
import type { Memory } from './memory.ts';
import type { AdmissionParts, Ask } from './parts.ts';
import { refuse, refuseOutsideGraph } from './refusal.ts';
import { isUpstreamError, refuseForUpstream } from './trouble.ts';

/** A blob that may be read, not opened yet. */
export interface GrantedBlob {
  readonly outcome: 'granted';
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes, as the admitted manifest declares. */
  readonly size: number;
  /** Opens it; the caller closes the reader. Throws, as the reader does, what {@link explain} explains. */
  open(): Promise<OpenedBlob | Refused>;
  /** A failure to open or read, as a refusal. @throws whatever is not the store's or upstream's error. */
  explain(error: unknown): Refused;
}

export interface OpenedBlob {
  readonly outcome: 'opened';
  readonly reader: BlobReader;
  readonly cached: boolean;
}

export interface Blobs {
  admit(ask: Ask, digest: Digest): Promise<GrantedBlob | Refused>;
}

export function createBlobs(parts: AdmissionParts, memory: Memory): Blobs {
  async function admit(ask: Ask, digest: Digest): Promise<GrantedBlob | Refused> {
    const { repository, rule } = ask;
    const granted = await memory.findGrant({ repository, digest, policyKey: rule.key }, 'blob');
    if (granted === undefined) return refuseOutsideGraph(repository, digest, rule);
    const { mediaType, size } = granted;
    const open = (): Promise<OpenedBlob | Refused> =>
      granted.kind === 'attachment-blob' ? openAttached(ask, granted) : openBlob(ask, granted);
    const explain = (error: unknown): Refused => explainFailure(ask, digest, error);
    return { outcome: 'granted', digest, mediaType, size, open, explain };
  }

  async function openBlob(ask: Ask, { digest, size }: GrantRecord): Promise<OpenedBlob> {
    const kept = await parts.blobs.open(digest, size);
    if (kept !== undefined) return { outcome: 'opened', reader: kept, cached: true };
    const { upstream, repository } = ask;
    const reader = await parts.blobs.fill(digest, {
      size,
      source: (offset, signal) => upstream.openBlob(repository.path, digest, { offset, signal }),
    });
    return { outcome: 'opened', reader, cached: false };
  }

  /** Attached content is looked at as a whole before its first byte is served. */
  async function openAttached(ask: Ask, granted: GrantRecord): Promise<OpenedBlob | Refused> {
    if (granted.size > MAX_ATTACHMENT_CONTENT) {
      return refuseContent(
        ask,
        granted,
        `it has ${granted.size} bytes, the bound is ${MAX_ATTACHMENT_CONTENT}`,
      );
    }
    const opened = await openBlob(ask, granted);
    try {
      const bytes = await readAll(opened.reader);
      const reason = inspectAttachment(bytes, granted.mediaType);
      if (reason !== undefined) return refuseContent(ask, granted, reason);
      return { ...opened, reader: readerOf(bytes) };
    } finally {
      await opened.reader.close();
    }
  }

  return { admit };
}

function refuseContent(ask: Ask, { digest }: GrantRecord, reason: string): Refused {
  const asked = formatReference({ repository: ask.repository, digest });
  return refuse('outside-graph', asked, [reason], 'It is not served as an attachment.', {
    digest,
    rule: ask.rule,
  });
}

function explainFailure(ask: Ask, digest: Digest, error: unknown): Refused {
  const asked = formatReference({ repository: ask.repository, digest });
  if (!isFillError(error)) return refuseForUpstream(asked, error, ask.rule);
  switch (error.code) {
    case 'source-failed':
      return isUpstreamError(error.cause)
        ? refuseForUpstream(asked, error.cause, ask.rule)
        : refuse('unreachable', asked, [error.message], '', { rule: ask.rule });
    case 'size-mismatch':
    case 'digest-mismatch':
      return refuse('digest-mismatch', asked, [error.message], 'It was not kept.', {
        rule: ask.rule,
      });
    case 'inspection-failed':
    case 'storage-failed':
    case 'closed':
      return refuse('unreachable', asked, [error.message], '', { rule: ask.rule });
  }
}

/** Recognised by name: this room knows the port's types only. */
function isFillError(error: unknown): error is FillError {
  return error instanceof Error && error.name === 'FillError';
}

async function readAll(reader: BlobReader): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(reader.size);
  let at = 0;
  while (at < bytes.length) {
    const read = await reader.read(bytes.subarray(at), at);
    if (read === 0) throw new Error('the blob ended early');
    at += read;
  }
  return bytes;
}

function readerOf(bytes: Buffer): BlobReader {
  return {
    size: bytes.length,
    read: (target, position) => Promise.resolve(bytes.copy(target, 0, position)),
    close: () => Promise.resolve(),
  };
}
