/** An upstream that nobody may ask, as a command sees it that has no cache of its own: what the proxy's cache has of it. */
import { isDigest, type Digest } from '../oci/digest.ts';
import { keptBlobs } from '../store/kept-blobs.ts';
import type { Records } from '../store/records.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** Bytes of a manifest, or of a signature's content, that is looked at. */
const MAX_READ = 32 * 1024 * 1024;

/**
 * Tags are what is pinned, content is what lies in the cache folder and is what its digest says; all else fails as the
 * upstream does. Nothing is written.
 * @param path the cache folder.
 */
export function createCachedUpstream(
  upstream: Upstream,
  { records, path }: { readonly records: Pick<Records, 'findPin'>; readonly path: string },
): Upstream {
  const blobs = keptBlobs(path);
  const read = (digest: Digest, maxBytes = MAX_READ): Promise<Buffer | undefined> =>
    blobs.get(digest, Math.min(maxBytes, MAX_READ));

  return {
    name: upstream.name,
    isOffline: true,
    hasRoom: () => false,
    referrers: (...question) => upstream.referrers(...question),
    async resolve(repository, tag, options) {
      const pin = await records.findPin({ registry: upstream.name, path: repository }, tag);
      return pin ?? upstream.resolve(repository, tag, options);
    },
    async fetchManifest(repository, reference, options) {
      const digest = isDigest(reference)
        ? reference
        : (await records.findPin({ registry: upstream.name, path: repository }, reference))?.digest;
      const bytes = digest && (await read(digest, options?.maxBytes));
      return digest === undefined || bytes === undefined
        ? upstream.fetchManifest(repository, reference, options)
        : { bytes, digest, contentType: '' };
    },
    async openBlob(repository, digest, options) {
      const bytes = await read(digest);
      if (bytes === undefined) return upstream.openBlob(repository, digest, options);
      const offset = options?.offset ?? 0;
      async function* body(): AsyncGenerator<Buffer> {
        yield await Promise.resolve(bytes?.subarray(offset) ?? Buffer.of());
      }
      return { size: bytes.length, offset, body: body(), cancel: () => undefined };
    },
  };
}
