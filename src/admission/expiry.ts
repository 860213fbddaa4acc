/** How far a recorded verdict reaches: until when, and for which tag. */
import type { Verdict } from '../policy/verdict.ts';
import type { Admitted } from './decision.ts';
import type { Ask } from './parts.ts';

/** Whether a verdict still holds: some rest on a certificate, on the age of a statement, or on the clock. */
export function holds({ until }: Pick<Verdict, 'until'>, now: number): boolean {
  return until === undefined || now < until;
}

/** Milliseconds since the epoch; infinite for most. */
export function expiryOf({ verdict }: Admitted): number {
  return verdict.until ?? Number.POSITIVE_INFINITY;
}

/** The tag that a signature must name, where the rule says `reference: exact` and a tag is pulled to be run. */
export function boundTag({ rule, reference }: Ask, asImage: boolean): string | undefined {
  return asImage && rule.signatures?.reference === 'exact' ? reference.tag : undefined;
}
