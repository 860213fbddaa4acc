/** What a signature covers, and whether a key made it. */
import { dsse } from '@sigstore/core';
import type { PublicKey } from '../../trust/public-key.ts';
import { signatureMatches } from '../key-signature.ts';
import type { SignedContent, SignedMaterial } from './material.ts';
import { signatureMatchesDigest } from './prehash-signature.ts';

/** The bytes under the signature; undefined where only their digest is known. */
export function signedBytes(content: SignedContent): Buffer | undefined {
  // DSSE protocol: the payload's type is part of what is signed.
  return content.kind === 'dsse'
    ? dsse.preAuthEncoding(content.payloadType, content.payload)
    : content.data;
}

/**
 * A check whether a key made the signature, for several keys over the same bytes.
 * @throws {SyntaxError} where nothing is known to compare the signature with.
 */
export function signatureCheck({
  content,
  signature,
}: Pick<SignedMaterial, 'content' | 'signature'>): (key: PublicKey) => boolean {
  const data = signedBytes(content);
  if (data !== undefined) return (key) => signatureMatches(key, data, signature);
  const digest = content.kind === 'message' ? content.digest : undefined;
  if (digest === undefined) throw new SyntaxError('expected the content that is signed');
  return (key) => signatureMatchesDigest(key, digest, signature);
}
