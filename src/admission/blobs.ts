/** Blobs: served under a grant, from the cache or while they fill it. */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import { formatReference } from '../oci/reference.ts';
import type { BlobReader, FillError, FillOptions } from '../store/blob-store.ts';
import type { GrantRecord } from '../store/records.ts';
import { inspectAttachment } from './attachment.ts';
import { atMost, INSPECTION_MEMORY, MAX_ATTACHMENT_CONTENT } from './bounds.ts';
import type { Refused } from './decision.ts';
import type { Expand } from './expansion.ts';
import type { Held } from './held.ts';
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
  open(): Promise<OpenedBlob>;
  /**
   * Opens it only if it is complete in the cache, for who lets another send the file as it lies there. Undefined for
   * attached content, which is looked at before it is served, whoever else may have it.
   */
  readonly openKept: (() => Promise<BlobReader | undefined>) | undefined;
  /** Whether all of it is in the cache now. */
  isKept(): Promise<boolean>;
  /** A failure to open or read, as a refusal. @throws whatever is not the store's or upstream's error. */
  explain(error: unknown): Refused;
}

export interface OpenedBlob {
  readonly reader: BlobReader;
  readonly cached: boolean;
}

export interface Blobs {
  admit(ask: Ask, digest: Digest): Promise<GrantedBlob | Refused>;
}

export function createBlobs(
  parts: AdmissionParts,
  memory: Memory,
  held: Held,
  expand: Expand,
): Blobs {
  /** Content that was looked at and may be served as attached. */
  const inspected = new LRUCache<Digest, true>(atMost(INSPECTION_MEMORY));
  const oneAtATime = createQueue();

  async function admit(ask: Ask, digest: Digest): Promise<GrantedBlob | Refused> {
    const { repository, rule } = ask;
    const granted = await findGranted(ask, digest);
    if (granted === undefined) return refuseOutsideGraph(repository, digest, rule);
    if ('outcome' in granted) return granted;
    const { mediaType } = granted;
    const size = await sizeOf(granted);
    const tooLarge = granted.kind === 'attachment-blob' && size > MAX_ATTACHMENT_CONTENT;
    if (tooLarge)
      return refuseContent(ask, digest, `${size} bytes are more than ${MAX_ATTACHMENT_CONTENT}`);
    const attached = granted.kind === 'attachment-blob';
    const open = (): Promise<OpenedBlob> =>
      attached ? openAttached(ask, { ...granted, size }) : openBlob(ask, granted);
    const openKept = attached ? undefined : () => parts.blobs.open(digest, size);
    const isKept = async (): Promise<boolean> => (await parts.blobs.stat(digest)) === size;
    const explain = (error: unknown): Refused => explainFailure(ask, digest, error);
    return { outcome: 'granted', digest, mediaType, size, open, openKept, isKept, explain };
  }

  /**
   * Whoever can push can attach something that declares the content of another attachment with a size of its own. What
   * is here already is proven, so its size is the true one.
   */
  async function sizeOf({ kind, digest, size }: GrantRecord): Promise<number> {
    return kind === 'blob' ? size : ((await parts.blobs.stat(digest)) ?? size);
  }

  async function findGranted(ask: Ask, digest: Digest): Promise<GrantRecord | Refused | undefined> {
    const granted = await held.findBlob(ask, digest);
    if (granted !== undefined) return granted;
    await expand(ask);
    return held.findBlob(ask, digest);
  }

  async function openBlob(ask: Ask, granted: GrantRecord): Promise<OpenedBlob> {
    const kept = await parts.blobs.open(granted.digest, granted.size);
    if (kept !== undefined) return { reader: kept, cached: true };
    return {
      reader: await parts.blobs.fill(granted.digest, fillOptions(ask, granted)),
      cached: false,
    };
  }

  /** Attached content is looked at as a whole, once, before its first byte is served. */
  async function openAttached(ask: Ask, granted: GrantRecord): Promise<OpenedBlob> {
    const { digest } = granted;
    const cached = (await parts.blobs.stat(digest)) !== undefined;
    if (inspected.get(digest) !== true) {
      await arrive(await openBlob(ask, granted));
      // One at a time: each holds the whole content in memory.
      await oneAtATime(async () => {
        if (inspected.get(digest) === true) return;
        const options = { ...fillOptions(ask, granted), inspect: inspectAttachment };
        await (await parts.blobs.fill(digest, options)).close();
        inspected.set(digest, true);
      });
    }
    memory.attach(granted.because, digest);
    const { reader } = await openBlob(ask, granted);
    return { reader, cached };
  }

  return { admit };
}

function fillOptions({ upstream, repository }: Ask, { digest, size }: GrantRecord): FillOptions {
  const { path } = repository;
  const source: FillOptions['source'] = (offset, signal) =>
    upstream.openBlob(path, digest, { offset, signal, size });
  return { size, source };
}

/** Waits until all of it is here and proven: the last byte of a blob comes after the proof. */
export async function arrive({ reader }: OpenedBlob): Promise<void> {
  try {
    if (reader.size > 0) await reader.read(Buffer.alloc(1), reader.size - 1);
  } finally {
    await reader.close();
  }
}

/** Runs tasks one after the other; a failure is its caller's alone. */
function createQueue(): (task: () => Promise<void>) => Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const run = last.then(task);
    last = run.catch(() => undefined);
    return run;
  };
}

function refuseContent({ repository, rule }: Ask, digest: Digest, reason: string): Refused {
  const asked = formatReference({ repository, digest });
  return refuse('outside-graph', asked, [reason], 'It is not served as an attachment.', {
    digest,
    rule,
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
      return refuseContent(ask, digest, error.message);
    case 'storage-failed':
    case 'closed':
      return refuse('unreachable', asked, [error.message], '', { rule: ask.rule });
  }
}

/** Recognised by name: this room knows the port's types only. */
function isFillError(error: unknown): error is FillError {
  return error instanceof Error && error.name === 'FillError';
}
