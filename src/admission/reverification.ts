/** Verifying again what is cached, ahead of the time at which somebody would have to wait for it. */
import type { Logger } from 'pino';
import type { Policy } from '../policy/rule.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { DueVerdict, PolicyKey, Records, VerdictKey } from '../store/records.ts';

/** What became of one image: `open`: nobody could look now; `dropped`: it is not cached, or another rule's by now. */
export type Reverified = 'admitted' | 'withdrawn' | 'open' | 'dropped';

/** What decides; see `Admission`. */
export interface Reverifier {
  reverify(verdict: Omit<VerdictKey, 'policyKey'>, policyKey: PolicyKey): Promise<Reverified>;
}

export interface ReverificationParts {
  readonly policy: Policy;
  readonly admission: Reverifier;
  readonly records: Pick<Records, 'listDue' | 'postpone'>;
  readonly blobs: Pick<BlobStore, 'stat'>;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly logger: Pick<Logger, 'error'>;
  /** Told of each image that was looked at. */
  readonly onReverified?: ((outcome: Reverified) => void) | undefined;
  /** Waits between images; may reject when the signal is aborted. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Milliseconds between images, so that neither an upstream nor a client feels it. */
const PAUSE = 50;
/** Milliseconds until an image is tried again about which nobody could be asked. */
const RETRY = 600_000;
/** Rows read at a time. */
const PAGE = 128;

/**
 * Goes once through all that is due, one image after the other. Never rejects; ends early when the signal is aborted, and
 * when other rules or trust roots are in force: the next round is theirs.
 * @param current what is in force.
 */
export async function reverify(
  current: () => ReverificationParts,
  signal: AbortSignal,
): Promise<void> {
  const parts = current();
  const isOver = (): boolean => current().admission !== parts.admission;
  const keys = parts.policy.rules
    .filter((rule) => Number.isFinite(rule.reverify))
    .map((rule) => rule.key);
  try {
    for (const policyKey of new Set(keys)) await reverifyUnder(policyKey, parts, isOver, signal);
  } catch (error) {
    if (!signal.aborted) parts.logger.error({ err: error }, 'verifying again broke off');
  }
}

async function reverifyUnder(
  policyKey: string,
  parts: ReverificationParts,
  isOver: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  const began = parts.clock();
  for (let after: DueVerdict | undefined; ;) {
    const page = await parts.records.listDue(policyKey, began, PAGE, after);
    for (const due of page) {
      signal.throwIfAborted();
      if (isOver()) return;
      const outcome = await orAborted(reverifyOne(due, policyKey, parts), signal);
      parts.onReverified?.(outcome);
      const key = { ...due, policyKey };
      if (outcome === 'dropped') await parts.records.postpone(key, undefined);
      else if (outcome === 'open') await parts.records.postpone(key, parts.clock() + RETRY);
      if (outcome !== 'dropped') await parts.pause(PAUSE, signal);
    }
    after = page.at(-1);
    if (page.length < PAGE) return;
  }
}

async function reverifyOne(
  due: DueVerdict,
  policyKey: string,
  { admission, blobs, logger }: ReverificationParts,
): Promise<Reverified> {
  // What made room is decided anew when it is pulled.
  if ((await blobs.stat(due.digest)) === undefined) return 'dropped';
  try {
    return await admission.reverify(due, policyKey);
  } catch (error) {
    logger.error({ err: error, digest: due.digest }, 'an image was not verified again');
    return 'open';
  }
}

/** Nobody who ends the program waits for an upstream; what was begun ends by itself. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => {
    reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
