/** One image of a layout: decided on trial, brought whole, and then admitted in earnest. */
import type { Decision } from '../admission/decision.ts';
import { isUndetermined } from '../admission/decision.ts';
import { arrive } from '../admission/blobs.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { FOUND_UNDER_TAG } from '../oci/annotation.ts';
import { isImageType } from '../oci/media-type.ts';
import type { Reference } from '../oci/reference.ts';
import type { Layout } from '../layout/layout.ts';
import { describeReferrer, readManifest } from '../layout/image-parts.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { LocalAttachment, LocalRecords } from '../store/local-records.ts';
import { contentOf, isRefusal, type PlannedAttachment, type PlannedImage } from './import-plan.ts';

/** Decides about one reference. */
export type Decide = (reference: Reference) => Promise<Decision>;

export interface ImportPlace {
  readonly layout: Layout;
  /** Decides without leaving anything behind. */
  readonly decide: Decide;
  /** What is here already. */
  readonly blobs: Pick<BlobStore, 'stat'>;
  /** Where it goes; absent: nothing is written, only said. */
  readonly target?: ImportTarget | undefined;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Told of each blob that is there now, and of its bytes. */
  readonly onBlob: (bytes: number, isNew: boolean) => void;
}

export interface ImportTarget extends Pick<BlobStore, 'fill'> {
  /** Decides, and from then on it is served. */
  readonly admit: Decide;
  readonly local: Pick<LocalRecords, 'attach' | 'addImported' | 'findAttachment'>;
}

export type Outcome = 'admitted' | 'refused' | 'undetermined';

/** What became of one image, or of something that is attached to one. */
export interface Judged {
  readonly outcome: Outcome;
  /** For people; of an admitted one a warning, or ''. */
  readonly why: string;
}

/** How often is looked whether all is still there: a proxy makes room meanwhile. */
const LOOKS = 3;
/** Characters of an attachment's annotations that are listed with it; an image may have a thousand attachments. */
const MAX_ANNOTATIONS = 16 * 1024;

/** Would it be admitted, as the thing that the layout says it is? */
export async function judgeImage(
  { decide }: Pick<ImportPlace, 'decide'>,
  { reference, descriptor, parts }: PlannedImage,
): Promise<Judged> {
  const decision = await decide(reference);
  const judged = judgedBy(decision, descriptor);
  if (judged.outcome !== 'admitted' || parts.incomplete.length === 0) return judged;
  const { length } = parts.incomplete;
  const note = `${length} of its platforms ${length === 1 ? 'is' : 'are'} not in the layout`;
  return { ...judged, why: judged.why === '' ? note : `${judged.why}; ${note}` };
}

/** The same of an attachment, once its image is judged. */
export async function judgeAttachment(
  { decide }: Pick<ImportPlace, 'decide'>,
  attachment: PlannedAttachment,
): Promise<Judged> {
  const { parts, descriptor } = attachment;
  if (isRefusal(parts)) return { outcome: 'refused', why: parts.refused };
  return judgedBy(await decide(referenceOf(attachment)), descriptor);
}

export function referenceOf({ repository, tag, descriptor }: PlannedAttachment): Reference {
  return tag === undefined ? { repository, digest: descriptor.digest } : { repository, tag };
}

function judgedBy(decision: Decision, { digest }: Descriptor): Judged {
  if (decision.outcome === 'refused') {
    const outcome = isUndetermined(decision.code) ? 'undetermined' : 'refused';
    return { outcome, why: decision.reasons.join('; ') };
  }
  const { warning = '' } = decision;
  if (decision.digest === digest) return { outcome: 'admitted', why: warning };
  const held = warning === '' ? 'the tag is frozen' : warning;
  return { outcome: 'refused', why: `the tag stays at ${decision.digest}: ${held}` };
}

/**
 * Everything of the image is there, proven, before the first word of it is written down; so whenever this ends early,
 * nothing is served of which a part is missing.
 */
export async function importImage(
  place: ImportPlace,
  target: ImportTarget,
  image: PlannedImage,
): Promise<Judged> {
  try {
    return await write(place, target, image);
  } catch (error) {
    if (isOtherContent(error)) {
      const why = `the bundle was changed while it was read: ${error.message}`;
      return { outcome: 'refused', why };
    }
    // A disk that fails says nothing of the image: it is imported when there is room.
    if (!isStorageError(error)) throw error;
    return { outcome: 'undetermined', why: error.message };
  }
}

