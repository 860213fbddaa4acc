/** Sigstore bundles: what cosign 3, GitHub and others attach as referrers. */
import { createHash } from 'node:crypto';
import { MAX_SIGNED_PAYLOAD } from '../bounds.ts';
import { rejecting, type SchemeVerifier, type Subject } from '../candidate.ts';
import { verified, type Claims } from '../evidence.ts';
import { readApproval } from './approval-claims.ts';
import { parseBundle } from './bundle.ts';
import type { SignedMaterial } from './material.ts';
import {
  contentDigests,
  COSIGN_SIGN_PREDICATE,
  parseStatementAbout,
  requireInToto,
  requireMeant,
} from './statement-binding.ts';
import { verifyMaterial } from './verify-material.ts';

const LAYER_PREFIX = 'application/vnd.dev.sigstore.bundle';

export const sigstoreBundle: SchemeVerifier = {
  scheme: 'sigstore-bundle',
  accepts: (mediaType) => mediaType.startsWith(LAYER_PREFIX),
  check: (candidate, subject, context) =>
    rejecting(() => {
      const material = bound(parseBundle(candidate.content), subject);
      const { content } = material;
      if (content.kind === 'dsse') {
        requireInToto(content.payloadType);
        if (context.attestations !== true && content.payload.length > MAX_SIGNED_PAYLOAD) {
          throw new SyntaxError(`expected a payload of at most ${MAX_SIGNED_PAYLOAD} bytes`);
        }
      }
      const proven = verifyMaterial(material, context);
      if (content.kind === 'dsse') requireMeant(content.payload, proven, context);
      const { digest } = subject;
      const { foundIn } = candidate;
      return verified('sigstore-bundle', proven, claimsOf(material, subject), { digest, foundIn });
    }),
};

/**
 * A message signature covers the manifest's bytes; which they are, the bundle can only hint at.
 * @throws {SyntaxError} when it is about something else.
 */
function bound(material: SignedMaterial, { bytes }: Subject): SignedMaterial {
  const { content } = material;
  if (content.kind === 'dsse') return material;
  requireDigest(content.digest, bytes);
  return { ...material, content: { ...content, data: bytes } };
}

function requireDigest(
  declared: Extract<SignedMaterial['content'], { kind: 'message' }>['digest'],
  bytes: Uint8Array,
): void {
  if (declared === undefined) return;
  const actual = createHash(declared.algorithm).update(bytes).digest();
  if (!actual.equals(declared.bytes)) {
    throw new SyntaxError('it is about another artifact, not this image');
  }
}

/** What a statement says; read when the signature over it holds. */
function claimsOf({ content }: SignedMaterial, { digest }: Subject): Claims {
  if (content.kind === 'message') return { references: [] };
  const { names, ...statement } = parseStatementAbout(contentDigests(digest), content.payload);
  if (statement.predicateType !== COSIGN_SIGN_PREDICATE) return { references: names, statement };
  const { references, ...approval } = readApproval(statement.json);
  return { references: [...names, ...references], ...approval };
}
