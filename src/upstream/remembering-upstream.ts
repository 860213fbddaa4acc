/** An upstream that remembers the manifests it fetched, for people who want to look at what was decided. */
import type { Digest } from '../oci/digest.ts';
import type { FetchedManifest, Upstream } from './upstream.ts';

/** @param seen every manifest that passes is put here. For one command, not for a proxy: nothing is ever removed. */
export function rememberManifests(
  upstream: Upstream,
  seen: Map<Digest, FetchedManifest>,
): Upstream {
  return {
    name: upstream.name,
    isOffline: upstream.isOffline ?? false,
    hasRoom: () => upstream.hasRoom?.() !== false,
    openBlob: (path, digest, options) => upstream.openBlob(path, digest, options),
    referrers: (path, digest, options) => upstream.referrers(path, digest, options),
    async resolve(path, tag, options) {
      const resolved = await upstream.resolve(path, tag, options);
      if (resolved.manifest !== undefined) seen.set(resolved.digest, resolved.manifest);
      return resolved;
    },
    async fetchManifest(path, reference, options) {
      const manifest = await upstream.fetchManifest(path, reference, options);
      seen.set(manifest.digest, manifest);
      return manifest;
    },
  };
}
