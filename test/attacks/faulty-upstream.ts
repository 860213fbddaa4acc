/** Random histories of one blob behind a faulty upstream, and what must be so of each answer and each download. */
import fc from 'fast-check';
import type { BlobFault } from '../helpers/faulty-answer.ts';
import type { BlobAnswer } from '../helpers/faulty-registry.ts';
import type { RawAnswer } from '../helpers/raw-http.ts';
import { HELD_TAIL } from '../../src/store/disk-blob-store.ts';

export interface Client {
  /** First and last byte; only one of them is an open-ended or a suffix range; neither is the whole blob. */
  readonly first: number | undefined;
  readonly last: number | undefined;
  /** Goes away after so many bytes of the answer. */
  readonly leavesAfter: number | undefined;
  /** Milliseconds that it thinks about each piece. */
  readonly pause: number;
}

export interface History {
  /** Which blob. */
  readonly blob: number;
  readonly faults: readonly BlobFault[];
  readonly clients: readonly Client[];
}

/** For blobs of these sizes. */
export function histories(sizes: readonly number[]): fc.Arbitrary<History> {
  return fc.nat(sizes.length - 1).chain((blob) => historyOf(blob, sizes[blob] ?? 1));
}

function historyOf(blob: number, size: number): fc.Arbitrary<History> {
  return fc.record({
    blob: fc.constant(blob),
    faults: fc.array(faultOf(size), { minLength: 1, maxLength: 5 }),
    clients: fc.array(clientOf(size), { minLength: 1, maxLength: 4 }),
  });
}

function faultOf(size: number): fc.Arbitrary<BlobFault> {
  const at = fc.oneof(fc.constant(0), fc.nat(size), fc.constant(size - 1));
  const breaks = fc.record({ kind: fc.constantFrom('resets', 'ends'), at });
  const uncounted = fc.record(
    {
      kind: fc.constant('uncounted'),
      coding: fc.constantFrom('chunked', 'until-close'),
      at,
      more: fc.constantFrom(0, 1),
    },
    { requiredKeys: ['kind', 'coding'] },
  );
  return fc.oneof(
    { weight: 3, arbitrary: breaks },
    { weight: 2, arbitrary: uncounted },
    fc.record({ kind: fc.constant('stalls'), at }),
    fc.record({ kind: fc.constantFrom('hangs-up', 'redirects') }),
    fc.record({
      kind: fc.constant('corrupts'),
      at: fc.oneof(fc.nat(size - 1), fc.constant(size - 1)),
    }),
    fc.record({ kind: fc.constant('miscounts'), by: fc.constantFrom(-1, 1, 100_000) }),
    fc.record({
      kind: fc.constant('drips'),
      piece: fc.integer({ min: Math.ceil(size / 40), max: size }),
    }),
    fc.record({ kind: fc.constant('refuses'), status: fc.constantFrom(429, 500, 502, 503) }),
    fc.record({
      kind: fc.constant('wrong-range'),
      how: fc.constantFrom('whole', 'earlier', 'later', 'short', 'unlabelled', 'none'),
    }),
  );
}

function clientOf(size: number): fc.Arbitrary<Client> {
  const place = fc.option(fc.oneof(fc.nat(size), fc.nat(10)), { freq: 2, nil: undefined });
  return fc.record({
    first: place,
    last: place,
    leavesAfter: fc.option(fc.nat(size), { freq: 2, nil: undefined }),
    pause: fc.constantFrom(0, 0, 0, 1, 5),
  });
}

/** The Range header's value. */
export function rangeOf({ first, last }: Client): string | undefined {
  if (first === undefined && last === undefined) return undefined;
  return `bytes=${first ?? ''}-${last ?? ''}`;
}

