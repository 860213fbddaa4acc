/** An export of ours in a layout: its record, found and read. */
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest, type ImageManifest } from '../oci/manifest.ts';
import { formatReference } from '../oci/reference.ts';
import { MAX_MANIFEST, MAX_RECORD } from './bounds.ts';
import type { ContainedAttachment, Contents } from './contents.ts';
import { parseExportRecord, RECORD_TYPE, type ExportRecord } from './export-record.ts';
import { readManifest } from './image-parts.ts';
import { LayoutError } from './layout-error.ts';
import type { Layout } from './layout.ts';

export interface Bundle {
  readonly record: ExportRecord;
  /** Of the record's manifest: what a seal signs. */
  readonly digest: Digest;
  /** The same, exactly. */
  readonly bytes: Buffer;
  readonly manifest: ImageManifest;
  /** Manifests that are attached to the record. */
  readonly seals: readonly Descriptor[];
}

/** Signatures of one export. */
const MAX_SEALS = 16;

/** @returns undefined for a layout that somebody else wrote. @throws {LayoutError} */
export async function findBundle(layout: Layout): Promise<Bundle | undefined> {
  const [entry, ...more] = layout.index.filter(({ artifactType }) => artifactType === RECORD_TYPE);
  if (entry === undefined) return undefined;
  if (more.length > 0) {
    throw new LayoutError('edited', `expected one record of an export, got ${more.length + 1}`);
  }
  const { digest } = entry;
  const bytes = await layout.read(digest, MAX_MANIFEST);
  const manifest = readRecordManifest(bytes, digest);
  const [layer] = manifest.layers;
  if (layer?.mediaType !== RECORD_TYPE) {
    throw new LayoutError('edited', `expected the first layer of ${digest} to be the record`);
  }
  const record = readRecord(await layout.read(layer.digest, MAX_RECORD));
  const listed = new Set(record.attachments.map((one) => one.digest));
  const seals: Descriptor[] = [];
  // The last entries of the index: whatever the record does not name.
  for (const candidate of layout.index) {
    if (candidate === entry || listed.has(candidate.digest)) continue;
    if (record.images.some((image) => image.digest === candidate.digest)) continue;
    const { subject } = await readManifest(layout, candidate);
    if (subject?.digest === digest) seals.push(candidate);
  }
  if (seals.length > MAX_SEALS) {
    throw new LayoutError('too-large', `expected at most ${MAX_SEALS} seals, got ${seals.length}`);
  }
  return { record, digest, bytes, manifest, seals };
}

function readRecordManifest(bytes: Buffer, digest: Digest): ImageManifest {
  try {
    const manifest = parseManifest(bytes, '');
    if (manifest.kind === 'image' && manifest.artifactType === RECORD_TYPE) return manifest;
    throw new SyntaxError(`expected a manifest of ${RECORD_TYPE}`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new LayoutError('edited', `the record's manifest ${digest}: ${error.message}`, error);
  }
}

function readRecord(bytes: Buffer): ExportRecord {
  try {
    return parseExportRecord(bytes);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new LayoutError('edited', `the record of the export: ${error.message}`, error);
  }
}

/** What the record says that it holds. @throws {LayoutError} where two images have one name. */
export function contentsOf({ record }: Bundle): Contents {
  const names = new Set<string>();
  const images = record.images.map(({ reference, digest, mediaType, size, platforms }) => {
    const name = formatReference(reference);
    if (names.has(name)) throw new LayoutError('edited', `two images are called ${name}`);
    names.add(name);
    const descriptor = { digest, mediaType, size };
    return { reference, descriptor, ...(platforms === undefined ? {} : { platforms }) };
  });
  const attachments = record.attachments.map((attachment): ContainedAttachment => {
    const { repository, subject, tag, digest, mediaType, size } = attachment;
    const { artifactType, annotations } = attachment;
    const descriptor = {
      ...{ digest, mediaType, size },
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    };
    return { repository, subject, descriptor, ...(tag === undefined ? {} : { tag }) };
  });
  return { images, attachments, notes: [] };
}
