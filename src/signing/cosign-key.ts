/**
 * Private keys as `cosign generate-key-pair` writes them: NaCl secretbox under a key that scrypt makes of the password
 * (go-securesystemslib encrypted.go).
 */
import { scrypt } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { isJsonObject, parseJson, type JsonObject } from '../oci/json.ts';
import { SigningError } from './signing-error.ts';

// cosign writes N 32768 or 65536, r 8, p 1. A file of strangers must not take a machine's memory or its day.
const MAX_N = 2 ** 18;
const MAX_R = 16;
const MAX_P = 4;
const KEY_BYTES = 32;
const NONCE_BYTES = 24;
const MAX_SALT = 64;
const MAX_CIPHERTEXT = 32 * 1024;

interface Sealed {
  readonly n: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

/**
 * Opens the content of an `ENCRYPTED SIGSTORE PRIVATE KEY` block: DER of PKCS #8.
 * @throws {SigningError} when it is not of that form, asks for too much, or the password is wrong.
 */
export async function openCosignKey(
  content: Buffer,
  password: string,
  label: string,
): Promise<Buffer> {
  const { n, r, p, salt, nonce, ciphertext } = parseSealed(content, label);
  const key = await deriveKey(password, salt, { N: n, r, p, maxmem: 128 * n * r * 2 });
  try {
    return Buffer.from(xsalsa20poly1305(key, nonce).decrypt(ciphertext));
  } catch {
    // The cipher only knows that something is wrong; so it says nothing of what.
    throw new SigningError('password', `${label}: the password is wrong, or the file is damaged`);
  }
}

function deriveKey(
  password: string,
  salt: Buffer,
  options: { readonly N: number; readonly r: number; readonly p: number; readonly maxmem: number },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function parseSealed(content: Buffer, label: string): Sealed {
  try {
    const sealed = memberOf({ sealed: parseJson(content) }, 'sealed');
    const kdf = memberOf(sealed, 'kdf');
    requireName(kdf, 'scrypt');
    const cipher = memberOf(sealed, 'cipher');
    requireName(cipher, 'nacl/secretbox');
    const parameters = memberOf(kdf, 'params');
    const n = numberIn(parameters, 'N', MAX_N);
    if ((n & (n - 1)) !== 0 || n < 2) throw new SyntaxError('expected N to be a power of two');
    const nonce = bytesIn(cipher, 'nonce', NONCE_BYTES);
    if (nonce.length !== NONCE_BYTES)
      throw new SyntaxError(`expected ${NONCE_BYTES} bytes of nonce`);
    return {
      n,
      r: numberIn(parameters, 'r', MAX_R),
      p: numberIn(parameters, 'p', MAX_P),
      salt: bytesIn(kdf, 'salt', MAX_SALT),
      nonce,
      ciphertext: bytesIn(sealed, 'ciphertext', MAX_CIPHERTEXT),
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SigningError('key', `${label}: no private key of cosign: ${error.message}`, error);
  }
}

function memberOf(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  if (isJsonObject(value)) return value;
  throw new SyntaxError(`expected ${name} to be an object`);
}

function requireName(object: JsonObject, expected: string): void {
  if (object['name'] !== expected)
    throw new SyntaxError(`expected ${expected}, got something else`);
}

function numberIn(object: JsonObject, name: string, max: number): number {
  const value = object[name];
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) {
    return value;
  }
  throw new SyntaxError(`expected ${name} of scrypt to be from 1 to ${max}`);
}

function bytesIn(object: JsonObject, name: string, max: number): Buffer {
  const value = object[name];
  if (typeof value === 'string' && value.length <= Math.ceil(max / 3) * 4) {
    const bytes = Buffer.from(value, 'base64');
    if (bytes.toString('base64') === value) return bytes;
  }
  throw new SyntaxError(`expected ${name} to be base64 of at most ${max} bytes`);
}
