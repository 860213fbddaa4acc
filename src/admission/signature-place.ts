/** Signatures that a rule looks for in another repository than the image's (COSIGN_REPOSITORY), as one upstream. */
import { isDigest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { parseAttachmentTag } from './attachment.ts';
import { isUpstreamError } from './trouble.ts';

/** A repository and who has it. */
export interface Place {
  readonly upstream: Upstream;
  readonly repository: Repository;
}

/**
 * The image's upstream, in which everything that cosign names after a digest (`.sig`, `.att`, `.sbom`, the fallback
 * index, referrers) is the place's alone. A digest that one of the two does not have is looked for in the other, which
 * is safe: what a digest names is the same everywhere.
 * @param first where digests are looked for first; verification reads nearly everything from the signatures' place.
 */
export function withSignaturesAt(
  place: Place,
  image: Place,
  first: 'image' | 'signatures' = 'image',
): Upstream {
  const { upstream: own, repository } = image;

  /** The two places in the order in which a digest is looked for; other repositories are asked as ever. */
  async function byDigest<T>(asked: string, ask: (upstream: Upstream, path: string) => Promise<T>) {
    if (asked !== repository.path) return ask(own, asked);
    const places = first === 'image' ? ([image, place] as const) : ([place, image] as const);
    const [one, other] = places;
    try {
      return await ask(one.upstream, one.repository.path);
    } catch (error) {
      if (!isUpstreamError(error) || error.code !== 'not-found') throw error;
      return ask(other.upstream, other.repository.path);
    }
  }

  const isThere = (asked: string, tag: string): boolean =>
    asked === repository.path && parseAttachmentTag(tag) !== undefined;

  return {
    name: own.name,
    isOffline: own.isOffline ?? false,
    hasRoom: () => own.hasRoom?.() !== false,
    resolve: (asked, tag, options) =>
      isThere(asked, tag)
        ? place.upstream.resolve(place.repository.path, tag, options)
        : own.resolve(asked, tag, options),
    fetchManifest(asked, reference, options) {
      if (isDigest(reference)) {
        return byDigest(asked, (upstream, path) =>
          upstream.fetchManifest(path, reference, options),
        );
      }
      return isThere(asked, reference)
        ? place.upstream.fetchManifest(place.repository.path, reference, options)
        : own.fetchManifest(asked, reference, options);
    },
    openBlob: (asked, digest, options) =>
      byDigest(asked, (upstream, path) => upstream.openBlob(path, digest, options)),
    referrers: (asked, digest, options) =>
      asked === repository.path
        ? place.upstream.referrers(place.repository.path, digest, options)
        : own.referrers(asked, digest, options),
  };
}
