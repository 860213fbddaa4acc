/** The last step of every scheme: who signed is known, and so is what is said; together they are evidence. */
import type { Digest } from '../oci/digest.ts';
import { proveEvidence, type Evidence, type Scheme, type Statement } from '../policy/evidence.ts';
import type { Checked } from './candidate.ts';
import type { Proven } from './sigstore/verify-material.ts';

/** What is signed about the subject. */
export interface Claims {
  readonly references: readonly string[];
  readonly statement?: Statement;
  /** As {@link Evidence.expires}. */
  readonly expires?: Evidence['expires'];
}

/** What is signed, and which manifest carries the signature. */
export interface Signed {
  readonly digest: Digest;
  readonly foundIn: Digest;
}

/** Call it only when signature, signer and the binding to the subject's digest have been checked. */
export function verified(
  scheme: Scheme,
  proven: readonly Proven[],
  { references, statement, expires }: Claims,
  { digest, foundIn }: Signed,
): Checked {
  const evidence: readonly Evidence[] = proven.map((fields) =>
    proveEvidence({
      scheme,
      ...fields,
      digest,
      foundIn,
      references,
      ...(statement === undefined ? {} : { statement }),
      ...(expires === undefined ? {} : { expires }),
    }),
  );
  return { outcome: 'verified', evidence };
}

/**
 * What a signature over an attestation manifest proves of the image that is the manifest's subject, call it only when that
 * has been checked: the image is signed, and so are the statements about it in the manifest's layers. A statement about the
 * manifest itself proves nothing of the image.
 */
export function restated(
  evidence: Evidence,
  digest: Digest,
  statements: readonly Statement[],
): readonly Evidence[] {
  if (evidence.statement !== undefined) return [];
  const signed = { ...evidence, digest };
  return [
    proveEvidence(signed),
    ...statements.map((statement) => proveEvidence({ ...signed, statement })),
  ];
}
