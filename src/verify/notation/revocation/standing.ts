/** What a signed answer says of one certificate. */
import type { Certificate } from '../../../trust/certificate.ts';

/** An answer of which nothing is certain is none: it is a SyntaxError that says why. */
export type Standing =
  | {
      readonly state: 'good';
      /** Milliseconds since the epoch; it says nothing about the time after. */
      readonly until: number;
    }
  | {
      readonly state: 'revoked';
      /** For people. */
      readonly reason: string;
      /** For ever. */
      readonly until?: undefined;
    };

/** RFC 5280 §5.3.1. */
export const REASON = { certificateHold: 6, removeFromList: 8 } as const;

const REASONS: ReadonlyMap<number, string> = new Map([
  [0, 'unspecified'],
  [1, 'keyCompromise'],
  [2, 'cACompromise'],
  [3, 'affiliationChanged'],
  [4, 'superseded'],
  [5, 'cessationOfOperation'],
  [REASON.certificateHold, 'certificateHold'],
  [REASON.removeFromList, 'removeFromCRL'],
  [9, 'privilegeWithdrawn'],
  [10, 'aACompromise'],
]);

/** A certificate that was taken back. */
export interface Revoked {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly reason: number;
}

/**
 * Neither invalidityDate nor a timestamp softens it: a key that somebody else has may have signed with any date.
 * @param by - `OCSP`, `the revocation list`
 */
export function revoked(certificate: Certificate, { at, reason }: Revoked, by: string): Standing {
  const why = REASONS.get(reason) ?? `reason ${reason}`;
  return {
    state: 'revoked',
    reason: `${certificate.subject} was revoked at ${new Date(at).toISOString()} (${why}), says ${by}`,
  };
}
