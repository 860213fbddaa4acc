/** Sigstore bundles as signatures by key: what cosign 3 attaches as a referrer. */
import { createHash } from 'node:crypto';
import { dsse } from '@sigstore/core';
import { rejecting, type SchemeVerifier, type Subject } from '../candidate.ts';
import { checkByKey } from '../evidence-by-key.ts';
import { parseKeyBundle, type KeyBundleContent } from './bundle.ts';
import { COSIGN_SIGN_PREDICATE, requireStatementAbout } from './statement-binding.ts';

const LAYER_PREFIX = 'application/vnd.dev.sigstore.bundle';
const IN_TOTO = 'application/vnd.in-toto+json';

export const sigstoreBundle: SchemeVerifier = {
  scheme: 'sigstore-bundle',
  accepts: (mediaType) => mediaType.startsWith(LAYER_PREFIX),
  check: (candidate, subject, roots) =>
    rejecting(() => {
      const content = parseKeyBundle(candidate.content);
      return checkByKey(
        'sigstore-bundle',
        { data: signedBytes(content, subject), signature: content.signature },
        { candidate, subject },
        roots,
      );
    }),
};

/**
 * The bytes that the signature must cover, once they are bound to the subject.
 * @throws {SyntaxError} when the content is about something else.
 */
function signedBytes(content: KeyBundleContent, subject: Subject): Buffer {
  if (content.kind === 'dsse') {
    // DSSE protocol: the type is part of what is signed, and only an in-toto statement names a subject.
    if (content.payloadType !== IN_TOTO) {
      throw new SyntaxError(`expected payload type ${IN_TOTO}`);
    }
    requireStatementAbout(subject.digest, COSIGN_SIGN_PREDICATE, content.payload);
    return dsse.preAuthEncoding(content.payloadType, content.payload);
  }
  const actual = createHash(content.digest.algorithm).update(subject.bytes).digest();
  if (!actual.equals(content.digest.bytes)) {
    throw new SyntaxError('it is about another artifact, not this image');
  }
  return subject.bytes;
}
