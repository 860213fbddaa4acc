/**
 * A signature over content of which only the digest is known (`verify-bundle … sha256:…`). `node:crypto` hashes what it
 * verifies, so this is done by other means, and for this purpose only.
 */
import { constants, publicDecrypt } from 'node:crypto';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import type { PublicKey } from '../../trust/public-key.ts';
import type { HashName } from './material.ts';

const CURVES = { 'ecdsa-p256': p256, 'ecdsa-p384': p384, 'ecdsa-p521': p521 } as const;

/** RFC 8017 §9.2 note 1: the DER before the hash. */
const DIGEST_INFO: Readonly<Record<HashName, string>> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
};

export interface KnownDigest {
  readonly algorithm: HashName;
  readonly bytes: Buffer;
}

/**
 * Whether the key made the signature over content of this digest.
 * @throws {SyntaxError} for keys that sign more than a digest (Ed25519) or with a padding that is not checked here.
 */
export function signatureMatchesDigest(
  { algorithm, key }: PublicKey,
  digest: KnownDigest,
  signature: Buffer,
): boolean {
  switch (algorithm) {
    case 'ecdsa-p256':
    case 'ecdsa-p384':
    case 'ecdsa-p521': {
      const { x = '', y = '' } = key.export({ format: 'jwk' });
      const point = [Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')];
      const options = { prehash: false, lowS: false, format: 'der' } as const;
      try {
        return CURVES[algorithm].verify(signature, digest.bytes, Buffer.concat(point), options);
      } catch {
        // Not DER, or numbers that are no signature: as with other keys, no match.
        return false;
      }
    }
    case 'rsa': {
      const expected = Buffer.concat([
        Buffer.from(DIGEST_INFO[digest.algorithm], 'hex'),
        digest.bytes,
      ]);
      try {
        const padding = constants.RSA_PKCS1_PADDING;
        return publicDecrypt({ key, padding }, signature).equals(expected);
      } catch {
        return false;
      }
    }
    default:
      throw new SyntaxError(
        `signatures by ${algorithm} keys need the file: its digest is not enough`,
      );
  }
}
