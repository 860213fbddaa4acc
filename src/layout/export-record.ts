/** The record that an export carries of itself: what it holds, for whom it was decided, and the files to verify it by. */
import { parseAnnotations } from '../oci/descriptor.ts';
import { parseDigest, type Digest } from '../oci/digest.ts';
import { isJsonObject, parseJson, type JsonObject } from '../oci/json.ts';
import {
  formatReference,
  formatRepository,
  isTag,
  type Reference,
  type Repository,
} from '../oci/reference.ts';
import { MAX_CONTAINERS, MAX_FILES, MAX_LISTED } from './bounds.ts';
import { parseEntryName } from './entry-name.ts';
import { parseFullReference, parseFullRepository } from './full-name.ts';
import { shown } from './layout-error.ts';

/** Artifact type of the record, and media type of its first layer. */
export const RECORD_TYPE = 'application/vnd.countersign.export.v1+json';
/** Annotations of `index.json`. */
export const REF_NAME = 'org.opencontainers.image.ref.name';
export const CONTAINERD_NAME = 'io.containerd.image.name';
export const REPOSITORY = 'dev.countersign.repository';
/** Annotation of the record's layers: the path of a file. */
export const TITLE = 'org.opencontainers.image.title';

export interface ExportRecord {
  /** RFC 3339. */
  readonly createdAt: string;
  readonly images: readonly RecordedImage[];
  readonly attachments: readonly RecordedAttachment[];
  /** Everything but the record itself and its seal. */
  readonly blobs: readonly RecordedBlob[];
  readonly files: readonly RecordedFile[];
}

export interface RecordedImage {
  readonly reference: Reference;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  /** Name of the rule that admitted it where it was exported. */
  readonly rule: string;
  /** Of which the layers are there; absent: of all. */
  readonly platforms?: readonly string[];
}

export interface RecordedAttachment {
  readonly repository: Repository;
  readonly subject: Digest;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  /** `sha256-….sig` where it was found under a tag. */
  readonly tag?: string;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface RecordedBlob {
  readonly digest: Digest;
  readonly size: number;
}

export interface RecordedFile extends RecordedBlob {
  /** `trust/NAME/…`, `rules.yaml`, `revocation/…` */
  readonly path: string;
}

/** The same record gives the same bytes. */
export function formatExportRecord(record: ExportRecord): Buffer {
  const { createdAt, images, attachments, blobs, files } = record;
  const text = JSON.stringify({
    version: 1,
    createdAt,
    images: images.map(({ reference, ...image }) => ({
      reference: formatReference(reference),
      ...image,
    })),
    attachments: attachments.map(({ repository, ...attachment }) => ({
      repository: formatRepository(repository),
      ...attachment,
    })),
    blobs,
    files,
  });
  return Buffer.from(text);
}

/** @throws {SyntaxError} for a record that is not understood in one way. */
export function parseExportRecord(bytes: Buffer): ExportRecord {
  const json = parseJson(bytes, { maxContainers: MAX_CONTAINERS });
  if (!isJsonObject(json)) throw new SyntaxError('expected the record to be an object');
  const { version } = json;
  if (version !== 1) {
    const got = typeof version === 'number' ? String(version) : 'none';
    throw new SyntaxError(
      `expected a record of version 1, got ${got}: import it with the Countersign that understands it`,
    );
  }
  const createdAt = text(json, 'createdAt');
  if (Number.isNaN(Date.parse(createdAt))) throw new SyntaxError('expected createdAt to be a time');
  return {
    createdAt,
    images: list(json, 'images', MAX_LISTED, parseImage),
    attachments: list(json, 'attachments', MAX_LISTED, parseAttachment),
    blobs: list(json, 'blobs', MAX_CONTAINERS, parseBlob),
    files: distinct(list(json, 'files', MAX_FILES, parseFile)),
  };
}

/** Files that can lie in one folder. @throws {SyntaxError} */
function distinct(files: readonly RecordedFile[]): readonly RecordedFile[] {
  const paths = new Set(files.map(({ path }) => path));
  if (paths.size < files.length) throw new SyntaxError('two files have one name');
  for (const { path } of files) {
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
      if (!paths.has(path.slice(0, end))) continue;
      throw new SyntaxError(`expected ${shown(path)} to lie in a folder, got a file there`);
    }
  }
  return files;
}

function parseImage(json: JsonObject): RecordedImage {
  const reference = parseFullReference(text(json, 'reference'));
  const image = {
    reference,
    ...parseBlob(json),
    mediaType: text(json, 'mediaType'),
    rule: text(json, 'rule'),
  };
  if (reference.tag === undefined && reference.digest !== image.digest) {
    throw new SyntaxError(`${formatReference(reference)} is recorded with another digest`);
  }
  const platforms = json['platforms'];
  if (platforms === undefined) return image;
  if (!Array.isArray(platforms) || !platforms.every((one) => typeof one === 'string')) {
    throw new SyntaxError('expected platforms to be a list of texts');
  }
  return { ...image, platforms };
}

function parseAttachment(json: JsonObject): RecordedAttachment {
  const { tag, artifactType } = json;
  if (tag !== undefined && (typeof tag !== 'string' || !isTag(tag))) {
    throw new SyntaxError('expected the tag of an attachment to be a tag');
  }
  if (artifactType !== undefined && typeof artifactType !== 'string') {
    throw new SyntaxError('expected the artifactType of an attachment to be a text');
  }
  const annotations = parseAnnotations(json['annotations']);
  return {
    repository: parseFullRepository(text(json, 'repository')),
    subject: parseDigest(json['subject']),
    ...parseBlob(json),
    mediaType: text(json, 'mediaType'),
    ...(tag === undefined ? {} : { tag }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function parseBlob(json: JsonObject): RecordedBlob {
  const { size } = json;
  const digest = parseDigest(json['digest']);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new SyntaxError(`expected the size of ${digest} to be a number of bytes`);
  }
  return { digest, size };
}

function parseFile(json: JsonObject): RecordedFile {
  const path = text(json, 'path');
  if (path === '' || parseEntryName(path) !== path) {
    throw new SyntaxError(`expected a file under a plain name, got ${shown(path)}`);
  }
  return { path, ...parseBlob(json) };
}

function text(json: JsonObject, name: string): string {
  const value = json[name];
  if (typeof value === 'string') return value;
  throw new SyntaxError(`expected "${name}" to be a text`);
}

function list<T>(
  json: JsonObject,
  name: string,
  most: number,
  parse: (item: JsonObject) => T,
): readonly T[] {
  const value = json[name];
  if (!Array.isArray(value)) throw new SyntaxError(`expected "${name}" to be a list`);
  if (value.length > most) {
    throw new SyntaxError(`expected at most ${most} ${name}, got ${value.length}`);
  }
  return value.map((item: unknown) => {
    if (!isJsonObject(item)) throw new SyntaxError(`expected "${name}" to be a list of objects`);
    return parse(item);
  });
}
