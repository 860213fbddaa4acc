/** What a log entry's body claims: which signature, over what, by whom. The kinds of body are read into it. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { isJsonObject } from '../../oci/json.ts';
import { MAX_CERTIFICATE } from '../../trust/certificate.ts';
import { parsePublicKey, type PublicKey } from '../../trust/public-key.ts';
import { parseBase64 } from '../base64.ts';
import { MAX_SIGNATURE_TEXT } from '../bounds.ts';
import type { HashName } from './material.ts';

export interface EntryClaims {
  /** Undefined in `intoto 0.0.1`, where the hash of the envelope stands for the signatures in it. */
  readonly signature: Buffer | undefined;
  readonly verifier: ClaimedVerifier;
  readonly digests: readonly ClaimedDigest[];
  /** DSSE payload type, where the body names it. */
  readonly payloadType?: string;
}

export type ClaimedVerifier =
  | { readonly kind: 'certificate'; readonly der: Buffer }
  | { readonly kind: 'key'; readonly key: PublicKey };

export interface ClaimedDigest {
  /** The bytes under the signature, the payload inside an envelope, or the envelope's JSON. */
  readonly of: 'signed' | 'payload' | 'envelope';
  readonly algorithm: HashName;
  readonly bytes: Buffer;
}

const HASH_LENGTHS: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 };
/** The names of Rekor v2, protobuf-specs `HashAlgorithm`. */
const PROTOBUF_HASHES: ReadonlyMap<unknown, HashName> = new Map([
  ['SHA2_256', 'sha256'],
  ['SHA2_384', 'sha384'],
  ['SHA2_512', 'sha512'],
]);

const HEX = /^(?:[0-9a-fA-F]{2})+$/;
/** Characters of base64 of a PEM text. */
const MAX_VERIFIER_TEXT = MAX_CERTIFICATE * 2;
/** Exactly one block (RFC 7468): of two, other readers take the first, or the last. */
const PEM = /^\s*-----BEGIN (CERTIFICATE|PUBLIC KEY)-----([A-Za-z0-9+/=\s]*)-----END \1-----\s*$/;

/**
 * An object that has no member but these: what a second reader could take for more is refused.
 * @throws {SyntaxError}
 */
export function membersOf<const Name extends string>(
  value: unknown,
  what: string,
  names: readonly Name[],
): Readonly<Partial<Record<Name, unknown>>> {
  if (!isJsonObject(value)) throw new SyntaxError(`expected ${what} to be an object`);
  const allowed: readonly string[] = names;
  const stranger = Object.keys(value).find((name) => !allowed.includes(name));
  if (stranger !== undefined) {
    throw new SyntaxError(`unexpected member ${JSON.stringify(stranger.slice(0, 80))} in ${what}`);
  }
  return value as Readonly<Partial<Record<Name, unknown>>>;
}

/** The one element of a list: entries of several signatures are of no form that is verified here. */
export function onlyOne(value: unknown, what: string): unknown {
  if (Array.isArray(value) && value.length === 1) return value[0];
  throw new SyntaxError(`expected exactly one element in ${what}`);
}

/** `{ algorithm: "sha256", value: hex }` of Rekor v1. */
export function hexDigest(of: ClaimedDigest['of'], value: unknown, what: string): ClaimedDigest {
  const hash = membersOf(value, what, ['algorithm', 'value']);
  const algorithm = hash.algorithm;
  if (algorithm !== 'sha256' && algorithm !== 'sha384' && algorithm !== 'sha512') {
    throw new SyntaxError(`expected ${what} to be sha256, sha384 or sha512`);
  }
  const hex = hash.value;
  if (typeof hex !== 'string' || hex.length > 128 || !HEX.test(hex)) {
    throw new SyntaxError(`expected ${what} in hexadecimal`);
  }
  return ofLength({ of, algorithm, bytes: Buffer.from(hex, 'hex') }, what);
}

/** `{ algorithm: "SHA2_256", digest: base64 }` of Rekor v2. */
export function base64Digest(of: ClaimedDigest['of'], value: unknown, what: string): ClaimedDigest {
  const hash = membersOf(value, what, ['algorithm', 'digest']);
  const algorithm = PROTOBUF_HASHES.get(hash.algorithm);
  if (algorithm === undefined) {
    throw new SyntaxError(`expected ${what} to be SHA2_256, SHA2_384 or SHA2_512`);
  }
  return ofLength({ of, algorithm, bytes: parseBase64(hash.digest, what, 88) }, what);
}

function ofLength(digest: ClaimedDigest, what: string): ClaimedDigest {
  const expected = HASH_LENGTHS[digest.algorithm];
  if (digest.bytes.length === expected) return digest;
  throw new SyntaxError(`expected ${what} of ${expected} bytes, got ${digest.bytes.length}`);
}

export function signatureOf(value: unknown): Buffer {
  return parseBase64(value, 'the signature in the body', MAX_SIGNATURE_TEXT);
}

/** Base64 of PEM: one certificate or one public key. */
export function pemVerifier(value: unknown): ClaimedVerifier {
  const pem = parseBase64(value, 'the verifier in the body', MAX_VERIFIER_TEXT).toString('latin1');
  const [, label, text] = PEM.exec(pem) ?? [];
  if (text === undefined) {
    throw new SyntaxError('expected the verifier in the body to be one certificate or public key');
  }
  const der = parseBase64(text.replace(/\s/g, ''), 'the verifier in the body', MAX_VERIFIER_TEXT);
  return label === 'CERTIFICATE' ? { kind: 'certificate', der } : keyVerifier(der);
}

/** DER SPKI. */
export function keyVerifier(der: Buffer): ClaimedVerifier {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch (error) {
    throw new SyntaxError('the public key in the body cannot be read', { cause: error });
  }
  return { kind: 'key', key: parsePublicKey(key, 'the body of the log entry') };
}

/** DER of a certificate or key in base64, as Rekor v2 has it. */
export function derOf(value: unknown): Buffer {
  return parseBase64(value, 'the verifier in the body', MAX_VERIFIER_TEXT);
}
