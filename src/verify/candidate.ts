/** What discovery hands to a scheme, and what a scheme answers. */
import type { Digest } from '../oci/digest.ts';
import type { Evidence, Scheme } from '../policy/evidence.ts';
import type { TrustRoot } from '../trust/trust-root.ts';

/** The manifest whose signatures are looked for. */
export interface Subject {
  readonly digest: Digest;
  /** Its exact bytes, which hash to `digest`. */
  readonly bytes: Buffer;
}

/** One signature as found: the layer of a signature manifest. Everything in it is a stranger's claim. */
export interface Candidate {
  /** `tag sha256-….sig`, `referrer sha256:…`: for people. */
  readonly place: string;
  /** The manifest that carries it. */
  readonly foundIn: Digest;
  /** Media type of the layer. */
  readonly mediaType: string;
  /** Content of the layer, proven against the layer's digest. */
  readonly content: Buffer;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What a scheme made of a candidate. */
export type Checked =
  | { readonly outcome: 'verified'; readonly evidence: readonly Evidence[] }
  | { readonly outcome: 'rejected'; readonly reason: string };

/** A signature scheme: pure, from bytes to evidence. The next schemes enter here. */
export interface SchemeVerifier {
  readonly scheme: Scheme;
  /** Whether layers of this media type are the scheme's signatures. */
  accepts(mediaType: string): boolean;
  /** Never throws for bad content: that is a `rejected`. */
  check(candidate: Candidate, subject: Subject, roots: readonly TrustRoot[]): Checked;
}

/** Runs a check in which bad input throws SyntaxError, and makes that a rejection. */
export function rejecting(check: () => Checked): Checked {
  try {
    return check();
  } catch (error) {
    if (error instanceof SyntaxError) return { outcome: 'rejected', reason: error.message };
    // A library's own error on hostile bytes is no reason to fall over, and none to admit (CVE-2026-39395).
    return { outcome: 'rejected', reason: 'the signature could not be read' };
  }
}
