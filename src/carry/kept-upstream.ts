/** An upstream behind which stands what is here: a tag that is held stays at something that is decided too. */
import type { Digest } from '../oci/digest.ts';
import type { BlobStore } from '../store/blob-store.ts';
import { UpstreamError, type BlobStream, type Upstream } from '../upstream/upstream.ts';

/** Bytes of a signature's content; images are not read through this. */
const MAX_CONTENT = 32 * 1024 * 1024;

/** Manifests are looked for in the store by whoever decides; what signatures consist of is looked for here. */
export function withKept(upstream: Upstream, blobs: Pick<BlobStore, 'get'>): Upstream {
  return {
    name: upstream.name,
    resolve: (path, tag, options) => upstream.resolve(path, tag, options),
    fetchManifest: (path, reference, options) => upstream.fetchManifest(path, reference, options),
    referrers: (path, digest, options) => upstream.referrers(path, digest, options),
    async openBlob(path, digest, options) {
      try {
        return await upstream.openBlob(path, digest, options);
      } catch (error) {
        if (!(error instanceof UpstreamError) || error.code !== 'not-found') throw error;
        return await openKept(digest, options?.offset ?? 0, error);
      }
    },
  };

  async function openKept(digest: Digest, offset: number, missing: Error): Promise<BlobStream> {
    const bytes = await blobs.get(digest, MAX_CONTENT);
    if (bytes === undefined) throw missing;
    const rest = bytes.subarray(offset);
    async function* body(): AsyncGenerator<Buffer> {
      if (rest.length > 0) yield await Promise.resolve(rest);
    }
    return { size: bytes.length, offset, body: body(), cancel: () => undefined };
  }
}
