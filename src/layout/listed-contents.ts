/** What a layout without a record of ours holds: what its index names, as other tools write it. */
import type { Descriptor } from '../oci/descriptor.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import {
  formatReference,
  formatRepository,
  isTag,
  type Reference,
  type Repository,
} from '../oci/reference.ts';
import { subjectOfTag, type ContainedAttachment, type Contents } from './contents.ts';
import { CONTAINERD_NAME, RECORD_TYPE, REF_NAME, REPOSITORY } from './export-record.ts';
import { findFullReference } from './full-name.ts';
import { describeReferrer, isManifestType, readManifest } from './image-parts.ts';
import { LayoutError } from './layout-error.ts';
import type { Layout } from './layout.ts';

/** Where tags belong that come without a repository, and what the operator calls the one image. */
export interface Naming {
  readonly repository: Repository;
  readonly reference?: Reference;
}

interface Entry {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly name: Reference | undefined;
}

interface Named {
  readonly reference: Reference;
  readonly descriptor: Descriptor;
}

/** How often attachments of attachments are looked for. */
const ROUNDS = 3;

/** @throws {LayoutError} for an export of ours without its record, and for names that cannot be told apart. */
export async function findContents(layout: Layout, naming?: Naming): Promise<Contents> {
  const notes = ['it has no record of what was exported, so only rules say what belongs in it'];
  const entries: Entry[] = [];
  for (const descriptor of layout.index) {
    if (!isManifestType(descriptor.mediaType)) {
      notes.push(`${descriptor.digest} is no image, but ${descriptor.mediaType}`);
      continue;
    }
    const manifest = await readManifest(layout, descriptor);
    const types = [descriptor.artifactType, manifest.artifactType];
    if (types.includes(RECORD_TYPE) || descriptor.annotations?.[REPOSITORY] !== undefined) {
      throw new LayoutError(
        'edited',
        'it is an export of Countersign, and its record is no longer what the index lists as such',
      );
    }
    entries.push({ descriptor, manifest, name: nameOf(descriptor, naming) });
  }
  const isAttached = ({ manifest, name }: Entry): boolean =>
    name?.tag === undefined ? manifest.subject !== undefined : subjectOfTag(name.tag) !== undefined;
  const isPart = findParts(entries);
  const images = nameImages(
    entries.filter((entry) => !isAttached(entry) && !isPart(entry)),
    naming,
    notes,
  );
  const attached = entries.filter(isAttached);
  if (images.length === 0) {
    const why = notes[1] ?? 'its index lists none; what is attached to one comes with it';
    throw new LayoutError('unnamed', `expected an image with a name, got none: ${why}`);
  }
  return { images, attachments: await own(layout, images, attached), notes };
}

/** oras lists the manifests of an index beside it; without a name of their own they come with it. */
function findParts(entries: readonly Entry[]): (entry: Entry) => boolean {
  const named = new Set<Digest>();
  for (const { manifest } of entries) {
    if (manifest.kind === 'index') for (const { digest } of manifest.manifests) named.add(digest);
  }
  return ({ descriptor: { annotations, digest } }) =>
    annotations?.[REF_NAME] === undefined &&
    annotations?.[CONTAINERD_NAME] === undefined &&
    named.has(digest);
}

/** containerd and Docker write the full name, skopeo what it was told, oras and crane a tag. */
function nameOf({ annotations }: Descriptor, naming: Naming | undefined): Reference | undefined {
  const given = annotations?.[REF_NAME];
  const full = findFullReference(annotations?.[CONTAINERD_NAME]) ?? findFullReference(given);
  if (full !== undefined || given === undefined || !isTag(given)) return full;
  return naming === undefined ? undefined : { repository: naming.repository, tag: given };
}

function nameImages(
  entries: readonly Entry[],
  naming: Naming | undefined,
  notes: string[],
): readonly Named[] {
  const single = naming?.reference;
  if (single !== undefined && entries.length !== 1) {
    throw new LayoutError(
      'unnamed',
      `expected one image to be called ${formatReference(single)}, got ${entries.length}: give --as a repository alone`,
    );
  }
  const images: Named[] = [];
  const names = new Set<string>();
  for (const { descriptor, name } of entries) {
    const reference = single ?? name;
    if (reference === undefined) {
      const given = descriptor.annotations?.[REF_NAME] ?? 'none';
      notes.push(
        `${descriptor.digest} has no full name (${given}): give --as REGISTRY/REPOSITORY[:TAG]`,
      );
      continue;
    }
    const text = formatReference(reference);
    if (names.has(text)) throw new LayoutError('edited', `two images are called ${text}`);
    if (reference.digest !== undefined && reference.digest !== descriptor.digest) {
      throw new LayoutError('edited', `${descriptor.digest} is called ${text}`);
    }
    names.add(text);
    images.push({ reference, descriptor });
  }
  return images;
}

/** Attachments belong to the repositories of what they are attached to. */
async function own(
  layout: Layout,
  images: readonly Named[],
  attached: readonly Entry[],
): Promise<readonly ContainedAttachment[]> {
  const owners = new Map<Digest, Map<string, Repository>>();
  const belongs = (digest: Digest, repository: Repository): void => {
    const known = owners.get(digest) ?? new Map<string, Repository>();
    owners.set(digest, known.set(formatRepository(repository), repository));
  };
  for (const { reference, descriptor } of images) {
    belongs(descriptor.digest, reference.repository);
    const manifest = await readManifest(layout, descriptor);
    if (manifest.kind !== 'index') continue;
    for (const { digest } of manifest.manifests) belongs(digest, reference.repository);
  }
  const attachments = new Map<string, ContainedAttachment>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const { descriptor, manifest, name } of attached) {
      const { digest } = descriptor;
      const tag = name?.tag;
      const tagged = tag === undefined ? undefined : subjectOfTag(tag);
      if (tag !== undefined && name !== undefined && isDigest(tagged)) {
        const { repository } = name;
        const key = formatReference({ repository, tag });
        attachments.set(key, { repository, subject: tagged, descriptor, tag });
        belongs(digest, repository);
      }
      const { subject } = manifest;
      if (subject === undefined) continue;
      for (const repository of owners.get(subject.digest)?.values() ?? []) {
        const key = formatReference({ repository, digest });
        attachments.set(key, {
          repository,
          subject: subject.digest,
          descriptor: describeReferrer(descriptor, manifest),
        });
        belongs(digest, repository);
      }
    }
  }
  return [...attachments.values()];
}
