/** The store as decisions in earnest see it: no image gets there by a decision that was not brought with all it names. */
import { isAttachment } from '../admission/attachment.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import type { BlobStore } from '../store/blob-store.ts';

/**
 * Whatever is imported is in the store before it is decided, so a manifest that is not is something else's: a platform
 * that was left out, an image that only its signature stands for. Kept, it would be served without its content. Signatures
 * that counted are kept wherever a rule had them looked for.
 */
export function onlyBrought(store: BlobStore): BlobStore {
  return {
    stat: (digest) => store.stat(digest),
    open: (digest, size) => store.open(digest, size),
    get: (digest, maxBytes) => store.get(digest, maxBytes),
    fill: (digest, options) => store.fill(digest, options),
    remove: (digest) => store.remove(digest),
    close: () => store.close(),
    async put(digest, bytes) {
      const manifest = readManifest(bytes);
      const isKept = manifest === undefined || isAttachment(manifest, bytes);
      if (isKept || (await store.stat(digest)) !== undefined) await store.put(digest, bytes);
    },
  };
}

/** Undefined for any other content. */
function readManifest(bytes: Buffer): Manifest | undefined {
  try {
    return parseManifest(bytes, '');
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
