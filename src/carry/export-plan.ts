/** What an export consists of: the images, what is attached to them, and the record that names all of it. */
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, type Digest } from '../oci/digest.ts';
import { OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from '../oci/media-type.ts';
import { formatReference, formatRepository, type Repository } from '../oci/reference.ts';
import { MAX_INDEX, MAX_LISTED, MAX_RECORD } from '../layout/bounds.ts';
import {
  CONTAINERD_NAME,
  formatExportRecord,
  RECORD_TYPE,
  REF_NAME,
  REPOSITORY,
  TITLE,
  type RecordedAttachment,
  type RecordedImage,
} from '../layout/export-record.ts';
import { LayoutError } from '../layout/layout-error.ts';
import { blobOf, type LayoutBlob, type WrittenLayout } from '../layout/write-layout.ts';
import { allContents, type CarriedImage } from './carry.ts';
import type { ServedManifest } from './proxy-client.ts';
import { isOfPlatform, type Platform } from './wanted.ts';

/** A file that is needed to verify what is exported. */
export interface ExportFile {
  /** `trust/NAME/…`, `rules.yaml`, `revocation/…` */
  readonly path: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** A signature over the record: its artifact manifest and the content of that. */
export interface Seal {
  readonly manifest: Pick<Descriptor, 'digest' | 'mediaType'> & { readonly bytes: Buffer };
  readonly artifactType: string;
  readonly blobs: readonly { readonly digest: Digest; readonly bytes: Buffer }[];
}

export interface ExportParts {
  /** Name of the rule in force. */
  readonly ruleOf: (repository: Repository) => string;
  readonly files: readonly ExportFile[];
  /** Signs the record; without it there is no seal. */
  readonly seal?: ((record: Descriptor) => Promise<Seal>) | undefined;
  /** Opens content of an image that is in the cache. */
  readonly open: (
    repository: Repository,
    content: { readonly digest: Digest; readonly size: number },
  ) => AsyncIterable<Uint8Array>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const EMPTY = Buffer.from('{}');

/** @throws {LayoutError} for more than a layout of ours may hold, and for a tag that moved in between. */
export async function planExport(
  images: readonly CarriedImage[],
  parts: ExportParts,
): Promise<WrittenLayout> {
  const recorded = recordImages(images, parts.ruleOf);
  const attached = recordAttachments(images);
  const content = collect(images, parts.open);
  const empty = digestOf(EMPTY);
  content.set(empty, blobOf(empty, EMPTY));
  const files = parts.files.map(({ path, mediaType, bytes }) => {
    const digest = digestOf(bytes);
    content.set(digest, blobOf(digest, bytes));
    return { path, mediaType, digest, size: bytes.length };
  });
  const blobs = [...content.values()].sort(byDigest);
  const record = formatExportRecord({
    createdAt: new Date(parts.now).toISOString(),
    images: recorded,
    attachments: attached,
    blobs: blobs.map(({ digest, size }) => ({ digest, size })),
    files: files.map(({ path, digest, size }) => ({ path, digest, size })),
  });
  requireAtMost('the record', record.length, MAX_RECORD);
  const recordDigest = digestOf(record);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: RECORD_TYPE,
      config: { mediaType: OCI_EMPTY, digest: empty, size: EMPTY.length },
      layers: [
        { mediaType: RECORD_TYPE, digest: recordDigest, size: record.length },
        ...files.map(({ path, mediaType, digest, size }) => {
          return { mediaType, digest, size, annotations: { [TITLE]: path } };
        }),
      ],
    }),
  );
  const own: Descriptor = {
    ...{ mediaType: OCI_MANIFEST, digest: digestOf(manifest), size: manifest.length },
    artifactType: RECORD_TYPE,
  };
  const seal = await parts.seal?.(own);
  const listed = [
    ...recorded.map(describeImage),
    ...attached.map(describeAttachment),
    own,
    ...(seal === undefined ? [] : [describeSeal(seal)]),
  ];
  requireAtMost('entries of index.json', listed.length, MAX_LISTED);
  const index = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: listed }),
  );
  requireAtMost('bytes of index.json', index.length, MAX_INDEX);
  const first = [
    blobOf(own.digest, manifest),
    blobOf(recordDigest, record),
    ...(seal === undefined ? [] : [seal.manifest, ...seal.blobs]).map(({ digest, bytes }) =>
      blobOf(digest, bytes),
    ),
  ];
  // Who reads it from its beginning learns first what it will be.
  const all = new Map([...first, ...blobs].map((blob) => [blob.digest, blob]));
  return { index, blobs: [...all.values()] };
}

