/** What verification proves of one Notation signature whose integrity holds; no rule has been asked yet. */
import type { Digest } from '../oci/digest.ts';

/** One attribute of a distinguished name. */
export interface SubjectAttribute {
  /** Short name as RFC 4514 §3 has it (`C`, `ST`, `O`, `CN`, …); the dotted OID where there is none. */
  readonly type: string;
  readonly value: string;
}

/** A certificate's subject: its relative distinguished names, in the order of the certificate. */
export type NotationSubject = readonly (readonly SubjectAttribute[])[];

/** Whether a check holds; where it does not, why, for people. */
export type NotationResult =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly reason: string;
      /** Nothing speaks against it; somebody who has to be asked could not be reached. */
      readonly unreachable?: true;
    };

/** How a signature says it came about (signature-specification.md "Signing Schemes"). */
export type NotationScheme = 'notary.x509' | 'notary.x509.signingAuthority';

export interface NotationFacts {
  readonly envelope: 'jws' | 'cose';
  readonly scheme: NotationScheme;
  /** Subject of the signing certificate. */
  readonly subject: NotationSubject;
  /** For people, on one line. */
  readonly subjectText: string;
  /** SHA-256 of the signing certificate's DER. */
  readonly fingerprint: Digest;
  /** SHA-256 of its key's SPKI DER. */
  readonly keyFingerprint: Digest;
  /** Milliseconds since the epoch; under `notary.x509` the signer's own claim and nothing more. */
  readonly signingTime: number;
  /** Annotations of the signed target: the user metadata. */
  readonly annotations: ReadonlyMap<string, string>;
  /** Whether a certificate of the chain is one of the trust root's store for the scheme, and which. */
  readonly authenticity: NotationResult & { readonly trustedBy?: Digest };
  /** Whether the time of signing is proven, under each of the two ways to ask for a timestamp. */
  readonly timestamp: {
    readonly always: NotationResult;
    readonly afterCertExpiry: NotationResult;
  };
  readonly expiry: NotationResult;
  /** `not-checked` where the signature is not authentic or nobody could ask. */
  readonly revocation: NotationResult | 'not-checked';
  /**
   * Milliseconds since the epoch, after now: what is ok above stays so no longer, because the chain or the signature ends
   * then, or because a revocation answer has to be asked anew. Absent where nothing ends.
   */
  readonly until?: number;
}
