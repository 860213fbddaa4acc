/** Signature algorithms as certificates and timestamps name them; each stands for exactly one way to verify. */
import { constants, verify, type VerifyKeyObjectInput } from 'node:crypto';
import { context, inner, sequence, TAG, type Der } from './der.ts';
import { parseOid, parseSmallInteger } from './der-values.ts';
import type { PublicKey } from './public-key.ts';

export type HashName = 'sha256' | 'sha384' | 'sha512';

/** One algorithm; SHA-1 and MD5 have no place here. */
export type SignatureAlgorithm =
  | { readonly kind: 'ecdsa' | 'rsa'; readonly hash: HashName }
  | { readonly kind: 'rsa-pss'; readonly hash: HashName; readonly saltLength: number }
  | { readonly kind: 'ed25519' };

const HASHES: ReadonlyMap<string, HashName> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

const ALGORITHMS: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['1.2.840.10045.4.3.2', { kind: 'ecdsa', hash: 'sha256' }],
  ['1.2.840.10045.4.3.3', { kind: 'ecdsa', hash: 'sha384' }],
  ['1.2.840.10045.4.3.4', { kind: 'ecdsa', hash: 'sha512' }],
  ['1.2.840.113549.1.1.11', { kind: 'rsa', hash: 'sha256' }],
  ['1.2.840.113549.1.1.12', { kind: 'rsa', hash: 'sha384' }],
  ['1.2.840.113549.1.1.13', { kind: 'rsa', hash: 'sha512' }],
  ['1.3.101.112', { kind: 'ed25519' }],
]);

// RFC 5652 and RFC 3370 §3.2: CMS may name the key's kind, and the hash beside it.
const KEY_KINDS: ReadonlyMap<string, 'ecdsa' | 'rsa'> = new Map([
  ['1.2.840.113549.1.1.1', 'rsa'],
  ['1.2.840.10045.2.1', 'ecdsa'],
]);

const RSA_PSS = '1.2.840.113549.1.1.10';
const MGF1 = '1.2.840.113549.1.1.8';

/**
 * The hash that an AlgorithmIdentifier names; undefined for any but SHA-256, SHA-384 and SHA-512.
 * @throws {SyntaxError} for what is no AlgorithmIdentifier.
 */
export function parseHash(identifier: Der | undefined, what: string): HashName | undefined {
  const fields = sequence(identifier, what);
  const hash = HASHES.get(parseOid(fields.takeAny(), what));
  requireNoParameters(fields, what);
  return hash;
}

function requireNoParameters(fields: ReturnType<typeof sequence>, what: string): void {
  const parameters = fields.takeIf(TAG.null);
  if (parameters !== undefined && parameters.content.length > 0) {
    throw new SyntaxError(`expected no parameters of ${what}`);
  }
  fields.end();
}

/**
 * The algorithm that an AlgorithmIdentifier names; undefined for weak and unknown ones.
 * @param hash - What CMS names beside it; certificates have none.
 * @throws {SyntaxError} for what is no AlgorithmIdentifier, and for parameters where none belong.
 */
export function parseSignatureAlgorithm(
  identifier: Der | undefined,
  hash?: HashName,
): SignatureAlgorithm | undefined {
  const what = 'the signature algorithm';
  const fields = sequence(identifier, what);
  const oid = parseOid(fields.takeAny(), what);
  if (oid === RSA_PSS) return parsePss(fields.takeAny());
  const kind = KEY_KINDS.get(oid);
  if (kind !== undefined && hash !== undefined) return { kind, hash };
  const algorithm = ALGORITHMS.get(oid);
  if (algorithm !== undefined) requireNoParameters(fields, what);
  return algorithm;
}

/** RFC 4055 §3.1: every default is SHA-1, so everything has to be named; the mask is made with the same hash. */
function parsePss(parameters: Der | undefined): SignatureAlgorithm | undefined {
  const what = 'RSASSA-PSS parameters';
  const fields = sequence(parameters, what);
  const hashField = fields.takeIf(context(0));
  const maskField = fields.takeIf(context(1));
  const saltField = fields.takeIf(context(2));
  const trailer = fields.takeIf(context(3));
  fields.end();
  if (hashField === undefined || maskField === undefined || trailer !== undefined) return undefined;
  const hash = parseHash(inner(hashField, what), what);
  const mask = sequence(inner(maskField, what), what);
  const maskOid = parseOid(mask.takeAny(), what);
  const maskHash = parseHash(mask.takeAny(), what);
  mask.end();
  if (hash === undefined || maskOid !== MGF1 || maskHash !== hash) return undefined;
  const saltLength = saltField === undefined ? 20 : parseSmallInteger(inner(saltField, what), what);
  return { kind: 'rsa-pss', hash, saltLength };
}

/** Whether the key made the signature with exactly this algorithm. Malformed signatures are false, never an error. */
export function verifyExactly(
  algorithm: SignatureAlgorithm,
  publicKey: PublicKey,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const input = inputFor(algorithm, publicKey);
  if (input === undefined || signature.length === 0) return false;
  try {
    return verify(
      algorithm.kind === 'ed25519' ? undefined : algorithm.hash,
      data,
      input,
      signature,
    );
  } catch {
    // OpenSSL refuses combinations that a key does not allow (a PSS key bound to another hash): not a match.
    return false;
  }
}

function inputFor(
  algorithm: SignatureAlgorithm,
  { algorithm: kind, key }: PublicKey,
): VerifyKeyObjectInput | undefined {
  switch (algorithm.kind) {
    case 'ecdsa':
      return kind.startsWith('ecdsa') ? { key, dsaEncoding: 'der' } : undefined;
    case 'rsa':
      return kind === 'rsa' ? { key, padding: constants.RSA_PKCS1_PADDING } : undefined;
    case 'rsa-pss':
      return kind === 'rsa' || kind === 'rsa-pss'
        ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: algorithm.saltLength }
        : undefined;
    case 'ed25519':
      return kind === 'ed25519' ? { key } : undefined;
  }
}
