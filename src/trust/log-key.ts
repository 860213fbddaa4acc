/** Keys of logs: of the kind that a trusted root says, and the ids that entries and checkpoints know them by. */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { parsePublicKey, type KeyAlgorithm, type PublicKey } from './public-key.ts';

/** sigstore/protobuf-specs, PublicKeyDetails: those whose signatures can be verified. */
const DETAILS: ReadonlyMap<string, { readonly algorithm: KeyAlgorithm; readonly bits?: number }> =
  new Map([
    ['PKCS1_RSA_PKCS1V5', { algorithm: 'rsa' }],
    ['PKCS1_RSA_PSS', { algorithm: 'rsa-pss' }],
    ['PKIX_RSA_PKCS1V5', { algorithm: 'rsa' }],
    ['PKIX_RSA_PSS', { algorithm: 'rsa-pss' }],
    ['PKIX_RSA_PKCS1V15_2048_SHA256', { algorithm: 'rsa', bits: 2048 }],
    ['PKIX_RSA_PKCS1V15_3072_SHA256', { algorithm: 'rsa', bits: 3072 }],
    ['PKIX_RSA_PKCS1V15_4096_SHA256', { algorithm: 'rsa', bits: 4096 }],
    ['PKIX_RSA_PSS_2048_SHA256', { algorithm: 'rsa-pss', bits: 2048 }],
    ['PKIX_RSA_PSS_3072_SHA256', { algorithm: 'rsa-pss', bits: 3072 }],
    ['PKIX_RSA_PSS_4096_SHA256', { algorithm: 'rsa-pss', bits: 4096 }],
    ['PKIX_ECDSA_P256_SHA_256', { algorithm: 'ecdsa-p256' }],
    ['PKIX_ECDSA_P384_SHA_256', { algorithm: 'ecdsa-p384' }],
    ['PKIX_ECDSA_P384_SHA_384', { algorithm: 'ecdsa-p384' }],
    ['PKIX_ECDSA_P521_SHA_256', { algorithm: 'ecdsa-p521' }],
    ['PKIX_ECDSA_P521_SHA_512', { algorithm: 'ecdsa-p521' }],
    ['PKIX_ED25519', { algorithm: 'ed25519' }],
  ]);

/**
 * Reads a key that is exactly what `details` says.
 * @throws {SyntaxError} for another key, for bytes after it, for weak keys and unknown details.
 */
export function readLogKey(raw: Buffer, details: string, label: string): PublicKey {
  const expected = DETAILS.get(details);
  if (expected === undefined) {
    throw new SyntaxError(`expected key details that can be verified, got ${details}`);
  }
  const type = details.startsWith('PKCS1_') ? 'pkcs1' : 'spki';
  let key: KeyObject;
  try {
    key = createPublicKey({ key: raw, format: 'der', type });
  } catch (error) {
    throw new SyntaxError(`expected a ${type.toUpperCase()} public key`, { cause: error });
  }
  const parsed = parsePublicKey(key, label);
  // A plain RSA key may be meant for PSS; a PSS key is never meant for the older padding.
  const fits =
    parsed.algorithm === expected.algorithm ||
    (parsed.algorithm === 'rsa' && expected.algorithm === 'rsa-pss');
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (!fits || (expected.bits !== undefined && bits !== expected.bits)) {
    throw new SyntaxError(
      `expected the key that ${details} says, got ${parsed.algorithm}${bits === undefined ? '' : ` of ${bits} bits`}`,
    );
  }
  // OpenSSL stops where the key ends; what follows would be in nobody's check. An SPKI ends with the PKCS#1 key.
  const spki = key.export({ format: 'der', type: 'spki' });
  if (!(type === 'spki' ? spki : spki.subarray(-raw.length)).equals(raw)) {
    throw new SyntaxError('expected one DER public key and nothing else');
  }
  return { ...parsed, algorithm: expected.algorithm };
}

/** RFC 6962 §3.2, and Rekor v1: SHA-256 of the SPKI DER. Hex. */
export function keyHashId({ key }: PublicKey): string {
  return createHash('sha256')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest('hex');
}

/** C2SP signed-note, Ed25519: SHA-256 of origin, newline, 0x01, raw key, of which notes carry four bytes. Hex. */
export function noteKeyId({ key }: PublicKey, origin: string): string {
  const raw = key.export({ format: 'der', type: 'spki' }).subarray(-32);
  return createHash('sha256').update(`${origin}\n\u0001`).update(raw).digest('hex');
}

/** A URL without its scheme and trailing slashes: the name that checkpoints call their log by. */
export function originOf(url: string): string {
  const name = url.replace(/^https?:\/\//, '');
  let end = name.length;
  while (name.endsWith('/', end)) end--;
  return name.slice(0, end);
}
