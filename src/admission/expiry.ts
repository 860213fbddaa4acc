/** How far a recorded verdict reaches: until when, until when it is to be verified again, and for which tag. */
import { digestHex, type Digest } from '../oci/digest.ts';
import type { Rule } from '../policy/rule.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { Admitted } from './decision.ts';
import { NO_EXCEPTIONS, type Exceptions } from './exceptions.ts';
import type { Ask } from './parts.ts';

/** Whether a verdict still holds: some rest on a certificate, on the age of a statement, on the clock, or on an exception. */
export function holds(
  verdict: Pick<Verdict, 'until' | 'exception'>,
  rule: Pick<Rule, 'name'>,
  now: number,
  exceptions: Exceptions = NO_EXCEPTIONS,
): boolean {
  const { until } = verdict;
  return (until === undefined || now < until) && exceptions.covers(rule, verdict);
}

/** Whether a decision is to be made anew before it answers again. A clock that was set back makes none young. */
export function isDue(
  decidedAt: number,
  { reverify }: Pick<Rule, 'reverify'>,
  now: number,
): boolean {
  return Number.isFinite(reverify) && (now < decidedAt || now >= decidedAt + reverify);
}

/** Part of the time between two verifications within which the next one is made ahead, so that nobody waits for it. */
const AHEAD = 0.25;

/**
 * When a decision is verified again unasked: ahead of the time at which somebody would have to wait for it, and for
 * images that were decided together at different times. Milliseconds since the epoch; undefined: never.
 */
export function dueAt(
  digest: Digest,
  { until = Number.POSITIVE_INFINITY }: Pick<Verdict, 'until'>,
  decidedAt: number,
  { reverify }: Pick<Rule, 'reverify'>,
): number | undefined {
  const share = (1 + Number.parseInt(digestHex(digest).slice(0, 8), 16)) / 2 ** 32;
  const at = Math.min(until, decidedAt + Math.floor(reverify * (1 - AHEAD * share)));
  return Number.isFinite(at) ? at : undefined;
}

/** Until when it answers by itself: milliseconds since the epoch, infinite for some. */
export function expiryOf({ verdict, due }: Admitted): number {
  return Math.min(verdict.until ?? Number.POSITIVE_INFINITY, due);
}

/** The tag that a signature must name, where the rule says `reference: exact` and a tag is pulled to be run. */
export function boundTag({ rule, reference }: Ask, asImage: boolean): string | undefined {
  return asImage && rule.signatures?.reference === 'exact' ? reference.tag : undefined;
}
