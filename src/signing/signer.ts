/** The port to a private key, wherever it is kept: on disk, in Vault, in a KMS. */
import type { KeyObject } from 'node:crypto';
import { parsePublicKey, type PublicKey } from '../trust/public-key.ts';
import { verifyExactly, type SignatureAlgorithm } from '../trust/signature-algorithm.ts';
import { SigningError } from './signing-error.ts';

export interface Signer {
  readonly publicKey: PublicKey;
  /** The public key as rules trust it: PEM SPKI, as `cosign public-key` prints it. */
  readonly publicPem: string;
  readonly algorithm: SignatureAlgorithm;
  /**
   * Signs the bytes themselves, not a hash of them. Gives DER for ECDSA.
   * @throws {SigningError} when whoever keeps the key does not sign, or signs something else.
   */
  sign(data: Uint8Array): Promise<Buffer>;
  /** Lets go of connections. */
  close(): Promise<void>;
}

/** What makes signatures, as a place where keys are kept offers it. */
export interface SigningPlace {
  readonly publicKey: PublicKey;
  sign(data: Uint8Array, algorithm: SignatureAlgorithm): Promise<Buffer>;
  close?(): Promise<void>;
}

/**
 * Reads the public half of a key to sign with.
 * @throws {SigningError} for keys that Countersign or cosign would not verify with.
 */
export function parseOwnKey(key: KeyObject, label: string): PublicKey {
  try {
    return parsePublicKey(key, label);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SigningError('key', error.message, error);
  }
}

/**
 * A signer whose every signature was verified before anybody sees it: a place may hold another key than it says, or sign
 * something else.
 * @throws {SigningError} for kinds of keys whose signatures cosign does not verify.
 */
export function signerAt(place: SigningPlace): Signer {
  const { publicKey } = place;
  const algorithm = algorithmFor(publicKey);
  return {
    publicKey,
    publicPem: publicKey.key.export({ type: 'spki', format: 'pem' }).toString(),
    algorithm,
    async sign(data) {
      const signature = await place.sign(data, algorithm);
      if (verifyExactly(algorithm, publicKey, data, signature)) return signature;
      throw new SigningError(
        'answer',
        `${publicKey.label}: expected a signature by the key ${publicKey.fingerprint}, got one that does not verify`,
      );
    },
    close: async () => {
      await place.close?.();
    },
  };
}

/** The one algorithm that cosign 3 has for each kind of key (sigstore/protobuf-specs PublicKeyDetails). */
function algorithmFor({ algorithm, label }: PublicKey): SignatureAlgorithm {
  switch (algorithm) {
    case 'ecdsa-p256':
      return { kind: 'ecdsa', hash: 'sha256' };
    case 'ecdsa-p384':
      return { kind: 'ecdsa', hash: 'sha384' };
    case 'ecdsa-p521':
      return { kind: 'ecdsa', hash: 'sha512' };
    case 'rsa':
      return { kind: 'rsa', hash: 'sha256' };
    case 'ed25519':
      return { kind: 'ed25519' };
    case 'rsa-pss':
      throw new SigningError(
        'key',
        `${label}: expected an ECDSA, RSA or Ed25519 key, got one for RSA-PSS alone, with which cosign does not verify`,
      );
  }
}
