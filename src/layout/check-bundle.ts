/** Whether an export is as it was written: every byte of it, and nothing missing, added or renamed. */
import type { Descriptor } from '../oci/descriptor.ts';
import { digestAlgorithm, finishDigest, startDigest, type Digest } from '../oci/digest.ts';
import { formatReference, formatRepository } from '../oci/reference.ts';
import { contentsOf, type Bundle } from './bundle.ts';
import { subjectOfTag, type ContainedAttachment, type Contents } from './contents.ts';
import { CONTAINERD_NAME, RECORD_TYPE, REF_NAME, REPOSITORY, TITLE } from './export-record.ts';
import { findParts, readManifest } from './image-parts.ts';
import { LayoutError, shown } from './layout-error.ts';
import { blobEntry, type Layout } from './layout.ts';

/** Told of bytes that were hashed. */
export type OnBytes = (bytes: number) => void;

/** Every file under a digest's name is what that names. @throws {LayoutError} `edited`, naming the entry. */
export async function checkContents(layout: Layout, onBytes: OnBytes): Promise<void> {
  for (const digest of layout.blobs.keys()) {
    const hash = startDigest(digest);
    for await (const chunk of layout.stream(digest)) {
      hash.update(chunk);
      onBytes(chunk.length);
    }
    const actual = finishDigest(hash, digestAlgorithm(digest));
    if (actual !== digest) {
      throw new LayoutError(
        'edited',
        `${blobEntry(digest)} was changed: expected content of ${digest}, got ${actual}`,
      );
    }
  }
}

/**
 * The layout is exactly what its record says. Whoever edits the record too edits all of it: only a seal, and the rules,
 * stand against that.
 * @throws {LayoutError} naming the entry, what it should be and what it is.
 */
export async function checkRecord(layout: Layout, bundle: Bundle): Promise<Contents> {
  const contents = contentsOf(bundle);
  const [other] = layout.others;
  if (other !== undefined) {
    throw new LayoutError('edited', `the entry ${shown(other)} was added: the record has no such`);
  }
  await checkBlobs(layout, bundle);
  checkFiles(layout, bundle);
  checkIndex(layout, bundle, contents);
  await checkGraph(layout, contents);
  return contents;
}

async function checkBlobs(layout: Layout, bundle: Bundle): Promise<void> {
  const expected = new Map(bundle.record.blobs.map(({ digest, size }) => [digest, size]));
  const own = await digestsOfRecord(layout, bundle);
  for (const [digest, size] of expected) {
    const actual = layout.blobs.get(digest);
    if (actual === size) continue;
    throw new LayoutError(
      actual === undefined ? 'missing' : 'edited',
      actual === undefined
        ? `${blobEntry(digest)} is missing: the record says it has ${size} bytes`
        : `${blobEntry(digest)} was changed: expected ${size} bytes, got ${actual}`,
    );
  }
  for (const digest of layout.blobs.keys()) {
    if (expected.has(digest) || own.has(digest)) continue;
    throw new LayoutError('edited', `${blobEntry(digest)} was added: the record has no such`);
  }
}

/** The record itself and what seals it, which it cannot name. */
async function digestsOfRecord(layout: Layout, bundle: Bundle): Promise<ReadonlySet<Digest>> {
  const { manifest } = bundle;
  const own = new Set([bundle.digest, manifest.config.digest]);
  const [layer] = manifest.layers;
  if (layer !== undefined) own.add(layer.digest);
  for (const seal of bundle.seals) {
    own.add(seal.digest);
    const sealing = await readManifest(layout, seal);
    if (sealing.kind !== 'image') continue;
    for (const { digest } of [sealing.config, ...sealing.layers]) own.add(digest);
  }
  return own;
}

/** Further layers of the record's manifest, under the names that the record has. */
function checkFiles(layout: Layout, { record, manifest }: Bundle): void {
  for (const { path, digest, size } of record.files) {
    const actual = layout.blobs.get(digest);
    if (actual === size) continue;
    throw new LayoutError(
      actual === undefined ? 'missing' : 'edited',
      `expected the file ${shown(path)} as ${blobEntry(digest)} of ${size} bytes, got ${actual ?? 'none'}`,
    );
  }
  const carried = manifest.layers.slice(1);
  const names = carried.map(({ annotations, digest }) => `${annotations?.[TITLE] ?? ''} ${digest}`);
  const expected = record.files.map(({ path, digest }) => `${path} ${digest}`);
  const difference = differenceOf(expected, names);
  if (difference === undefined) return;
  throw new LayoutError(
    'edited',
    `the files of the record were changed: ${difference.text} is ${difference.kind}`,
  );
}

