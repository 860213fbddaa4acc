/** Exports as another Countersign writes them, small, and open to every edit before they are written. */
import { digestAlgorithm, digestHex, digestOf, type Digest } from '../../src/oci/digest.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { OCI_EMPTY, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import {
  CONTAINERD_NAME,
  RECORD_TYPE,
  REF_NAME,
  REPOSITORY,
  TITLE,
} from '../../src/layout/export-record.ts';
import type { FakeContent } from './fake-registry-content.ts';
import { BUNDLE_TYPE, dsseBundle, statement, type Signer } from './signer.ts';
import { tarOf } from './tar.ts';

export interface ExportedImage {
  readonly path: string;
  /** A tag, or a digest. */
  readonly reference: string;
  /** Whose layers come along; all unless told. */
  readonly platforms?: readonly string[];
}

type Json = Record<string, unknown>;

/** Everything of an export, to be changed at will. */
export interface MadeExport {
  readonly registry: string;
  readonly blobs: Map<Digest, Buffer>;
  /** `manifests` of index.json, without the record. */
  readonly listed: Json[];
  readonly record: {
    images: Json[];
    attachments: Json[];
    /** Of what is in `blobs` unless set. */
    blobs?: Json[];
    files: Json[];
    [name: string]: unknown;
  };
}

export interface ExportOptions {
  readonly registry?: string;
  /** Files by path, with their media types. */
  readonly files?: Readonly<Record<string, readonly [mediaType: string, bytes: Buffer]>>;
}

/** Collects images of a fake registry with all that is attached to them. */
export function makeExport(
  content: FakeContent,
  images: readonly ExportedImage[],
  { registry = 'lab.local', files = {} }: ExportOptions = {},
): MadeExport {
  const made: MadeExport = {
    registry,
    blobs: new Map(),
    listed: [],
    record: {
      version: 1,
      createdAt: '2026-01-01T00:00:00Z',
      images: [],
      attachments: [],
      files: [],
    },
  };
  const attached = new Set<string>();

  function take(path: string, digest: Digest): Buffer {
    const bytes = content.manifest(path, digest)?.bytes ?? content.blob(path, digest);
    if (bytes === undefined) throw new Error(`no ${digest} in ${path}`);
    made.blobs.set(digest, bytes);
    return bytes;
  }

  function takeManifest(path: string, digest: Digest, platforms?: readonly string[]): void {
    const manifest = parseManifest(take(path, digest), '');
    if (manifest.kind === 'index') {
      for (const child of manifest.manifests) {
        const wanted = platforms === undefined || platforms.includes(child.platform ?? '');
        takeManifest(path, child.digest, wanted ? undefined : []);
      }
    } else {
      take(path, manifest.config.digest);
      if (platforms === undefined)
        for (const { digest: layer } of manifest.layers) take(path, layer);
    }
    takeAttachments(path, digest);
  }

  function takeAttachments(path: string, subject: Digest): void {
    const prefix = subject.replace(':', '-');
    for (const tag of [`${prefix}.sig`, `${prefix}.att`, `${prefix}.sbom`, prefix]) {
      const found = content.manifest(path, tag);
      if (found !== undefined) attach(path, subject, found.digest, tag);
    }
    for (const { digest } of content.referrers(path, subject)) {
      attach(path, subject, digest as Digest);
    }
  }

  function attach(path: string, subject: Digest, digest: Digest, tag?: string): void {
    const key = `${path} ${subject} ${digest} ${tag ?? ''}`;
    if (attached.has(key)) return;
    attached.add(key);
    takeManifest(path, digest);
    const bytes = take(path, digest);
    const repository = `${registry}/${path}`;
    const { mediaType } = parseManifest(bytes, '');
    const descriptor = { mediaType, digest, size: bytes.length };
    made.record.attachments.push({ repository, subject, ...descriptor, ...(tag && { tag }) });
    made.listed.push({
      ...descriptor,
      annotations: tag === undefined ? { [REPOSITORY]: repository } : named(`${repository}:${tag}`),
    });
  }

  for (const { path, reference, platforms } of images) {
    const found = content.manifest(path, reference);
    if (found === undefined) throw new Error(`no ${path} ${reference}`);
    const { digest, bytes } = found;
    takeManifest(path, digest, platforms);
    const isDigest = reference.includes(':');
    const name = `${registry}/${path}${isDigest ? '@' : ':'}${reference}`;
    const { mediaType } = parseManifest(bytes, '');
    const descriptor = { mediaType, digest, size: bytes.length };
    made.listed.unshift({ ...descriptor, annotations: named(name) });
    made.record.images.push({
      ...{ reference: name, ...descriptor, rule: 'theirs' },
      ...(platforms && { platforms }),
    });
  }
  for (const [path, [mediaType, bytes]] of Object.entries(files)) {
    const digest = digestOf(bytes);
    made.blobs.set(digest, bytes);
    made.record.files.push({ path, digest, size: bytes.length, mediaType });
  }
  return made;
}

export function named(name: string): Json {
  return { [REF_NAME]: name, [CONTAINERD_NAME]: name };
}

/** Files of the layout by name, in the order in which they are written. */
export function entriesOf(made: MadeExport, seal?: Signer): Map<string, Buffer> {
  const blobs = new Map(made.blobs);
  const put = (bytes: Buffer): { digest: Digest; size: number } => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { digest, size: bytes.length };
  };
  const listed = [...made.blobs].map(([digest, bytes]) => ({ digest, size: bytes.length }));
  const files = made.record.files.map(({ path, digest, size }) => ({ path, digest, size }));
  const layer = put(json({ blobs: listed, ...made.record, files }));
  const config = { mediaType: OCI_EMPTY, ...put(Buffer.from('{}')) };
  const record = put(
    json({
      ...{ schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType: RECORD_TYPE, config },
      layers: [
        { mediaType: RECORD_TYPE, ...layer },
        ...made.record.files.map(({ path, mediaType, digest, size }) => ({
          ...{ mediaType, digest, size },
          annotations: { [TITLE]: path },
        })),
      ],
    }),
  );
  const manifests: Json[] = [
    ...made.listed,
    { mediaType: OCI_MANIFEST, artifactType: RECORD_TYPE, ...record },
  ];
  if (seal !== undefined) {
    const about = statement([{ digest: { sha256: digestHex(record.digest) } }]);
    const bundle = put(json(dsseBundle(seal, about)));
    const sealing = put(
      json({
        ...{ schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType: BUNDLE_TYPE, config },
        layers: [{ mediaType: BUNDLE_TYPE, ...bundle }],
        subject: { mediaType: OCI_MANIFEST, ...record },
      }),
    );
    manifests.push({ mediaType: OCI_MANIFEST, artifactType: BUNDLE_TYPE, ...sealing });
  }
  return layoutEntries(manifests, blobs);
}

/** A layout of these entries of its index, and these blobs. */
export function layoutEntries(
  manifests: readonly object[],
  blobs: ReadonlyMap<Digest, Buffer>,
): Map<string, Buffer> {
  return new Map([
    ['oci-layout', json({ imageLayoutVersion: '1.0.0' })],
    ['index.json', json({ schemaVersion: 2, manifests })],
    ...[...blobs].map(([digest, bytes]) => [entryName(digest), bytes] as const),
  ]);
}

export function entryName(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

export function tarOfEntries(entries: ReadonlyMap<string, Buffer>): Buffer {
  return tarOf([...entries].map(([name, bytes]) => ({ name, bytes })));
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
