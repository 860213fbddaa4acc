/** An OCI image layout (image-spec image-layout.md), read strictly: nothing of it is believed before it is hashed. */
import { parseDescriptor, type Descriptor } from '../oci/descriptor.ts';
import { digestAlgorithm, digestHex, digestMatches, isDigest, type Digest } from '../oci/digest.ts';
import { isJsonObject, parseJson, refuseLookalikeMembers } from '../oci/json.ts';
import { OCI_INDEX } from '../oci/media-type.ts';
import { MAX_CONTAINERS, MAX_INDEX, MAX_LISTED, MAX_MARKER } from './bounds.ts';
import { LayoutError, shown } from './layout-error.ts';
import { readWhole, streamFile, type LayoutFiles } from './layout-files.ts';

export interface Layout {
  /** What `index.json` lists. */
  readonly index: readonly Descriptor[];
  /** Bytes of what lies under the name of a digest; whether it is what its name says is not known. */
  readonly blobs: ReadonlyMap<Digest, number>;
  /** Files that belong to no layout. */
  readonly others: readonly string[];
  /** The whole blob, proven. @throws {LayoutError} `missing`, `too-large`, `edited`. */
  read(digest: Digest, maxBytes: number): Promise<Buffer>;
  /** Not proven: whoever reads it hashes it. @throws {LayoutError} */
  stream(digest: Digest, offset?: number): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

const MARKER = 'oci-layout';
const INDEX = 'index.json';
const VERSION = '1.0.0';
const BLOB = /^blobs\/([a-z0-9]+)\/([0-9a-f]+)$/;

/** Where a blob lies. */
export function blobEntry(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** Takes the files over: they are closed with the layout, or when it is none. @throws {LayoutError} */
export async function openLayout(files: LayoutFiles): Promise<Layout> {
  try {
    return await read(files);
  } catch (error) {
    await files.close();
    throw error;
  }
}

async function read(files: LayoutFiles): Promise<Layout> {
  await requireMarker(files);
  const index = await readIndex(files);
  const blobs = new Map<Digest, number>();
  const others: string[] = [];
  for (const [name, size] of files.sizes) {
    const [, algorithm = '', hex = ''] = BLOB.exec(name) ?? [];
    const digest = `${algorithm}:${hex}`;
    if (isDigest(digest)) blobs.set(digest, size);
    else if (name !== MARKER && name !== INDEX) others.push(name);
  }
  return {
    index,
    blobs,
    others,
    async read(digest, maxBytes) {
      const bytes = await readWhole(files, blobEntry(digest), maxBytes);
      if (digestMatches(bytes, digest)) return bytes;
      throw new LayoutError('edited', `the content of ${blobEntry(digest)} is not what it names`);
    },
    stream: (digest, offset) => streamFile(files, blobEntry(digest), offset),
    close: () => files.close(),
  };
}

async function requireMarker(files: LayoutFiles): Promise<void> {
  if (!files.sizes.has(MARKER)) {
    throw new LayoutError(
      'not-a-layout',
      `expected an OCI image layout, got ${files.sizes.size} files without one named "${MARKER}"`,
    );
  }
  const marker = understand(MARKER, await readWhole(files, MARKER, MAX_MARKER));
  const version = isJsonObject(marker) ? marker['imageLayoutVersion'] : undefined;
  if (version !== VERSION) {
    const got = typeof version === 'string' ? shown(version) : 'none';
    throw new LayoutError('not-a-layout', `expected imageLayoutVersion "${VERSION}", got ${got}`);
  }
}

async function readIndex(files: LayoutFiles): Promise<readonly Descriptor[]> {
  if (!files.sizes.has(INDEX)) {
    throw new LayoutError('not-a-layout', `expected an OCI image layout, got one without ${INDEX}`);
  }
  const index = understand(INDEX, await readWhole(files, INDEX, MAX_INDEX));
  try {
    return parseIndex(index);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new LayoutError('not-a-layout', `${INDEX}: ${error.message}`, error);
  }
}

/** It may be longer than an index that a registry takes. */
function parseIndex(index: unknown): readonly Descriptor[] {
  if (!isJsonObject(index)) throw new SyntaxError('expected an object');
  refuseLookalikeMembers(index, new Set(['schemaVersion', 'mediaType', 'manifests']));
  const { schemaVersion, mediaType = OCI_INDEX, manifests } = index;
  if (schemaVersion !== 2) throw new SyntaxError('expected schemaVersion 2');
  if (mediaType !== OCI_INDEX) throw new SyntaxError(`expected an index of type ${OCI_INDEX}`);
  if (!Array.isArray(manifests)) throw new SyntaxError('expected "manifests" to be an array');
  if (manifests.length > MAX_LISTED) {
    throw new SyntaxError(`expected at most ${MAX_LISTED} manifests, got ${manifests.length}`);
  }
  return manifests.map((one: unknown) => parseDescriptor(one));
}

function understand(name: string, bytes: Buffer): unknown {
  try {
    return parseJson(bytes, { maxContainers: MAX_CONTAINERS });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new LayoutError('not-a-layout', `${name}: ${error.message}`, error);
  }
}
