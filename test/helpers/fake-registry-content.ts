/** What a fake registry holds: blobs, manifests, tags and the referrers computed from `subject`. */
import { digestHex, digestOf, isDigest, type Digest } from '../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';

export interface StoredManifest {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly mediaType: string;
}

/** A descriptor as a registry prints it into an index. */
export type FakeDescriptor = Record<string, unknown>;

export interface PutManifestOptions {
  readonly tag?: string;
  /** The Content-Type it is served with; from the manifest's own `mediaType` unless told. */
  readonly mediaType?: string;
}

interface StoredRepository {
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, StoredManifest>;
  readonly tags: Map<string, Digest>;
}

export interface FakeContent {
  putBlob(repository: string, bytes: Uint8Array | string): Digest;
  /** An object is JSON.stringified exactly once; bytes and strings are stored as they are. */
  putManifest(
    repository: string,
    manifest: object | string | Uint8Array,
    options?: PutManifestOptions,
  ): StoredManifest;
  tag(repository: string, tag: string, digest: Digest): void;
  deleteTag(repository: string, tag: string): void;
  deleteManifest(repository: string, digest: Digest): void;
  deleteBlob(repository: string, digest: Digest): void;
  blob(repository: string, digest: string): Buffer | undefined;
  /** By tag or digest. */
  manifest(repository: string, reference: string): StoredManifest | undefined;
  /** Undefined for a repository nobody put anything into. */
  tags(repository: string): readonly string[] | undefined;
  referrers(repository: string, subject: string): readonly FakeDescriptor[];
}

/** @param keepFallbackTags Whether `sha256-<hex>` index tags follow each manifest with a `subject`, as cosign keeps them. */
export function createFakeContent(keepFallbackTags: boolean): FakeContent {
  const repositories = new Map<string, StoredRepository>();

  function open(name: string): StoredRepository {
    const repository = repositories.get(name) ?? {
      blobs: new Map(),
      manifests: new Map(),
      tags: new Map(),
    };
    repositories.set(name, repository);
    return repository;
  }

  function referrers(name: string, subject: string): readonly FakeDescriptor[] {
    const found = [...(repositories.get(name)?.manifests.values() ?? [])];
    return found.filter((one) => subjectOf(one) === subject).map(describe);
  }

  function putManifest(
    name: string,
    manifest: object | string | Uint8Array,
    options: PutManifestOptions = {},
  ): StoredManifest {
    const bytes = toBytes(manifest);
    const stored = { bytes, digest: digestOf(bytes), mediaType: typeOf(bytes, options) };
    const repository = open(name);
    repository.manifests.set(stored.digest, stored);
    if (options.tag !== undefined) repository.tags.set(options.tag, stored.digest);
    const subject = subjectOf(stored);
    if (keepFallbackTags && isDigest(subject)) {
      const index = {
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: referrers(name, subject),
      };
      putManifest(name, index, { tag: `sha256-${digestHex(subject)}` });
    }
    return stored;
  }

  return {
    putManifest,
    referrers,
    putBlob(name, content) {
      const bytes = Buffer.from(content);
      const digest = digestOf(bytes);
      open(name).blobs.set(digest, bytes);
      return digest;
    },
    tag: (name, tag, digest) => open(name).tags.set(tag, digest),
    deleteTag: (name, tag) => open(name).tags.delete(tag),
    deleteManifest: (name, digest) => open(name).manifests.delete(digest),
    deleteBlob: (name, digest) => open(name).blobs.delete(digest),
    blob: (name, digest) => repositories.get(name)?.blobs.get(digest),
    manifest(name, reference) {
      const repository = repositories.get(name);
      return repository?.manifests.get(repository.tags.get(reference) ?? reference);
    },
    tags(name) {
      const repository = repositories.get(name);
      return repository === undefined ? undefined : [...repository.tags.keys()].sort();
    },
  };
}

function toBytes(manifest: object | string | Uint8Array): Buffer {
  if (typeof manifest === 'string') return Buffer.from(manifest);
  return manifest instanceof Uint8Array
    ? Buffer.from(manifest)
    : Buffer.from(JSON.stringify(manifest));
}

function parseObject(bytes: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeOf(bytes: Buffer, options: PutManifestOptions): string {
  if (options.mediaType !== undefined) return options.mediaType;
  const { mediaType, manifests } = parseObject(bytes);
  if (typeof mediaType === 'string') return mediaType;
  return manifests === undefined ? OCI_MANIFEST : OCI_INDEX;
}

function subjectOf(stored: StoredManifest): unknown {
  const { subject } = parseObject(stored.bytes);
  return isRecord(subject) ? subject['digest'] : undefined;
}

/** distribution-spec "Listing Referrers": artifactType falls back to the config's media type, annotations are copied. */
function describe(stored: StoredManifest): FakeDescriptor {
  const { artifactType, config, annotations } = parseObject(stored.bytes);
  const type = artifactType ?? (isRecord(config) ? config['mediaType'] : undefined);
  return {
    mediaType: stored.mediaType,
    digest: stored.digest,
    size: stored.bytes.length,
    ...(type === undefined ? {} : { artifactType: type }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}
