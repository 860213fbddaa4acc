/** What this side itself attaches to images, approvals and imports, as admission looks at it. */
import type { Descriptor } from '../oci/descriptor.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { LocalRecords } from '../store/local-records.ts';
import type { BlobStream, FetchedManifest, Upstream } from '../upstream/upstream.ts';
import { MAX_ATTACHMENT_CONTENT, MAX_LOCAL_ATTACHMENTS } from './bounds.ts';

export interface Local {
  /** Manifests attached to an image, the latest first. */
  list(repository: Repository, subject: Digest): Promise<readonly Descriptor[]>;
  /** One of them, or content that came with one; undefined where it is not from here. */
  findManifest(repository: Repository, digest: Digest): Promise<FetchedManifest | undefined>;
  findContent(digest: Digest): Promise<Buffer | undefined>;
  /** What a signature consists of, where it is here already, whoever brought it; larger content is not looked for. */
  findKept(content: Pick<Descriptor, 'digest' | 'size'>): Promise<Buffer | undefined>;
  /** Fingerprints of keys whose signatures over the image the operator took back. */
  revokedKeys(repository: Repository, subject: Digest): Promise<ReadonlySet<string>>;
}

/** What is in the store; */
interface CachedBytes {
  findBytes(digest: Digest, maxBytes: number): Promise<Buffer | undefined>;
}

export function createLocal(
  {
    records,
    local = records.local,
  }: {
    readonly records: { readonly local: LocalRecords };
    readonly local?: LocalRecords;
  },
  cached: CachedBytes,
): Local {
  return {
    async list(repository, subject) {
      const found = await local.listAttachments(repository, subject, MAX_LOCAL_ATTACHMENTS);
      return found.map(({ descriptor }) => descriptor);
    },
    async findManifest(repository, digest) {
      const found = await local.findAttachment(repository, digest);
      if (found === undefined) return undefined;
      const { mediaType: contentType, size } = found.descriptor;
      const bytes = (await local.findContent(digest)) ?? (await cached.findBytes(digest, size));
      return bytes && { bytes, digest, contentType };
    },
    findContent: (digest) => local.findContent(digest),
    async findKept({ digest, size }) {
      const found = await local.findContent(digest);
      return found ?? (size > MAX_ATTACHMENT_CONTENT ? undefined : cached.findBytes(digest, size));
    },
    async revokedKeys(repository, subject) {
      return new Set(await local.findRevokedKeys(repository, subject));
    },
  };
}

/** The upstream, before which is asked what this side has: only for digests, which prove themselves. */
export function withLocal(upstream: Upstream, local: Local): Upstream {
  return {
    name: upstream.name,
    isOffline: upstream.isOffline ?? false,
    hasRoom: () => upstream.hasRoom?.() !== false,
    resolve: (path, tag, options) => upstream.resolve(path, tag, options),
    referrers: (path, digest, options) => upstream.referrers(path, digest, options),
    async fetchManifest(path, reference, options) {
      const repository = { registry: upstream.name, path };
      const found = isDigest(reference)
        ? await local.findManifest(repository, reference)
        : undefined;
      const fits = found !== undefined && found.bytes.length <= (options?.maxBytes ?? Infinity);
      return fits ? found : upstream.fetchManifest(path, reference, options);
    },
    async openBlob(path, digest, options = {}) {
      const found = await local.findContent(digest);
      return found === undefined
        ? upstream.openBlob(path, digest, options)
        : streamOf(found, options.offset ?? 0);
    },
  };
}

function streamOf(bytes: Buffer, offset: number): BlobStream {
  async function* body(): AsyncGenerator<Buffer> {
    if (offset < bytes.length) yield await Promise.resolve(bytes.subarray(offset));
  }
  return { size: bytes.length, offset, body: body(), cancel: () => undefined };
}
