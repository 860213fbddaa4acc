/** The answer to "may this digest be served here?", always with its reasons. */
import type { Evaluation } from './evaluate.ts';
import type { Finding } from './evidence.ts';
import type { Exception } from './exception.ts';

export type VerdictOutcome = 'admitted' | 'denied' | 'undetermined';

export interface Verdict {
  readonly outcome: VerdictOutcome;
  /** Short sentences, the most telling first. */
  readonly reasons: readonly string[];
  /** Who signed, where a signature was demanded. */
  readonly signers: readonly string[];
  readonly findings: readonly Finding[];
  readonly evaluation?: Evaluation;
  /**
   * Admitted only as something attached to an image: good for its own digest and for the tags that attachments have,
   * never for a tag that people pull.
   */
  readonly attached?: true;
  /** Why places could not be looked at; only with `undetermined`. */
  readonly trouble?: 'unreachable' | 'timeout' | 'rate-limited';
  /** Seconds. */
  readonly retryAfter?: number;
  /** When the newest of the signatures that were asked for was made, where that is known; milliseconds since the epoch. */
  readonly signedAt?: number;
  /** Until when an admission holds, where time alone can end it. Milliseconds since the epoch. */
  readonly until?: number;
  /** Admitted because of it alone, or because of what it admitted. */
  readonly exception?: Exception;
}
