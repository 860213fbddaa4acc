/** One signature against one public key, with every hash and padding that cosign's keys are used with. */
import { constants, verify, type VerifyKeyObjectInput } from 'node:crypto';
import type { KeyAlgorithm, PublicKey } from '../trust/public-key.ts';

/** The hash that goes with the curve first; SHA-256 after it, since cosign 2 signs with it whatever the curve. */
const HASHES: Readonly<Record<KeyAlgorithm, readonly (string | undefined)[]>> = {
  'ecdsa-p256': ['sha256'],
  'ecdsa-p384': ['sha384', 'sha256'],
  'ecdsa-p521': ['sha512', 'sha256'],
  rsa: ['sha256', 'sha384', 'sha512'],
  'rsa-pss': ['sha256', 'sha384', 'sha512'],
  ed25519: [undefined],
};

const PSS = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_AUTO,
};

function inputs({ algorithm, key }: PublicKey): readonly VerifyKeyObjectInput[] {
  switch (algorithm) {
    case 'rsa':
      return [
        { key, padding: constants.RSA_PKCS1_PADDING },
        { key, ...PSS },
      ];
    case 'rsa-pss':
      return [{ key, ...PSS }];
    default:
      return [{ key, dsaEncoding: 'der' }];
  }
}

/** Whether the key made the signature over exactly these bytes. Malformed signatures are false, never an error. */
export function signatureMatches(
  publicKey: PublicKey,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length === 0) return false;
  for (const input of inputs(publicKey)) {
    for (const hash of HASHES[publicKey.algorithm]) {
      try {
        if (verify(hash, data, input, signature)) return true;
      } catch {
        // OpenSSL refuses combinations that a key does not allow (a PSS key bound to another hash): not a match.
      }
    }
  }
  return false;
}
