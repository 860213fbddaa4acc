/** Private keys in PEM files: PKCS #8, SEC 1, PKCS #1, encrypted PKCS #8, and cosign's own. */
import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import type { SignatureAlgorithm } from '../trust/signature-algorithm.ts';
import { openCosignKey } from './cosign-key.ts';
import { parseOwnKey, type SigningPlace } from './signer.ts';
import { SigningError } from './signing-error.ts';

/** Bytes of a file with a private key. */
export const MAX_KEY_FILE = 64 * 1024;

/** Gives the password of the file; asked only where it is encrypted. */
export type AskPassword = (label: string) => Promise<string>;

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g;
const COSIGN_KINDS = new Set(['ENCRYPTED SIGSTORE PRIVATE KEY', 'ENCRYPTED COSIGN PRIVATE KEY']);
const PLAIN_KINDS = new Set(['PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY']);

/**
 * Reads the one private key of a PEM text.
 * @throws {SigningError} when there is none or more than one, and when it cannot be opened. Nothing of the text is
 * repeated.
 */
export async function readPrivateKey(
  pem: string,
  label: string,
  askPassword: AskPassword,
): Promise<SigningPlace> {
  const key = await openBlock(pem, label, askPassword);
  return {
    publicKey: parseOwnKey(
      create(label, 'key', () => createPublicKey(key)),
      label,
    ),
    // eslint-disable-next-line @typescript-eslint/require-await -- others are far away
    sign: async (data, algorithm) => sign(hashOf(algorithm), data, key),
  };
}

function hashOf(algorithm: SignatureAlgorithm): string | null {
  return algorithm.kind === 'ed25519' ? null : algorithm.hash;
}

async function openBlock(pem: string, label: string, askPassword: AskPassword): Promise<KeyObject> {
  const blocks = [...pem.matchAll(BLOCK)];
  if (blocks.length === 0) {
    throw new SigningError('key', `${label}: expected a PEM block "BEGIN PRIVATE KEY", found none`);
  }
  // openssl ecparam -genkey writes the curve before the key.
  const [block, ...more] = blocks.filter(([, kind]) => kind !== 'EC PARAMETERS');
  const [text = '', kind = '', body = ''] = block ?? [];
  if (block === undefined || more.length > 0) {
    throw new SigningError('key', `${label}: expected one private key, got ${more.length + 1}`);
  }
  if (COSIGN_KINDS.has(kind)) {
    const content = Buffer.from(body.replaceAll(/\s/g, ''), 'base64');
    const der = await openCosignKey(content, await askPassword(label), label);
    return create(label, 'key', () => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  }
  if (kind === 'ENCRYPTED PRIVATE KEY') {
    const passphrase = await askPassword(label);
    return create(label, 'password', () => createPrivateKey({ key: text, passphrase }));
  }
  // RFC 1421: its key comes from one round of MD5 over the password.
  if (PLAIN_KINDS.has(kind) && body.includes('Proc-Type')) {
    throw new SigningError(
      'key',
      `${label}: encrypted in a form that protects nothing; convert it with openssl pkcs8 -topk8`,
    );
  }
  if (PLAIN_KINDS.has(kind)) return create(label, 'key', () => createPrivateKey(text));
  throw new SigningError(
    'key',
    `${label}: expected a private key, got "BEGIN ${kind}"${hint(kind)}`,
  );
}

function create(label: string, code: 'key' | 'password', open: () => KeyObject): KeyObject {
  try {
    return open();
  } catch {
    // What OpenSSL says of it helps nobody, and may be about the content.
    const why = code === 'password' ? 'the password is wrong, or the file is damaged' : UNREADABLE;
    throw new SigningError(code, `${label}: ${why}`);
  }
}

const UNREADABLE = 'the private key cannot be read';

function hint(kind: string): string {
  if (kind === 'PUBLIC KEY') return ': this is the public one; signing takes the private one';
  if (kind === 'OPENSSH PRIVATE KEY') return ': convert it with ssh-keygen -p -m PKCS8';
  return '';
}
