/** A second upstream, with a real referrers API and no fallback tags, filled from the first one. */
import { startFakeRegistry, type FakeRegistry } from '../../helpers/fake-registry.ts';
import { tag, type Case } from './cases.ts';
import type { Image } from './images.ts';
import { fetchBlob, fetchManifest, findManifest, type RegistryAccess } from './registry-client.ts';

interface Descriptor {
  readonly digest: string;
}

/** Signatures are on pages of one, so that whoever stops at the first page is found out. */
export function startReferrersRegistry(): Promise<FakeRegistry> {
  return startFakeRegistry({ referrersApi: true, referrersPageSize: 1 });
}

/** Copies an image with the bundles that name it as their subject, but without the tag that lists them. */
export async function copyWithReferrers(
  from: RegistryAccess,
  to: FakeRegistry,
  { repository, image }: Case,
): Promise<void> {
  copyImage(to, repository, image, tag);
  const fallback = await findManifest(from, repository, image.digest.replace(':', '-'));
  if (fallback === undefined) return;
  const index = JSON.parse(fallback.bytes.toString('utf8')) as { manifests: Descriptor[] };
  for (const { digest } of index.manifests) {
    const referrer = await fetchManifest(from, repository, digest);
    const { config, layers } = JSON.parse(referrer.bytes.toString('utf8')) as {
      config: Descriptor;
      layers: Descriptor[];
    };
    for (const blob of [config, ...layers]) {
      to.putBlob(repository, await fetchBlob(from, repository, blob.digest));
    }
    to.putManifest(repository, referrer.bytes, { mediaType: referrer.mediaType });
  }
}

function copyImage(to: FakeRegistry, repository: string, image: Image, name?: string): void {
  for (const child of image.children) copyImage(to, repository, child);
  for (const { bytes } of image.blobs) to.putBlob(repository, bytes);
  const { bytes, mediaType } = image;
  to.putManifest(repository, bytes, { mediaType, ...(name === undefined ? {} : { tag: name }) });
}
