/** OCI image layouts (image-spec image-layout.md) put into a fake registry as they stand, byte for byte. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestAlgorithm, digestHex } from '../../src/oci/digest.ts';
import { parseManifest, type ImageIndex } from '../../src/oci/manifest.ts';
import { isImageType, isIndexType, OCI_INDEX } from '../../src/oci/media-type.ts';
import type { FakeContent } from './fake-registry-content.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';

/** Puts everything the layout's index leads to, under the tags that the index gives. */
export function putLayout(registry: FakeContent, repository: string, folder: string): ImageIndex {
  const root = parseManifest(readFileSync(join(folder, 'index.json')), OCI_INDEX);
  if (root.kind !== 'index') throw new Error('expected index.json to be an index');
  for (const descriptor of root.manifests) put(descriptor);
  return root;

  function put(descriptor: Descriptor): void {
    const { digest, mediaType, annotations } = descriptor;
    const bytes = readFileSync(join(folder, 'blobs', digestAlgorithm(digest), digestHex(digest)));
    if (!isIndexType(mediaType) && !isImageType(mediaType)) {
      registry.putBlob(repository, bytes);
      return;
    }
    const tag = annotations?.[REF_NAME];
    registry.putManifest(repository, bytes, { mediaType, ...(tag === undefined ? {} : { tag }) });
    const manifest = parseManifest(bytes, mediaType);
    const parts =
      manifest.kind === 'index' ? manifest.manifests : [manifest.config, ...manifest.layers];
    for (const part of parts) put(part);
  }
}