/** First byte and the one past the last; undefined where no byte of the blob answers the range. */
function askedOf({ first, last }: Client, size: number): readonly [number, number] | undefined {
  if (first === undefined && last !== undefined) {
    return last === 0 ? undefined : [Math.max(0, size - last), size];
  }
  const start = first ?? 0;
  const end = Math.min(size, (last ?? size) + 1);
  return start < end ? [start, end] : undefined;
}

/** A sentence about what should not have been answered; `isKept` says whether the blob is complete in the cache. */
export function checkAnswer(
  { faults }: History,
  bytes: Buffer,
  client: Client,
  { status, headers, body }: RawAnswer,
  isKept: boolean,
): string | undefined {
  const size = bytes.length;
  const asked = askedOf(client, size);
  if (status === undefined) return client.leavesAfter === undefined ? 'no answer' : undefined;
  if (asked === undefined) return status === 416 ? undefined : `${status} to no range`;
  if (status >= 400) return [429, 502, 503, 504].includes(status) ? undefined : `status ${status}`;
  const [start, end] = asked;
  const isWhole = rangeOf(client) === undefined;
  if (status !== (isWhole ? 200 : 206)) return `status ${status}`;
  if (!headers.includes(`content-length: ${end - start}`)) return 'another length';
  const label = `content-range: bytes ${start}-${end - 1}/${size}`;
  if (!isWhole && !headers.includes(label)) return 'another range';
  if (body.length > end - start) return 'more bytes than were asked for';

  const tail = Math.max(0, size - HELD_TAIL);
  if (start + body.length > tail && body.length > 0 && !isKept) return 'bytes of an unproven tail';
  // What is sent before the proof is what the upstream sent; whoever has the end of it has nothing wrong.
  const corrupt = faults.flatMap((fault) => (fault.kind === 'corrupts' ? [fault.at] : []));
  const isShort = body.length < end - start || end <= tail;
  for (let at = start; at < start + body.length; at++) {
    if (body[at - start] === bytes[at]) continue;
    if (!(isShort && at < tail && corrupt.includes(at))) return `a wrong byte at ${at}`;
  }
  return undefined;
}

/**
 * A sentence about what the upstream was asked for in vain, given all its answers for one blob. Each answer of a download
 * but the last broke off, so what it sent was lost or is there: the next asks for exactly the rest, never for less than
 * the one before. What is under way when a connection breaks cannot be known to the byte.
 */
export function checkTraffic(answers: readonly BlobAnswer[], size: number): string | undefined {
  for (const download of downloads(answers)) {
    let before = 0;
    let arrived = 0;
    for (const { range, offset, sent } of download) {
      const from = Number(/\d+/.exec(range ?? '')?.[0] ?? 0);
      if (from < before) return `asked from ${from} after ${before}`;
      if (from > arrived) return `asked from ${from}, was sent ${arrived} bytes`;
      if (from >= size) return 'asked for more than there is';
      before = from;
      arrived = Math.max(arrived, offset + sent);
    }
    const sent = sum(download);
    const lost =
      sum(download.filter((answer) => answer.fault !== undefined)) + sum(pausesOf(download));
    if (sent > size + lost) return `${sent} bytes were sent, ${lost} of them may be lost`;
  }
  return undefined;
}

/** Answers that broke off without a fault: a pause of the machine looked like a stall. */
export function findPauses(answers: readonly BlobAnswer[]): readonly BlobAnswer[] {
  return downloads(answers).flatMap(pausesOf);
}

function pausesOf(download: readonly BlobAnswer[]): readonly BlobAnswer[] {
  return download.slice(0, -1).filter(({ fault }) => fault === undefined);
}

/** Every answer to a request without a range begins one. */
function downloads(answers: readonly BlobAnswer[]): BlobAnswer[][] {
  const all: BlobAnswer[][] = [];
  for (const answer of answers) {
    if (answer.range === undefined) all.push([]);
    all.at(-1)?.push(answer);
  }
  return all;
}

function sum(answers: readonly BlobAnswer[]): number {
  return answers.reduce((bytes, { sent }) => bytes + sent, 0);
}