/** By name; an image that was asked for twice has the platforms of both. */
function recordImages(
  images: readonly CarriedImage[],
  ruleOf: ExportParts['ruleOf'],
): readonly RecordedImage[] {
  const found = new Map<string, RecordedImage>();
  for (const { wanted, top, chosen } of images) {
    const { reference } = wanted;
    const name = formatReference(reference);
    const known = found.get(name);
    if (known !== undefined && known.digest !== top.digest) {
      throw new LayoutError('edited', `${name} moved while it was exported: export it once more`);
    }
    const platforms = platformsOf(top, chosen, wanted.platforms);
    const both =
      known === undefined
        ? platforms
        : known.platforms && platforms && [...new Set([...known.platforms, ...platforms])];
    found.set(name, {
      ...{ reference, digest: top.digest, mediaType: top.manifest.mediaType },
      ...{ size: top.bytes.length, rule: ruleOf(reference.repository) },
      ...(both === undefined ? {} : { platforms: both }),
    });
  }
  return [...found.entries()].sort(([one], [other]) => compare(one, other)).map(([, one]) => one);
}

/** As the index spells them; undefined for all, and where it is no index. */
function platformsOf(
  { manifest }: ServedManifest,
  chosen: readonly ServedManifest[],
  wanted: readonly Platform[] | undefined,
): readonly string[] | undefined {
  if (manifest.kind === 'image' || wanted === undefined) return undefined;
  const digests = new Set(chosen.map(({ digest }) => digest));
  const found = manifest.manifests.flatMap(({ digest, platform = '' }) =>
    digests.has(digest) && wanted.some((one) => isOfPlatform(platform, one)) ? [platform] : [],
  );
  return [...new Set(found)];
}

function recordAttachments(images: readonly CarriedImage[]): readonly RecordedAttachment[] {
  const found = new Map<string, RecordedAttachment>();
  for (const { repository, subject, served, tag, artifactType, annotations } of images.flatMap(
    ({ attached }) => attached,
  )) {
    const { digest, bytes, manifest } = served;
    const key = JSON.stringify([formatRepository(repository), subject, tag ?? '', digest]);
    found.set(key, {
      ...{ repository, subject, digest, mediaType: manifest.mediaType, size: bytes.length },
      ...(tag === undefined ? {} : { tag }),
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    });
  }
  return [...found.entries()].sort(([one], [other]) => compare(one, other)).map(([, one]) => one);
}

/** Every manifest and every content, each once. */
function collect(
  images: readonly CarriedImage[],
  open: ExportParts['open'],
): Map<Digest, LayoutBlob> {
  const content = new Map<Digest, LayoutBlob>();
  for (const image of images) {
    const { repository } = image.wanted.reference;
    for (const { digest, size } of allContents(image)) {
      const opened = () => open(repository, { digest, size });
      if (!content.has(digest)) content.set(digest, { digest, size, open: opened });
    }
    const attached = image.attached.map(({ served }) => served);
    for (const { digest, bytes } of [...image.chosen, ...image.others, ...attached]) {
      content.set(digest, blobOf(digest, bytes));
    }
  }
  return content;
}

function describeImage({ reference, digest, mediaType, size }: RecordedImage): object {
  const name = formatReference(reference);
  return { mediaType, digest, size, annotations: { [REF_NAME]: name, [CONTAINERD_NAME]: name } };
}

function describeAttachment(attachment: RecordedAttachment): object {
  const { repository, digest, mediaType, size, tag, artifactType } = attachment;
  const annotations =
    tag === undefined
      ? { [REPOSITORY]: formatRepository(repository) }
      : { [REF_NAME]: formatReference({ repository, tag }) };
  return { mediaType, digest, size, artifactType, annotations };
}

function describeSeal({ manifest, artifactType }: Seal): object {
  const { digest, mediaType, bytes } = manifest;
  return { mediaType, digest, size: bytes.length, artifactType };
}

function requireAtMost(what: string, actual: number, most: number): void {
  if (actual <= most) return;
  throw new LayoutError(
    'too-large',
    `${what}: expected at most ${most}, got ${actual}: export the list in parts`,
  );
}

function byDigest(one: LayoutBlob, other: LayoutBlob): number {
  return compare(one.digest, other.digest);
}

/** Whatever the locale. */
function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
