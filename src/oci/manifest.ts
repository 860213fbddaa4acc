/** Image manifests and indexes as checked values: OCI image-spec manifest.md and image-index.md, Docker schema 2. */
import type { Descriptor } from './descriptor.ts';
import { parseAnnotations, parseDescriptor } from './descriptor.ts';
import { isJsonObject, parseJson, refuseLookalikeMembers, type JsonObject } from './json.ts';
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  isImageType,
  isIndexType,
  OCI_INDEX,
  OCI_MANIFEST,
} from './media-type.ts';

interface ManifestBase {
  /** The type it is served as; for manifests without `mediaType` the one their content type or members imply. */
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ImageManifest extends ManifestBase {
  readonly kind: 'image';
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface ImageIndex extends ManifestBase {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

export type Manifest = ImageManifest | ImageIndex;

/** Layers of a manifest, children of an index. */
export const MAX_DESCRIPTORS = 1024;

const MEMBERS = new Set([
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'manifests',
  'subject',
  'annotations',
  // Members of other document kinds. A document that carries one of them is not ours to guess at.
  'blobs',
  'fsLayers',
  'history',
  'signatures',
]);

const FOREIGN_TO_IMAGE = ['manifests', 'blobs', 'fsLayers', 'history', 'signatures'];
const FOREIGN_TO_INDEX = ['layers', 'config', 'blobs', 'fsLayers', 'history', 'signatures'];

/**
 * Reads a manifest of which every client has one understanding.
 * @param contentType the upstream's Content-Type without parameters, '' when unknown.
 * @throws {SyntaxError} for anything ambiguous or malformed. CVE-2021-41190: a document with both `layers` and
 * `manifests`, or whose `mediaType` contradicts its content type, is refused.
 */
export function parseManifest(bytes: Uint8Array, contentType: string): Manifest {
  const json = parseJson(bytes);
  if (!isJsonObject(json)) throw new SyntaxError('expected a manifest object');
  refuseLookalikeMembers(json, MEMBERS);
  if (json['schemaVersion'] !== 2) throw new SyntaxError('expected schemaVersion 2');
  const mediaType = mediaTypeOf(json, contentType);
  const artifactType = optionalString(json, 'artifactType');
  const subject = present(json['subject']) ? parseDescriptor(json['subject']) : undefined;
  const annotations = parseAnnotations(json['annotations']);
  const base = {
    mediaType,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  if (isIndexType(mediaType)) {
    refuseMembers(json, FOREIGN_TO_INDEX, 'an index');
    return { kind: 'index', ...base, manifests: descriptors(json['manifests'], 'manifests') };
  }
  refuseMembers(json, FOREIGN_TO_IMAGE, 'an image manifest');
  const config = parseDescriptor(json['config']);
  const layers = descriptors(json['layers'], 'layers', [config]);
  return { kind: 'image', ...base, config, layers };
}

function mediaTypeOf(json: JsonObject, contentType: string): string {
  const declared = optionalString(json, 'mediaType');
  const header = isIndexType(contentType) || isImageType(contentType) ? contentType : undefined;
  if (declared !== undefined && header !== undefined && declared !== header) {
    throw new SyntaxError(`mediaType ${shown(declared)} contradicts content type ${header}`);
  }
  const known = declared ?? header;
  if (known !== undefined) {
    if (isIndexType(known) || isImageType(known)) return known;
    throw new SyntaxError(
      `unsupported manifest type ${shown(known)}: expected ${OCI_MANIFEST}, ${OCI_INDEX}, ${DOCKER_MANIFEST} or ${DOCKER_LIST}`,
    );
  }
  // umoci and some others write no mediaType; image-spec then leaves OCI's own types.
  return present(json['manifests']) ? OCI_INDEX : OCI_MANIFEST;
}

function refuseMembers(json: JsonObject, names: readonly string[], what: string): void {
  for (const name of names) {
    if (present(json[name])) throw new SyntaxError(`${what} with "${name}" is ambiguous`);
  }
}

/** Parses a list in which, together with what stands beside it, one digest never has two sizes. */
function descriptors(
  value: unknown,
  name: string,
  beside: readonly Descriptor[] = [],
): readonly Descriptor[] {
  if (!Array.isArray(value)) throw new SyntaxError(`expected "${name}" to be an array`);
  if (value.length > MAX_DESCRIPTORS) {
    throw new SyntaxError(`expected at most ${MAX_DESCRIPTORS} ${name}, got ${value.length}`);
  }
  const sizes = new Map<string, number>(beside.map(({ digest, size }) => [digest, size]));
  return value.map((item: unknown) => {
    const descriptor = parseDescriptor(item);
    const seen = sizes.get(descriptor.digest);
    if (seen !== undefined && seen !== descriptor.size) {
      throw new SyntaxError(
        `${descriptor.digest} is declared with sizes ${seen} and ${descriptor.size}`,
      );
    }
    sizes.set(descriptor.digest, descriptor.size);
    return descriptor;
  });
}

/** Go writes nil as null and reads null as absent; so do we. */
function present(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 120));
}

function optionalString(json: JsonObject, name: string): string | undefined {
  const value = json[name];
  if (!present(value) || value === '') return undefined;
  if (typeof value !== 'string') throw new SyntaxError(`expected "${name}" to be a string`);
  return value;
}
