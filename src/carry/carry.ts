/** Images carried into the proxy's cache, whole and with what is attached to them; each ends in a row of a table. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Content } from '../layout/proven.ts';
import type { Digest } from '../oci/digest.ts';
import { formatReference, type Repository } from '../oci/reference.ts';
import type { Failed } from './answer.ts';
import { contentsOf, type Attached } from './attached.ts';
import { createBlobQueue, type BlobQueue } from './blob-queue.ts';
import { MAX_IMAGES } from './bounds.ts';
import type { ProxyClient, ServedManifest } from './proxy-client.ts';
import { forEachOf } from './slots.ts';
import { survey, type Surveyed, type SurveyOptions } from './survey.ts';
import { formatWanted, matchingTags, type Wanted, type WantedImage } from './wanted.ts';

export type Outcome = 'admitted' | 'refused' | 'failed';

/** What became of one image. */
export interface Row {
  /** Canonical; a pattern that leads to nothing is a row as well. */
  readonly reference: string;
  readonly outcome: Outcome;
  readonly digest: Digest | undefined;
  /** Bytes of all that belongs to it. */
  readonly size: number;
  /** Bytes that were not in the cache before. */
  readonly fetched: number;
  /** Why it is not there; where it is, what of it is not. */
  readonly reasons: readonly string[];
}

/** An image of which everything is in the cache. */
export interface CarriedImage extends Surveyed {
  readonly wanted: WantedImage;
}

/** Told how it goes. None of these may throw. */
export interface CarryWatch {
  /** How many images it will be; said once, when all patterns are resolved. */
  count(images: number): void;
  begun(reference: string): void;
  /** Bytes that are to be in the cache, and those of them that are. */
  bytes(reference: string, done: number, total: number): void;
  ended(row: Row): void;
}

export interface CarryParts extends SurveyOptions {
  readonly client: ProxyClient;
  /** Images at a time. */
  readonly jobs: number;
  /** Whether the manifests are wanted afterwards; those of thousands of images take much memory. */
  readonly keepImages: boolean;
  readonly watch: CarryWatch;
  /** No image is begun after it. */
  readonly signal: AbortSignal;
  /** Waits a moment for what is being written; replaced in tests. */
  readonly settle?: () => Promise<unknown>;
}

export interface CarriedList {
  /** In the order in which they were asked for. */
  readonly rows: readonly Row[];
  /** Empty unless they are kept. */
  readonly images: readonly CarriedImage[];
  /** Images that were not begun, or not ended, when it was interrupted. */
  readonly undone: number;
  /** Whether somebody ended it; what is done may not have been looked at a last time. */
  readonly interrupted: boolean;
}

/** Blobs that arrive for one image at a time. */
const PER_IMAGE = 3;
/** How often in all, and in milliseconds for how long each time, it is waited for blobs that are being written. */
const SETTLED = 600;
const SETTLE = 100;

export async function carry(wanted: readonly Wanted[], parts: CarryParts): Promise<CarriedList> {
  const { client, jobs, watch, signal, keepImages } = parts;
  const queue = createBlobQueue(client, jobs * PER_IMAGE);
  const isOver = (): boolean => signal.aborted;
  const resolved = await resolve(wanted, client);
  const { list } = resolved;
  const unresolved = isOver() ? [] : resolved.rows;
  watch.count(list.length + unresolved.length);
  for (const row of unresolved) watch.ended(row);
  const results = new Map<WantedImage, Result>();
  await forEachOf(list, jobs, async (image) => {
    if (isOver()) return;
    const reference = formatReference(image.reference);
    watch.begun(reference);
    const result = await carryImage(image, parts, queue);
    if (!keepImages) result.image = undefined;
    // What ended because of the signal says nothing about the image.
    if (isOver() && result.row.outcome === 'failed') return;
    results.set(image, result);
    watch.ended(result.row);
  });
  const moments = { left: SETTLED };
  // What cannot be looked at because it was interrupted is as it was found when it was fetched.
  await forEachOf(results, jobs, async ([{ reference }, result]) => {
    if (!isOver()) await confirm(result, reference.repository, parts, moments);
  });
  const done = list.flatMap((image) => results.get(image) ?? []);
  return {
    rows: [...done.map(({ row }) => row), ...unresolved],
    images: done.flatMap(({ image }) => image ?? []),
    undone: list.length - done.length,
    interrupted: isOver(),
  };
}

interface Result {
  row: Row;
  image?: CarriedImage | undefined;
  /** All that is to be in the cache, each once. */
  readonly blobs: readonly Content[];
}

/** What was fetched may not have been kept, or may have made room for what came after it. */
async function confirm(
  result: Result,
  repository: Repository,
  { client, signal, settle = pause }: CarryParts,
  moments: { left: number },
): Promise<void> {
  const { row, blobs } = result;
  const missing: Digest[] = [];
  for (const blob of blobs) {
    let answer = await client.isKept(repository, blob);
    // Its last byte is sent when it is proven, a moment before it has its name.
    while (answer.outcome === 'got' && !answer.value && moments.left-- > 0) {
      await settle();
      answer = await client.isKept(repository, blob);
    }
    if (signal.aborted) return;
    if (answer.outcome !== 'got') {
      const unknown = `it could not be seen whether it is in the cache: ${answer.message}`;
      result.row = { ...row, outcome: 'failed', reasons: [unknown, ...row.reasons] };
      result.image = undefined;
      return;
    }
    if (!answer.value) missing.push(blob.digest);
  }
  if (missing.length === 0) return;
  const told = `${missing.length} of its ${blobs.length} blobs did not stay in the cache`;
  const advice =
    'its disk may be full, or cache.maxSize too small for the list, or another proxy than its own answers';
  result.row = { ...row, outcome: 'failed', reasons: [`${told}: ${advice}`, ...row.reasons] };
  result.image = undefined;
}

