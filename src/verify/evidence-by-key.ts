/** Which keys of which trust roots made a signature: the step from bytes to evidence that both schemes share. */
import { proveEvidence, type Scheme } from '../policy/evidence.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import type { Candidate, Checked, Subject } from './candidate.ts';
import { signatureMatches } from './key-signature.ts';

/**
 * Tries every key of every root. Call it only when everything else about the candidate holds: its binding to the
 * subject's digest above all.
 */
export function checkByKey(
  scheme: Scheme,
  signed: { readonly data: Uint8Array; readonly signature: Uint8Array },
  { candidate, subject }: { readonly candidate: Candidate; readonly subject: Subject },
  roots: readonly TrustRoot[],
): Checked {
  const evidence = roots.flatMap((root) =>
    root.keys
      .filter((key) => signatureMatches(key, signed.data, signed.signature))
      .map((key) =>
        proveEvidence({
          scheme,
          signer: {
            kind: 'key',
            trustRoot: root.name,
            fingerprint: key.fingerprint,
            label: key.label,
          },
          digest: subject.digest,
          foundIn: candidate.foundIn,
        }),
      ),
  );
  return evidence.length > 0
    ? { outcome: 'verified', evidence }
    : { outcome: 'rejected', reason: 'the signature is by none of the trusted keys' };
}
