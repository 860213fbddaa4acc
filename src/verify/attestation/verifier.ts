/** Cosign attestations as layers: a DSSE envelope, and what vouches for its signer in annotations. */
import { isJsonObject, parseJson } from '../../oci/json.ts';
import { rejecting, type Candidate, type CheckContext, type SchemeVerifier } from '../candidate.ts';
import { verified } from '../evidence.ts';
import { parseEnvelope } from '../sigstore/envelope.ts';
import type { SignedMaterial } from '../sigstore/material.ts';
import {
  contentDigests,
  parseStatementAbout,
  requireInToto,
  requireMeant,
} from '../sigstore/statement-binding.ts';
import { verifyLegacyMaterial } from '../sigstore/verify-material.ts';
import { besides } from '../simple-signing/verifier.ts';

const LAYER_TYPE = 'application/vnd.dsse.envelope.v1+json';

export const cosignAttestation: SchemeVerifier = {
  scheme: 'cosign-attestation',
  accepts: (mediaType) => mediaType === LAYER_TYPE,
  check: (candidate, subject, context) =>
    rejecting(() => {
      const material = readMaterial(candidate, context);
      requireInToto(material.content.payloadType);
      const proven = verifyLegacyMaterial(material, context);
      requireMeant(material.content.payload, proven, context);
      const { names, ...statement } = parseStatementAbout(
        contentDigests(subject.digest),
        material.content.payload,
      );
      const claims = { references: names, statement };
      const { digest } = subject;
      const { foundIn } = candidate;
      return verified('cosign-attestation', proven, claims, { digest, foundIn });
    }),
};

type EnvelopeMaterial = SignedMaterial & {
  readonly content: Extract<SignedMaterial['content'], { readonly kind: 'dsse' }>;
};

/** cosign stamps the whole envelope, not the signature in it, and Rekor's older entries hash it. */
function readMaterial(candidate: Candidate, context: CheckContext): EnvelopeMaterial {
  const json = parseJson(candidate.content);
  if (!isJsonObject(json)) throw new SyntaxError('expected an envelope');
  const { signature, payload, payloadType } = parseEnvelope(json);
  return {
    form: 'attestation',
    ...besides(candidate, context),
    signature,
    content: { kind: 'dsse', payloadType, payload, envelope: candidate.content },
    timestamped: candidate.content,
  };
}