const pause = (): Promise<unknown> => sleep(SETTLE);

/** Patterns become images, each image once. */
async function resolve(
  wanted: readonly Wanted[],
  client: ProxyClient,
): Promise<{ readonly list: readonly WantedImage[]; readonly rows: readonly Row[] }> {
  const list = new Map<string, WantedImage>();
  const rows: Row[] = [];
  const add = (image: WantedImage): void => {
    const key = JSON.stringify([formatReference(image.reference), image.platforms]);
    if (!list.has(key)) list.set(key, image);
    if (list.size > MAX_IMAGES) {
      throw new RangeError(
        `expected at most ${MAX_IMAGES} images, got more: ${formatReference(image.reference)}`,
      );
    }
  };
  for (const one of wanted) {
    if (one.pattern === undefined) {
      add(one);
      continue;
    }
    const { repository, pattern, platforms } = one;
    const answer = await client.tags(repository);
    if (answer.outcome !== 'got') {
      rows.push(rowOf(formatWanted(one), answer));
      continue;
    }
    const tags = matchingTags(pattern, answer.value);
    const none = `none of its ${answer.value.length} tags matches`;
    if (tags.length === 0)
      rows.push(rowOf(formatWanted(one), { outcome: 'absent', message: none }));
    for (const tag of tags) add({ reference: { repository, tag }, platforms });
  }
  return { list: [...list.values()], rows };
}

async function carryImage(
  wanted: WantedImage,
  { client, watch, withOthers }: CarryParts,
  queue: BlobQueue,
): Promise<Result> {
  const reference = formatReference(wanted.reference);
  const surveyed = await survey(client, wanted, { withOthers });
  if (surveyed.outcome !== 'got') return { row: rowOf(reference, surveyed), blobs: [] };
  const { value } = surveyed;
  const { digest } = value.top;
  const { repository } = wanted.reference;
  const total = sum([
    ...value.blobs,
    ...value.attached.flatMap(({ served }) => contentsOf(served)),
  ]);
  const progress = new Map<Digest, number>();
  let fetched = 0;

  const bring = async (blob: Content): Promise<Failed | undefined> => {
    const tell = (bytes: number): void => {
      progress.set(blob.digest, bytes);
      watch.bytes(reference, sumOf(progress.values()), total);
    };
    const answer = await queue.bring(repository, blob, tell);
    if (answer.outcome !== 'got') return answer;
    if (answer.value === 'fetched') fetched += blob.size;
    tell(blob.size);
    return undefined;
  };

  let flaw: Failed | undefined;
  await forEachOf(value.blobs, PER_IMAGE, async (blob) => {
    if (flaw !== undefined) return;
    // Not in one statement with what waits: another blob's failure may have come meanwhile.
    const answer = await bring(blob);
    flaw ??= answer;
  });
  if (flaw !== undefined) return { row: { ...rowOf(reference, flaw), digest, fetched }, blobs: [] };
  const attached = await bringAttached(value.attached, bring);
  if ('outcome' in attached)
    return { row: { ...rowOf(reference, attached), digest, fetched }, blobs: [] };
  const image: CarriedImage = { ...value, wanted, attached: attached.kept };
  const manifests = [
    ...value.chosen,
    ...value.others,
    ...attached.kept.map(({ served }) => served),
  ];
  const row: Row = {
    ...{ reference, digest, fetched, outcome: 'admitted' },
    size: sum(allContents(image)) + manifestBytes(manifests),
    reasons: [...value.notes, ...attached.notes],
  };
  // Descriptors hold more than their names, and images name the same.
  const blobs = new Map(allContents(image).map(({ digest, size }) => [digest, size]));
  return { row, image, blobs: [...blobs].map(([digest, size]) => ({ digest, size })) };
}

/** An attachment whose content is refused is left out; the image stands without it. */
async function bringAttached(
  attached: readonly Attached[],
  bring: (blob: Content) => Promise<Failed | undefined>,
): Promise<{ readonly kept: readonly Attached[]; readonly notes: readonly string[] } | Failed> {
  const kept: Attached[] = [];
  const notes: string[] = [];
  for (const one of attached) {
    let flaw: Failed | undefined;
    for (const blob of contentsOf(one.served)) flaw ??= await bring(blob);
    if (flaw === undefined) kept.push(one);
    else if (flaw.outcome === 'failed') return flaw;
    else notes.push(`without ${one.tag ?? `referrer ${one.served.digest}`}: ${flaw.message}`);
  }
  return { kept, notes };
}

function rowOf(reference: string, { outcome, message }: Failed): Row {
  return {
    reference,
    outcome: outcome === 'refused' ? 'refused' : 'failed',
    ...{ digest: undefined, size: 0, fetched: 0, reasons: [message] },
  };
}

/** Of the image and of what is attached to it. */
export function allContents({ blobs, attached }: Surveyed): readonly Content[] {
  return [...blobs, ...attached.flatMap(({ served }) => contentsOf(served))];
}

/** Each content once. */
function sum(contents: readonly Content[]): number {
  return sumOf(new Map(contents.map(({ digest, size }) => [digest, size])).values());
}

function sumOf(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

function manifestBytes(manifests: readonly ServedManifest[]): number {
  return sumOf(new Map(manifests.map(({ digest, bytes }) => [digest, bytes.length])).values());
}
