/** What discovery hands to a scheme, and what a scheme answers. */
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Evidence, Scheme, Signer } from '../policy/evidence.ts';
import type { NotationRoot } from '../trust/notation-root.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import type { RevocationCheck } from './notation/revocation/revocation.ts';

/** The manifest whose signatures are looked for. */
export interface Subject {
  readonly digest: Digest;
  /** Its exact bytes, which hash to `digest`. */
  readonly bytes: Buffer;
  /** What it is served as; where it is not said, what its bytes say. */
  readonly mediaType?: string;
}

/** One signature as found: the layer of a signature manifest. Everything in it is a stranger's claim. */
export interface Candidate {
  /** `tag sha256-….sig`, `referrer sha256:…`: for people. */
  readonly place: string;
  /** The manifest that carries it. */
  readonly foundIn: Digest;
  /** The same, read. */
  readonly manifest?: Manifest;
  /** Media type of the layer. */
  readonly mediaType: string;
  /** Content of the layer, proven against the layer's digest. */
  readonly content: Buffer;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What a scheme made of a candidate. */
export type Checked =
  | { readonly outcome: 'verified'; readonly evidence: readonly Evidence[] }
  | {
      readonly outcome: 'rejected';
      readonly reason: string;
      /** It does not hold, or it is by somebody that no trust root vouches for. */
      readonly fault: 'invalid' | 'untrusted';
    };

/** What a check is made with. */
export interface CheckContext {
  /** The roots that the requirement names. */
  readonly roots: readonly TrustRoot[];
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Whether attestations are asked for; they may be larger than signatures. */
  readonly attestations?: boolean;
  /** Asks whether certificates were taken back; absent: nobody is asked. */
  readonly revocation?: (root: NotationRoot) => RevocationCheck;
  /** Whether the requirement means the signer at all; absent where nobody is asked for by name. */
  means?(signer: Signer): boolean;
}

/** The signature may be sound, but nobody we trust made, certified or stamped it. The message says who did. */
export class UntrustedError extends Error {
  override readonly name = 'UntrustedError';
}

/** A signature scheme: pure, from bytes to evidence. The next schemes enter here. */
export interface SchemeVerifier {
  readonly scheme: Scheme;
  /** Whether layers of this media type are the scheme's signatures. */
  accepts(mediaType: string): boolean;
  /** Never throws for bad content: that is a `rejected`. */
  check(candidate: Candidate, subject: Subject, context: CheckContext): Checked;
}

/** A scheme whose checks may have to ask others: whether a certificate was taken back. */
export interface AskingVerifier {
  readonly scheme: Scheme;
  accepts(mediaType: string): boolean;
  /** Never rejects for bad content. */
  check(candidate: Candidate, subject: Subject, context: CheckContext): Promise<Checked>;
}

/** Runs a check in which bad input throws SyntaxError and strangers {@link UntrustedError}; both are rejections. */
export function rejecting(check: () => Checked): Checked {
  try {
    return check();
  } catch (error) {
    if (error instanceof SyntaxError) {
      return { outcome: 'rejected', fault: 'invalid', reason: error.message };
    }
    if (error instanceof UntrustedError) {
      return { outcome: 'rejected', fault: 'untrusted', reason: error.message };
    }
    // A library's own error on hostile bytes is no reason to fall over, and none to admit (CVE-2026-39395).
    return { outcome: 'rejected', fault: 'invalid', reason: 'the signature could not be read' };
  }
}
