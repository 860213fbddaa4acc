/** A layout as an upstream, so that whoever decides about images decides about those in it as about any other. */
import type { Descriptor } from '../oci/descriptor.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import { formatReference } from '../oci/reference.ts';
import {
  UpstreamError,
  type BlobStream,
  type FetchedManifest,
  type Upstream,
} from '../upstream/upstream.ts';
import { MAX_MANIFEST } from './bounds.ts';
import { subjectOfTag, type Contents } from './contents.ts';
import { LayoutError } from './layout-error.ts';
import type { Layout } from './layout.ts';

/**
 * Everything that a layout has, under any registry's name: names lead to digests as the layout says, digests are the same
 * everywhere. What is attached is found in each repository, wherever a rule has it looked for.
 */
export function layoutUpstream(registry: string, layout: Layout, contents: Contents): Upstream {
  const tags = tagsOf(contents);
  const referrers = referrersOf(contents);

  function find(path: string, reference: Digest | string): Digest {
    if (isDigest(reference)) return reference;
    const name = `${registry}/${path}:${reference}`;
    const isAttachment = subjectOfTag(reference) !== undefined;
    const digest = tags.get(name) ?? (isAttachment ? tags.get(`:${reference}`) : undefined);
    if (digest === undefined) throw notFound(name);
    return digest;
  }

  async function fetchManifest(
    path: string,
    reference: Digest | string,
    maxBytes = MAX_MANIFEST,
  ): Promise<FetchedManifest> {
    const digest = find(path, reference);
    const bytes = await attempt(() => layout.read(digest, maxBytes));
    return { bytes, digest, contentType: typeOf(bytes) };
  }

  return {
    name: registry,
    async resolve(path, tag, options) {
      const manifest = await fetchManifest(path, tag, options?.maxBytes);
      return { digest: manifest.digest, manifest };
    },
    fetchManifest: (path, reference, options) => fetchManifest(path, reference, options?.maxBytes),
    openBlob(_path, digest, options = {}): Promise<BlobStream> {
      const size = layout.blobs.get(digest);
      if (size === undefined) return Promise.reject(notFound(digest));
      const { offset = 0 } = options;
      const body = failingAsUpstream(layout.stream(digest, offset));
      return Promise.resolve({ size, offset, body, cancel: () => undefined });
    },
    referrers: (_path, digest) => Promise.resolve(referrers.get(digest) ?? []),
  };
}

function tagsOf({ images, attachments }: Contents): ReadonlyMap<string, Digest> {
  const tags = new Map<string, Digest>();
  for (const { repository, tag, descriptor } of attachments) {
    if (tag === undefined) continue;
    tags.set(formatReference({ repository, tag }), descriptor.digest);
    // For rules that have signatures looked for in another repository than the image's.
    tags.set(`:${tag}`, descriptor.digest);
  }
  for (const { reference, descriptor } of images) {
    if (reference.tag !== undefined) tags.set(formatReference(reference), descriptor.digest);
  }
  return tags;
}

function referrersOf({ attachments }: Contents): ReadonlyMap<Digest, readonly Descriptor[]> {
  const referrers = new Map<Digest, Map<Digest, Descriptor>>();
  for (const { subject, tag, descriptor } of attachments) {
    if (tag !== undefined) continue;
    const known = referrers.get(subject) ?? new Map<Digest, Descriptor>();
    referrers.set(subject, known.set(descriptor.digest, descriptor));
  }
  return new Map([...referrers].map(([subject, found]) => [subject, [...found.values()]]));
}

/** The type that its own words say; '' for what is no manifest. */
function typeOf(bytes: Buffer): string {
  try {
    return parseManifest(bytes, '').mediaType;
  } catch (error) {
    if (error instanceof SyntaxError) return '';
    throw error;
  }
}

async function* failingAsUpstream(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    throw upstreamError(error);
  }
}

async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw upstreamError(error);
  }
}

function upstreamError(error: unknown): unknown {
  if (!(error instanceof LayoutError)) return error;
  const { code, message: words } = error;
  const cause = { cause: error };
  switch (code) {
    case 'missing':
      return new UpstreamError('not-found', words, cause);
    case 'edited':
      return new UpstreamError('digest-mismatch', words, cause);
    case 'too-large':
      return new UpstreamError('too-large', words, cause);
    default:
      return new UpstreamError('unreachable', words, cause);
  }
}

function notFound(what: string): UpstreamError {
  return new UpstreamError('not-found', `${what} is not in the layout`);
}
