/** What admission answers: served, or refused with a reason. Refusals are expected, so they are values. */
import type { Digest } from '../oci/digest.ts';
import type { Verdict } from '../policy/verdict.ts';

/** Where an answer came from: this process's memory, the records on disk, or a decision made just now. */
export type DecisionSource = 'memory' | 'records' | 'fresh';

export interface Admitted {
  readonly outcome: 'admitted';
  readonly digest: Digest;
  readonly mediaType: string;
  /** The exact bytes, which hash to `digest`. */
  readonly bytes: Buffer;
  readonly rule: string;
  readonly verdict: Verdict;
  readonly source: DecisionSource;
  /** When it is to be decided anew; milliseconds since the epoch, infinite for never. */
  readonly due: number;
  /** For a `Warning: 299` header: audit mode, an exception, a tag held at another digest than upstream's, or one whose upstream cannot be asked. */
  readonly warning?: string;
  /** Not to be remembered for longer than a refusal: a list of referrers, which may turn out to be a signed image. */
  readonly fleeting?: true;
}

export type RefusalCode =
  /** The registry part names no configured upstream. */
  | 'unknown-upstream'
  /** No rule covers the repository. */
  | 'no-rule'
  /** A rule rejects the repository outright. */
  | 'rejected'
  /** The rule's requirement is not met. */
  | 'not-admitted'
  /** The tag moved upstream, and the rule does not follow. */
  | 'tag-held'
  /** Bytes that no client should have to interpret. */
  | 'invalid-manifest'
  | 'too-large'
  /** A blob or child that no admitted manifest names. */
  | 'outside-graph'
  /** The upstream has no such thing. */
  | 'absent'
  /** The upstream lets us not in. */
  | 'upstream-refused'
  | 'unreachable'
  | 'timeout'
  | 'rate-limited'
  /** The upstream's bytes are not what their digest says. */
  | 'digest-mismatch';

export interface Refused {
  readonly outcome: 'refused';
  readonly code: RefusalCode;
  /** One self-contained sentence for the person at the client. */
  readonly message: string;
  /** The same in a few ASCII words, for the HTTP reason phrase. */
  readonly phrase: string;
  readonly reasons: readonly string[];
  readonly source: DecisionSource;
  readonly digest?: Digest;
  readonly rule?: string;
  readonly verdict?: Verdict;
  /** Seconds. */
  readonly retryAfter?: number;
}

export type Decision = Admitted | Refused;

/** Whether nobody could look now: no word against what was decided before. */
export function isOpen(code: RefusalCode): boolean {
  return isUndetermined(code) || code === 'upstream-refused';
}

/** Whether a refusal says "we could not look" rather than "we looked and it fails". */
export function isUndetermined(code: RefusalCode): boolean {
  return code === 'unreachable' || code === 'timeout' || code === 'rate-limited';
}
