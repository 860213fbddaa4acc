/** What a verifier proved about one digest, and what it found that proves nothing. */
import type { Digest } from '../oci/digest.ts';

export type Scheme = 'cosign-simple-signing' | 'sigstore-bundle';

/** The key of a trust root whose signature verified. */
export interface KeySigner {
  readonly kind: 'key';
  /** The trust root's configured name. */
  readonly trustRoot: string;
  /** SHA-256 of the key's SPKI DER. */
  readonly fingerprint: Digest;
  /** What people call it: the file it came from. */
  readonly label: string;
}

declare const proven: unique symbol;

/** A proven statement "this signer signed this digest". Only `verify/` makes one; a test holds to that. */
export interface Evidence {
  readonly [proven]: true;
  readonly scheme: Scheme;
  readonly signer: KeySigner;
  readonly digest: Digest;
  /** The manifest that carries the signature. */
  readonly foundIn: Digest;
}

/** For `verify/` alone, after signature and binding have been checked. */
export function proveEvidence(fields: Omit<Evidence, typeof proven>): Evidence {
  return fields as Evidence;
}

/** One signature that was looked at, for people: where it is and what came of it. */
export interface Finding {
  /** `tag sha256-….sig`, `referrer sha256:…`. */
  readonly place: string;
  readonly scheme: Scheme | 'other';
  readonly outcome: 'verified' | 'rejected' | 'ignored';
  /** One sentence: who signed, or why it does not count. */
  readonly text: string;
}

export function describeSigner(signer: KeySigner): string {
  return `key ${signer.label} of ${signer.trustRoot} (${signer.fingerprint.slice(0, 19)}…)`;
}
