/** Cosign signatures over simple-signing payloads: a layer's content, and its signature in an annotation. */
import { parseBase64 } from '../base64.ts';
import { MAX_SIGNATURE_TEXT } from '../bounds.ts';
import { rejecting, type SchemeVerifier } from '../candidate.ts';
import { checkByKey } from '../evidence-by-key.ts';
import { parseSimpleSigningPayload } from './payload.ts';

const LAYER_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';
// cosign SIGNATURE_SPEC "Properties".
const SIGNATURE = 'dev.cosignproject.cosign/signature';

/**
 * Signatures by key. A certificate, Rekor bundle or timestamp beside the signature is neither asked for nor believed:
 * the key alone decides.
 */
export const simpleSigning: SchemeVerifier = {
  scheme: 'cosign-simple-signing',
  accepts: (mediaType) => mediaType === LAYER_TYPE,
  check: (candidate, subject, roots) =>
    rejecting(() => {
      const signature = parseBase64(
        candidate.annotations[SIGNATURE],
        `annotation ${SIGNATURE}`,
        MAX_SIGNATURE_TEXT,
      );
      const payload = parseSimpleSigningPayload(candidate.content);
      // The binding: without it any signature by the key would serve for any image.
      if (payload.digest !== subject.digest) {
        return { outcome: 'rejected', reason: `it signs ${payload.digest}, not this image` };
      }
      return checkByKey(
        'cosign-simple-signing',
        { data: candidate.content, signature },
        { candidate, subject },
        roots,
      );
    }),
};
