/** Importing a layout: everything in it is decided by this side's own rules before a byte of it becomes servable. */
import type { Digest } from '../oci/digest.ts';
import { formatReference } from '../oci/reference.ts';
import type { Contents } from '../layout/contents.ts';
import {
  importImage,
  judgeAttachment,
  judgeImage,
  referenceOf,
  type ImportPlace,
  type Judged,
  type Outcome,
} from './import-image.ts';
import { contentOf, createPlanner, isRefusal, type PlannedImage } from './import-plan.ts';

/** What became of one image. */
export interface ImportLine extends Judged {
  /** As canonical text. */
  readonly reference: string;
  readonly digest: Digest;
  /** Bytes of it and of what is attached to it. */
  readonly bytes: number;
  /** Of those, what was not here before. */
  readonly newBytes: number;
}

export interface ImportReport {
  readonly images: readonly ImportLine[];
  /** Attachments that are not imported. */
  readonly attachments: readonly ImportLine[];
  /** Why nothing was written, although images were admitted; absent where that is not so. */
  readonly noRoom?: string;
  /** Attachments of nothing that is imported: of other images, and of platforms that were left out. */
  readonly strays: number;
}

/** What is to be written, if there is room. */
export interface Needed {
  /** Of blobs that are not here. */
  readonly bytes: number;
  /** Of all that the images consist of. */
  readonly images: readonly string[];
}

export interface ImportOptions {
  /** Why there is no room; undefined where there is. */
  readonly findObstacle: (needed: Needed) => Promise<string | undefined>;
  /** Called once, when it is known how much is to be brought. */
  readonly onPlanned: (images: number, bytes: number) => void;
}

interface Job {
  readonly image: PlannedImage;
  readonly judged: Judged;
  readonly bytes: number;
  readonly newBytes: number;
}

/** @throws what the layout throws when it cannot be read, and the records when they cannot be written. */
export async function importLayout(
  place: ImportPlace,
  contents: Contents,
  options: ImportOptions,
): Promise<ImportReport> {
  const images: ImportLine[] = [];
  const attachments: ImportLine[] = [];
  const jobs: Job[] = [];
  const planner = await createPlanner(place.layout, contents);
  const counted = new Set<Digest>();
  for (const contained of contents.images) {
    const { reference, descriptor } = contained;
    const line = { reference: formatReference(reference), digest: descriptor.digest };
    const planned = await planner.plan(contained);
    if (isRefusal(planned)) {
      images.push({ ...line, outcome: 'refused', why: planned.refused, bytes: 0, newBytes: 0 });
      continue;
    }
    const judged = await judgeImage(place, planned);
    if (judged.outcome !== 'admitted') {
      images.push({ ...line, ...judged, bytes: 0, newBytes: 0 });
      continue;
    }
    const image = { ...planned, attachments: await judgeAttached(place, planned, attachments) };
    jobs.push({ image, judged, ...(await measure(place, image, counted)) });
  }
  const bytes = jobs.reduce((sum, job) => sum + job.newBytes, 0);
  options.onPlanned(jobs.length, bytes);
  const names = jobs.map(({ image }) => formatReference(image.reference));
  const noRoom = await options.findObstacle({ bytes, images: names });
  for (const { image, judged, ...size } of jobs) {
    const { reference, descriptor } = image;
    const line = { reference: formatReference(reference), digest: descriptor.digest, ...size };
    if (noRoom !== undefined) images.push({ ...line, outcome: 'undetermined', why: noRoom });
    else if (place.target === undefined) images.push({ ...line, ...judged });
    else {
      const done = await importImage(place, place.target, image);
      images.push({ ...line, ...whyOf(judged, done) });
    }
  }
  const report = { images, attachments, strays: planner.strays() };
  return { ...report, ...(noRoom === undefined ? {} : { noRoom }) };
}

/** What was said on trial is worth saying still. */
function whyOf(judged: Judged, done: Judged): Judged {
  return done.outcome === 'admitted' && done.why === '' ? judged : done;
}

async function judgeAttached(
  place: ImportPlace,
  planned: PlannedImage,
  refused: ImportLine[],
): Promise<PlannedImage['attachments']> {
  const admitted: PlannedImage['attachments'][number][] = [];
  for (const attachment of planned.attachments) {
    const judged = await judgeAttachment(place, attachment);
    if (judged.outcome === 'admitted') admitted.push(attachment);
    else {
      const reference = formatReference(referenceOf(attachment));
      const { digest } = attachment.descriptor;
      refused.push({ reference, digest, ...judged, bytes: 0, newBytes: 0 });
    }
  }
  return admitted;
}

/** @param counted what images before it bring is brought once. */
async function measure(
  { blobs }: ImportPlace,
  image: PlannedImage,
  counted: Set<Digest>,
): Promise<Pick<Job, 'bytes' | 'newBytes'>> {
  let bytes = 0;
  let newBytes = 0;
  for (const { digest, size } of contentOf(image)) {
    bytes += size;
    if (counted.has(digest) || (await blobs.stat(digest)) === size) continue;
    counted.add(digest);
    newBytes += size;
  }
  return { bytes, newBytes };
}

/** The worst of what became of the parts. */
export function outcomeOf({ images, attachments }: ImportReport): Outcome {
  const outcomes = [...images, ...attachments].map(({ outcome }) => outcome);
  if (outcomes.includes('refused')) return 'refused';
  return outcomes.includes('undetermined') ? 'undetermined' : 'admitted';
}
