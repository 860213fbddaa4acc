/** Keys in the transit engine of HashiCorp Vault or OpenBao, named as cosign names them: `hashivault://KEY`. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { isJsonObject, type JsonObject } from '../oci/json.ts';
import type { SignatureAlgorithm } from '../trust/signature-algorithm.ts';
import type { SigningEnvironment } from './environment.ts';
import { parseOwnKey, type SigningPlace } from './signer.ts';
import { SigningError } from './signing-error.ts';
import { openVaultClient, type VaultClient } from './vault-client.ts';

const SCHEME = 'hashivault://';
/** As cosign has it; it becomes part of a path. */
const KEY = /^\w(?:[\w.-]{0,126}\w)?$/;
const ENGINE = /^[\w.-]+(?:\/[\w.-]+)*$/;
/** What comes before a raw Ed25519 key in SPKI (RFC 8410 §4). */
const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const ED25519_BYTES = 32;
const MAX_SIGNATURE = 8192;

export function isVaultKey(name: string): boolean {
  return name.startsWith(SCHEME);
}

/**
 * The newest version of a transit key, which stays the one even where the key is rotated meanwhile.
 * @throws {SigningError} when there is none, or it is none to sign with.
 */
export async function openVaultKey(
  name: string,
  environment: SigningEnvironment,
): Promise<SigningPlace> {
  const key = name.slice(SCHEME.length);
  if (!KEY.test(key) || key.includes('..')) {
    throw new SigningError(
      'key-name',
      `expected ${SCHEME}KEY, got ${JSON.stringify(name.slice(0, 160))}`,
    );
  }
  const given = (environment.env['TRANSIT_SECRET_ENGINE_PATH'] ?? '').replaceAll(/^\/+|\/+$/g, '');
  const engine = given === '' ? 'transit' : given;
  if (!ENGINE.test(engine) || engine.includes('..')) {
    throw new SigningError(
      'key-name',
      'expected TRANSIT_SECRET_ENGINE_PATH to be a path such as transit',
    );
  }
  const client = await openVaultClient(name, environment);
  try {
    const { publicKey, version } = readKey(await client.ask('GET', `${engine}/keys/${key}`), name);
    return {
      publicKey: parseOwnKey(publicKey, name),
      sign: (data, algorithm) =>
        signWith(client, `${engine}/sign/${key}`, { version, data, algorithm, name }),
      close: () => client.close(),
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}

interface Version {
  readonly publicKey: KeyObject;
  readonly version: number;
}

function readKey(data: JsonObject, name: string): Version {
  const { latest_version: version, keys } = data;
  if (data['supports_signing'] === false) {
    throw new SigningError(
      'key',
      `${name}: expected a key to sign with, got one that only encrypts`,
    );
  }
  const newest =
    typeof version === 'number' && Number.isSafeInteger(version) && isJsonObject(keys)
      ? keys[String(version)]
      : undefined;
  const text = isJsonObject(newest) ? newest['public_key'] : undefined;
  if (typeof version !== 'number' || typeof text !== 'string') {
    throw new SigningError(
      'answer',
      `${name}: expected the public key of its newest version, got none`,
    );
  }
  try {
    return { version, publicKey: readPublicKey(text) };
  } catch {
    throw new SigningError('answer', `${name}: the public key cannot be read`);
  }
}

/** Vault gives Ed25519 keys as the 32 bytes themselves, all others as PEM. */
function readPublicKey(text: string): KeyObject {
  if (text.startsWith('-----BEGIN'))
    return createPublicKey({ key: text, format: 'pem', type: 'spki' });
  const raw = Buffer.from(text, 'base64');
  if (raw.length !== ED25519_BYTES) throw new SyntaxError(`expected ${ED25519_BYTES} bytes`);
  return createPublicKey({
    key: Buffer.concat([ED25519_PREFIX, raw]),
    format: 'der',
    type: 'spki',
  });
}

interface Order {
  readonly version: number;
  readonly data: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  readonly name: string;
}

async function signWith(
  client: VaultClient,
  path: string,
  { version, data, algorithm, name }: Order,
): Promise<Buffer> {
  const answer = await client.ask('POST', path, {
    input: Buffer.from(data).toString('base64'),
    key_version: version,
    prehashed: false,
    ...(algorithm.kind === 'ed25519' ? {} : { hash_algorithm: `sha2-${algorithm.hash.slice(3)}` }),
    ...(algorithm.kind === 'ecdsa' ? { marshaling_algorithm: 'asn1' } : {}),
    ...(algorithm.kind === 'rsa' ? { signature_algorithm: 'pkcs1v15' } : {}),
  });
  const { signature } = answer;
  const prefix = `vault:v${version}:`;
  if (
    typeof signature === 'string' &&
    signature.length <= MAX_SIGNATURE &&
    signature.startsWith(prefix)
  ) {
    return Buffer.from(signature.slice(prefix.length), 'base64');
  }
  throw new SigningError(
    'answer',
    `${name}: expected a signature of its version ${version}, got something else`,
  );
}
