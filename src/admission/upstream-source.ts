/** Signatures as the upstream has them: verification's port over the upstream's, remembering what it opened. */
import type { Descriptor } from '../oci/descriptor.ts';
import { digestMatches, isDigest, type Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Answer, SignatureSource, SourceManifest } from '../verify/signature-source.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { KEPT_CONTENT } from './bounds.ts';
import type { Local } from './local.ts';
import { isUpstreamError, sourceFailure } from './trouble.ts';

/** A source that keeps what it fetched, so that signatures which counted can be served from the cache. */
export interface UpstreamSource extends SignatureSource {
  readonly manifests: ReadonlyMap<Digest, SourceManifest>;
  readonly contents: ReadonlyMap<Digest, Buffer>;
}

export function createUpstreamSource(
  upstream: Upstream,
  repository: Repository,
  signal: AbortSignal,
  local?: Local,
): UpstreamSource {
  const { path } = repository;
  const manifests = new Map<Digest, SourceManifest>();
  const contents = new Map<Digest, Buffer>();
  let left = KEPT_CONTENT;

  async function manifest(
    reference: Digest | string,
    maxBytes: number,
  ): Promise<Answer<SourceManifest>> {
    return answer(async () => {
      // First of all what is attached here: the rule may have signatures in a place that is away.
      const own = isDigest(reference)
        ? await local?.findManifest(repository, reference)
        : undefined;
      const isOwn = own !== undefined && own.bytes.length <= maxBytes;
      const value = isOwn
        ? own
        : await upstream.fetchManifest(path, reference, { maxBytes, signal });
      manifests.set(value.digest, value);
      return value;
    });
  }

  async function content({ digest, size }: Descriptor): Promise<Answer<Buffer>> {
    const known = contents.get(digest);
    if (known !== undefined) return { kind: 'found', value: known };
    const read = await answer(
      async () =>
        (await local?.findKept({ digest, size })) ?? readBlob(upstream, path, digest, size, signal),
    );
    if (read.kind !== 'found') return read;
    if (read.value.length !== size) {
      return { kind: 'refused', reason: `expected ${size} bytes, got another number` };
    }
    if (!digestMatches(read.value, digest)) {
      return { kind: 'refused', reason: `its content is not what ${digest} names` };
    }
    // What is kept is kept until the decision, and whoever pushes junk decides how much there is.
    if (size <= left) {
      left -= size;
      contents.set(digest, read.value);
    }
    return read;
  }

  return {
    manifests,
    contents,
    findTag: manifest,
    findManifest: manifest,
    findContent: content,
    ...(local && { findLocal: (subject: Digest) => local.list(repository, subject) }),
    findReferrers: (subject) =>
      answer<readonly Descriptor[]>(() => upstream.referrers(path, subject, { signal })),
  };
}

async function answer<T>(fetch: () => Promise<T | undefined>): Promise<Answer<T>> {
  try {
    const value = await fetch();
    return value === undefined ? { kind: 'absent' } : { kind: 'found', value };
  } catch (error) {
    if (isUpstreamError(error) && error.code === 'not-found') return { kind: 'absent' };
    const failure = sourceFailure(error);
    if (failure instanceof Error) throw failure;
    return failure;
  }
}

/** At most one byte more than declared is held, whatever the upstream sends. */
async function readBlob(
  upstream: Upstream,
  path: string,
  digest: Digest,
  size: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const stream = await upstream.openBlob(path, digest, { signal, size });
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream.body) {
      length += chunk.length;
      chunks.push(Buffer.from(chunk));
      if (length > size) break;
    }
  } finally {
    stream.cancel();
  }
  return Buffer.concat(chunks);
}
