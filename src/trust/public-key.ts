/** Public keys that operators trust: PEM SPKI, of the algorithms that cosign signs with. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { digestOf, type Digest } from '../oci/digest.ts';

export type KeyAlgorithm =
  'ecdsa-p256' | 'ecdsa-p384' | 'ecdsa-p521' | 'rsa' | 'rsa-pss' | 'ed25519';

export interface PublicKey {
  /** SHA-256 of the SPKI DER. */
  readonly fingerprint: Digest;
  readonly algorithm: KeyAlgorithm;
  readonly key: KeyObject;
  /** What people call it: usually the file's name. */
  readonly label: string;
}

/** Keys in one file. */
const MAX_KEYS = 64;
const RSA_BITS = { min: 2048, max: 4096 };
// RFC 8017 §3.1: with the exponent 1 everybody can sign.
const MIN_RSA_EXPONENT = 3n;
// An exponent as long as the key makes each check a hundred times as costly; Go's verifiers take no more than 31 bits.
const MAX_RSA_EXPONENT = 2n ** 32n;

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;
const CURVES: ReadonlyMap<string, KeyAlgorithm> = new Map([
  ['prime256v1', 'ecdsa-p256'],
  ['secp384r1', 'ecdsa-p384'],
  ['secp521r1', 'ecdsa-p521'],
]);

/**
 * Reads every `PUBLIC KEY` block of a PEM text (RFC 7468 §13).
 * @throws {SyntaxError} when there is none, for any other kind of block, and for keys that are too weak or unknown.
 * The message never quotes the text.
 */
export function parsePublicKeys(pem: string, label: string): readonly PublicKey[] {
  const blocks = [...pem.matchAll(BLOCK)];
  const begun = pem.split('-----BEGIN').length - 1;
  if (begun === 0) {
    throw new SyntaxError(`${label}: expected a PEM block "BEGIN PUBLIC KEY", found none`);
  }
  if (begun !== blocks.length) {
    throw new SyntaxError(`${label}: expected every PEM block to have its END line`);
  }
  if (blocks.length > MAX_KEYS) {
    throw new SyntaxError(`${label}: expected at most ${MAX_KEYS} keys, got ${blocks.length}`);
  }
  return blocks.map(([text, kind]) => {
    if (kind !== 'PUBLIC KEY') {
      throw new SyntaxError(
        `${label}: expected "BEGIN PUBLIC KEY", got "BEGIN ${kind}"${hint(kind)}`,
      );
    }
    return parseOne(text, label);
  });
}

function hint(kind: string | undefined): string {
  if (kind === undefined) return '';
  if (kind.includes('PRIVATE')) {
    return ': this is a private key and does not belong here; give the public one';
  }
  if (kind === 'RSA PUBLIC KEY') return ': convert it with openssl rsa -RSAPublicKey_in -pubout';
  if (kind === 'CERTIFICATE') return ': take its key with openssl x509 -pubkey -noout';
  return '';
}

function parseOne(text: string, label: string): PublicKey {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: text, format: 'pem', type: 'spki' });
  } catch (error) {
    throw new SyntaxError(`${label}: the public key cannot be read`, { cause: error });
  }
  return parsePublicKey(key, label);
}

/**
 * A key that was read already: from a certificate, from a trusted root.
 * @throws {SyntaxError} for keys that are too weak or unknown.
 */
export function parsePublicKey(raw: KeyObject, label: string): PublicKey {
  let key: KeyObject;
  let der: Buffer;
  try {
    key = uncompressed(raw);
    der = key.export({ format: 'der', type: 'spki' });
  } catch (error) {
    throw new SyntaxError(`${label}: the public key cannot be read`, { cause: error });
  }
  return { fingerprint: digestOf(der), algorithm: algorithmOf(key, label), key, label };
}

/** RFC 5480 §2.2 has two spellings of a point; a key has one fingerprint whichever its file uses. */
function uncompressed(key: KeyObject): KeyObject {
  return key.asymmetricKeyType === 'ec' && CURVES.has(curveOf(key))
    ? createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' })
    : key;
}

function curveOf(key: KeyObject): string {
  return key.asymmetricKeyDetails?.namedCurve ?? 'an unnamed one';
}

function algorithmOf(key: KeyObject, label: string): KeyAlgorithm {
  const { modulusLength, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec': {
      const algorithm = CURVES.get(curveOf(key));
      if (algorithm !== undefined) return algorithm;
      throw new SyntaxError(`${label}: expected curve P-256, P-384 or P-521, got ${curveOf(key)}`);
    }
    case 'rsa':
    case 'rsa-pss':
      if (
        modulusLength === undefined ||
        modulusLength < RSA_BITS.min ||
        modulusLength > RSA_BITS.max
      ) {
        throw new SyntaxError(
          `${label}: expected an RSA key of ${RSA_BITS.min} to ${RSA_BITS.max} bits, got ${modulusLength ?? 0}`,
        );
      }
      if (
        publicExponent < MIN_RSA_EXPONENT ||
        publicExponent > MAX_RSA_EXPONENT ||
        publicExponent % 2n === 0n
      ) {
        throw new SyntaxError(`${label}: expected an RSA key with an odd exponent from 3 to 2^32`);
      }
      return key.asymmetricKeyType;
    case 'ed25519':
      return 'ed25519';
    default:
      throw new SyntaxError(
        `${label}: expected an ECDSA, RSA or Ed25519 key, got ${key.asymmetricKeyType ?? 'none'}`,
      );
  }
}