/** Under which names the index has what: nothing else of it is ever looked at. */
function checkIndex(layout: Layout, bundle: Bundle, contents: Contents): void {
  const record = layout.index.filter(({ artifactType }) => artifactType === RECORD_TYPE);
  const own = new Set([...record, ...bundle.seals]);
  for (const { digest, annotations = {} } of own) {
    const name = annotations[REF_NAME] ?? annotations[CONTAINERD_NAME] ?? annotations[REPOSITORY];
    if (name === undefined) continue;
    throw new LayoutError(
      'edited',
      `index.json was changed: ${digest} is the record or a seal, and is called ${shown(name)}`,
    );
  }
  const expected = [
    ...contents.images.map(({ reference, descriptor }) =>
      entryText(descriptor, formatReference(reference)),
    ),
    ...contents.attachments.map((one) => entryText(one.descriptor, attachmentName(one))),
  ];
  const actual = layout.index.filter((entry) => !own.has(entry)).map((entry) => listedText(entry));
  const difference = differenceOf(expected, actual);
  if (difference === undefined) return;
  throw new LayoutError(
    'edited',
    `index.json was changed: the entry ${difference.text} is ${difference.kind}`,
  );
}

function attachmentName({ repository, tag }: ContainedAttachment): string {
  return tag === undefined ? formatRepository(repository) : formatReference({ repository, tag });
}

function listedText(entry: Descriptor): string {
  const { annotations = {} } = entry;
  const name = annotations[REF_NAME];
  const other = annotations[CONTAINERD_NAME];
  if (other !== undefined && other !== name) {
    throw new LayoutError(
      'edited',
      `index.json was changed: ${entry.digest} has the names ${shown(name ?? 'none')} and ${shown(other)}`,
    );
  }
  return entryText(entry, name ?? annotations[REPOSITORY] ?? '');
}

function entryText({ digest, mediaType, size }: Descriptor, name: string): string {
  return `${shown(name)} (${digest}, ${size} bytes, ${mediaType})`;
}

interface Difference {
  readonly text: string;
  readonly kind: 'missing' | 'not in the record';
}

/** The first of one list that the other has not as often. */
function differenceOf(
  expected: readonly string[],
  actual: readonly string[],
): Difference | undefined {
  const open = new Map<string, number>();
  for (const text of expected) open.set(text, (open.get(text) ?? 0) + 1);
  for (const text of actual) {
    const left = open.get(text) ?? 0;
    if (left === 0) return { text, kind: 'not in the record' };
    open.set(text, left - 1);
  }
  const missing = [...open].find(([, left]) => left > 0);
  return missing === undefined ? undefined : { text: missing[0], kind: 'missing' };
}

/** What the record's images and attachments name is there. */
async function checkGraph(layout: Layout, { images, attachments }: Contents): Promise<void> {
  for (const { reference, descriptor, platforms } of images) {
    await about(formatReference(reference), async () => {
      const { incomplete } = await findParts(layout, descriptor);
      const wanted = incomplete.find(
        ({ child, digest }) =>
          digest === child.digest ||
          platforms === undefined ||
          platforms.includes(child.platform ?? ''),
      );
      if (wanted === undefined) return;
      const { child, digest } = wanted;
      const platform = child.platform === undefined ? '' : ` for ${child.platform}`;
      throw new LayoutError('missing', `${digest} of its image${platform} is not in the layout`);
    });
  }
  for (const { repository, descriptor, subject, tag } of attachments) {
    const name = formatReference({ repository, digest: descriptor.digest });
    await about(name, async () => {
      await findParts(layout, descriptor);
      const named = (await readManifest(layout, descriptor)).subject?.digest;
      const actual = tag === undefined ? named : subjectOfTag(tag);
      if (actual === subject) return;
      throw new LayoutError(
        'edited',
        `expected it to be about ${subject}, got ${actual ?? 'none'}`,
      );
    });
  }
}

async function about(name: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
    throw new LayoutError(error.code, `${name}: ${error.message}`, error);
  }
}
