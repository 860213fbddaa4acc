/** A decision in memory, and for how long. */
import type { Decision } from './decision.ts';

export interface Kept {
  readonly decision: Decision;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly until: number;
}

/** A clock that was set back makes nothing last longer. */
export function isCurrent({ since, until }: Omit<Kept, 'decision'>, now: number): boolean {
  return now >= since && now < until;
}