async function write(
  place: ImportPlace,
  { admit, fill, local }: ImportTarget,
  image: PlannedImage,
): Promise<Judged> {
  const { reference, descriptor } = image;
  const { repository, tag } = reference;
  const { digest } = descriptor;
  await bringAll(place, fill, image, place.onBlob);
  await local.attach(await attachmentsOf(place, local, image));
  const judged = judgedBy(await admit(reference), descriptor);
  if (judged.outcome !== 'admitted') return judged;
  // What nobody asked for yet is decided too: whoever tidies up keeps what decisions name.
  for (const part of image.parts.manifests) {
    if (part.digest !== digest) await admit({ repository, digest: part.digest });
  }
  if (tag !== undefined) await admit({ repository, digest });
  for (const attachment of image.attachments) await admit(referenceOf(attachment));
  await local.addImported([
    { repository, digest, at: place.clock(), ...(tag === undefined ? {} : { tag }) },
  ]);
  await bringAll(place, fill, image, () => undefined);
  return judged;
}

/** @throws {FillError} */
async function bringAll(
  place: ImportPlace,
  fill: BlobStore['fill'],
  image: PlannedImage,
  onBlob: ImportPlace['onBlob'],
): Promise<void> {
  const content = contentOf(image);
  for (let look = 0; look < LOOKS; look++) {
    let brought = 0;
    for (const one of content) {
      const isNew = await bring(place, fill, one);
      if (isNew) brought++;
      if (look === 0) onBlob(one.size, isNew);
    }
    if (brought === 0) return;
  }
}

/**
 * Whether it was not there. Who reads a blob gets it although the disk does not take it, and before it has its name; here
 * it is brought when it has.
 * @throws {FillError | UnkeptError}
 */
async function bring(
  { blobs, layout }: ImportPlace,
  fill: BlobStore['fill'],
  { digest, size }: Descriptor,
): Promise<boolean> {
  if ((await blobs.stat(digest)) === size) return false;
  const ended = Promise.withResolvers<boolean>();
  const filling = { began: false };
  const source = (offset: number) => {
    filling.began = true;
    const body = layout.stream(digest, offset);
    return Promise.resolve({ offset, size: layout.blobs.get(digest), body });
  };
  const reader = await fill(digest, { size, source, onEnd: ended.resolve });
  await arrive({ reader, cached: false });
  if (filling.began && !(await ended.promise)) throw new UnkeptError(digest);
  return true;
}

/** The disk did not take it. */
class UnkeptError extends Error {
  override readonly name = 'UnkeptError';

  constructor(digest: Digest) {
    super(`the disk of the cache did not take ${digest}`);
  }
}

/** What signatures are looked for in, and listed, for as long as the image is here. */
async function attachmentsOf(
  { layout, clock }: ImportPlace,
  local: ImportTarget['local'],
  { attachments }: PlannedImage,
): Promise<readonly LocalAttachment[]> {
  const kept = new Map<string, LocalAttachment>();
  for (const { repository, subject, descriptor, tag, parts } of attachments) {
    if (isRefusal(parts) || !isImageType(descriptor.mediaType)) continue;
    const key = `${subject} ${descriptor.digest}`;
    // Found in both ways, it is one that names its subject itself.
    if (tag !== undefined && kept.has(key)) continue;
    // What this side's operator signed came back from where it was carried: it is here already.
    const known = await local.findAttachment(repository, descriptor.digest);
    if (known?.origin === 'approval') continue;
    const described = describeReferrer(descriptor, await readManifest(layout, descriptor));
    kept.set(key, {
      ...{ repository, subject, origin: 'import' as const, at: clock() },
      descriptor: { ...described, annotations: annotationsOf(described, tag) },
    });
  }
  return [...kept.values()];
}

/** Where it was found is for this side alone to say; annotations that would fill a list are left to its manifest. */
function annotationsOf({ annotations = {} }: Descriptor, tag: string | undefined) {
  const own = Object.entries(annotations).filter(([name]) => name !== FOUND_UNDER_TAG);
  const isLong = own.flat().join('').length > MAX_ANNOTATIONS;
  return {
    ...(isLong ? {} : Object.fromEntries(own)),
    ...(tag === undefined ? {} : { [FOUND_UNDER_TAG]: tag }),
  };
}

/** All of it was hashed before, so somebody wrote to it since. */
function isOtherContent(error: unknown): error is Error {
  if (!(error instanceof Error && error.name === 'FillError' && 'code' in error)) return false;
  return error.code === 'digest-mismatch' || error.code === 'size-mismatch';
}

function isStorageError(error: unknown): error is Error {
  return error instanceof Error && ['FillError', 'StoreError', 'UnkeptError'].includes(error.name);
}
