/** What an image in a layout consists of, and what of that is there. */
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { isImageType, isIndexType } from '../oci/media-type.ts';
import { MAX_MANIFEST } from './bounds.ts';
import { LayoutError } from './layout-error.ts';
import type { Layout } from './layout.ts';

export interface ImageParts {
  /** Manifests of which everything is there, what one names before the one that names it. */
  readonly manifests: readonly Descriptor[];
  /** Configs and layers of those. */
  readonly contents: readonly Descriptor[];
  /** Children of an index of which something is not there, or that are not there themselves. */
  readonly incomplete: readonly Missing[];
}

/** The first thing that is not there. */
export interface Missing {
  /** The child as its index describes it. */
  readonly child: Descriptor;
  readonly digest: Digest;
}

/** An index in an index in an index. */
const MAX_DEPTH = 3;
/** Manifests of one image. */
const MAX_MANIFESTS = 4096;

/** @throws {LayoutError} `missing` where something of the image itself is not there; `edited` for what is no manifest. */
export async function findParts(layout: Layout, image: Descriptor): Promise<ImageParts> {
  const manifests = new Map<Digest, Descriptor>();
  const contents = new Map<Digest, Descriptor>();
  const incomplete: Missing[] = [];
  let looked = 0;

  /** What is missing of it; undefined where it is whole. */
  async function walk(one: Descriptor, depth: number): Promise<Digest | undefined> {
    if (manifests.has(one.digest)) return undefined;
    if (!layout.blobs.has(one.digest)) return one.digest;
    if (++looked > MAX_MANIFESTS || depth > MAX_DEPTH) {
      throw new LayoutError(
        'too-large',
        `${image.digest} has too many manifests within each other`,
      );
    }
    const manifest = await readManifest(layout, one);
    if (manifest.kind === 'index') {
      for (const child of manifest.manifests) {
        const digest = await walk(child, depth + 1);
        if (digest !== undefined) incomplete.push({ child, digest });
      }
    } else {
      const named = [manifest.config, ...manifest.layers];
      const missing = named.find(({ digest }) => !layout.blobs.has(digest));
      if (missing !== undefined) return missing.digest;
      for (const content of named) {
        requireSize(layout, content, one.digest);
        contents.set(content.digest, content);
      }
    }
    manifests.set(one.digest, one);
    return undefined;
  }

  const missing = await walk(image, 0);
  if (missing === undefined) {
    return { manifests: [...manifests.values()], contents: [...contents.values()], incomplete };
  }
  throw new LayoutError(
    'missing',
    missing === image.digest
      ? `its manifest ${missing} is not in the layout`
      : `${missing}, which its manifest ${image.digest} names, is not in the layout`,
  );
}

/** A manifest that the layout has, of the size and type that its descriptor says. @throws {LayoutError} */
export async function readManifest(layout: Layout, descriptor: Descriptor): Promise<Manifest> {
  const { digest, size, mediaType } = descriptor;
  const bytes = await layout.read(digest, MAX_MANIFEST);
  if (bytes.length !== size) {
    throw new LayoutError(
      'edited',
      `expected the manifest ${digest} to have ${size} bytes, got ${bytes.length}`,
    );
  }
  try {
    const manifest = parseManifest(bytes, isManifestType(mediaType) ? mediaType : '');
    if (manifest.mediaType === mediaType) return manifest;
    throw new SyntaxError(`expected ${mediaType}, got ${manifest.mediaType}`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new LayoutError('edited', `the manifest ${digest}: ${error.message}`, error);
  }
}

/** A manifest that lies about a size would never be served whole. */
function requireSize(layout: Layout, { digest, size }: Descriptor, because: Digest): void {
  const actual = layout.blobs.get(digest);
  if (actual === size) return;
  throw new LayoutError(
    'edited',
    `expected ${digest} to have ${size} bytes, as ${because} says, got ${actual ?? 0}`,
  );
}

/** As a list of referrers describes it: distribution-spec "Listing Referrers". */
export function describeReferrer(descriptor: Descriptor, manifest: Manifest): Descriptor {
  const { digest, size, mediaType } = descriptor;
  const config = manifest.kind === 'image' ? manifest.config.mediaType : undefined;
  const artifactType = manifest.artifactType ?? config;
  const { annotations } = manifest;
  return {
    digest,
    size,
    mediaType,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** Whether it is an image manifest's type, or an index's. */
export function isManifestType(mediaType: string): boolean {
  return isImageType(mediaType) || isIndexType(mediaType);
}
