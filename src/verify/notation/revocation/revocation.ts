/** Whether certificates were taken back: what the rest of Notation asks, and what it is told. */
import type { NotationResult } from '../../../policy/notation-facts.ts';
import type { Certificate } from '../../../trust/certificate.ts';
import type { Lasting } from '../lasting.ts';

/** What a chain is for; it changes nothing about the answer, only what people are told. */
export type ChainPurpose = 'signing' | 'timestamping';

export interface RevocationAnswer {
  /** `unknown`: nobody who may say so said either; a caller that enforces refuses it. */
  readonly state: 'good' | 'revoked' | 'unknown';
  /** For people; also for a good one, how it is known. */
  readonly reason: string;
  /** Only of `unknown`: nobody could be reached who might know, so that asking later may help. */
  readonly unreachable?: true;
  /** Milliseconds since the epoch; when a good answer has to be asked for anew. */
  readonly until?: number;
}

/**
 * Asks about a chain, ordered from its leaf to its root, of which each was proven to be signed by the next. Only chains
 * that lead to a trusted certificate may be asked about: the places to ask at are named in the certificates themselves.
 * @param now - Milliseconds since the epoch.
 * @param signal - Ends the asking: no further place is asked, and what is not known by then is out of reach.
 */
export type RevocationCheck = (
  chain: readonly Certificate[],
  purpose: ChainPurpose,
  now: number,
  signal?: AbortSignal,
) => Promise<RevocationAnswer>;

/** An answer as a check that a rule may demand. */
export function toResult({
  state,
  reason,
  until = Infinity,
  unreachable,
}: RevocationAnswer): Lasting<NotationResult> {
  if (state === 'good') return { result: { ok: true }, until };
  return {
    result: { ok: false, reason, ...(unreachable === undefined ? {} : { unreachable }) },
    until: Infinity,
  };
}
