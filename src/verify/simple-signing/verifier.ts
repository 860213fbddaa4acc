/** Cosign signatures over simple-signing payloads: a layer's content, and its signature in an annotation. */
import { parseBase64 } from '../base64.ts';
import { MAX_SIGNATURE_TEXT } from '../bounds.ts';
import { rejecting, type Candidate, type CheckContext, type SchemeVerifier } from '../candidate.ts';
import { verified } from '../evidence.ts';
import { readAnnotations } from '../sigstore/legacy-annotations.ts';
import type { SignedMaterial } from '../sigstore/material.ts';
import { verifyLegacyMaterial } from '../sigstore/verify-material.ts';
import { parseSimpleSigningPayload } from './payload.ts';

const LAYER_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';
// cosign SIGNATURE_SPEC "Properties".
const SIGNATURE = 'dev.cosignproject.cosign/signature';

export const simpleSigning: SchemeVerifier = {
  scheme: 'cosign-simple-signing',
  accepts: (mediaType) => mediaType === LAYER_TYPE,
  check: (candidate, subject, context) =>
    rejecting(() => {
      const signature = parseBase64(
        candidate.annotations[SIGNATURE],
        `annotation ${SIGNATURE}`,
        MAX_SIGNATURE_TEXT,
      );
      const { digest, dockerReference } = parseSimpleSigningPayload(candidate.content);
      // The binding: without it any signature by the signer would serve for any image.
      if (digest !== subject.digest) {
        throw new SyntaxError(`it signs ${digest}, not this image`);
      }
      const material: SignedMaterial = {
        form: 'simple signing',
        ...besides(candidate, context),
        signature,
        content: { kind: 'message', data: candidate.content },
        timestamped: signature,
      };
      const proven = verifyLegacyMaterial(material, context);
      const { foundIn } = candidate;
      const references = dockerReference === undefined ? [] : [dockerReference];
      return verified('cosign-simple-signing', proven, { references }, { digest, foundIn });
    }),
};

/** What stands beside the signature is read where somebody is trusted who could vouch for it. A key needs none of it. */
export function besides(
  { annotations }: Candidate,
  { roots }: CheckContext,
): Pick<SignedMaterial, 'verifier' | 'entries' | 'timestamps'> {
  return roots.some(({ kind }) => kind === 'sigstore')
    ? readAnnotations(annotations)
    : { verifier: { kind: 'key' }, entries: [], timestamps: [] };
}
