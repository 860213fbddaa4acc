/** Keys in AWS KMS, named as cosign names them: `awskms:///alias/NAME`, `awskms://ENDPOINT/KEY`. */
import { createHash, createPublicKey } from 'node:crypto';
import type { KMSClient, KMSClientConfig, SigningAlgorithmSpec } from '@aws-sdk/client-kms';
import type { SignatureAlgorithm } from '../trust/signature-algorithm.ts';
import type { SigningEnvironment } from './environment.ts';
import { parseOwnKey, type SigningPlace } from './signer.ts';
import { SigningError, type SigningErrorCode } from './signing-error.ts';

const SCHEME = 'awskms://';
// A host without a dot or a port is a slash forgotten: awskms://alias/x.
const NAME = /^awskms:\/\/([a-z0-9-]+(?:(?:\.[a-z0-9-]+)+(?::[0-9]{1,5})?|:[0-9]{1,5}))?\/(.+)$/;
const KEY =
  /^(?:arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:(?:key\/[\w-]+|alias\/[\w/-]+)|alias\/[\w/-]+|[\w-]+)$/;
const MAX_NAME = 400;
/** Milliseconds until there is a connection, and until there is an answer. */
const TIMEOUT = { connectionTimeout: 5000, requestTimeout: 15_000, throwOnRequestTimeout: true };
const MAX_ATTEMPTS = 3;
/** Bytes that KMS takes where it is not given a hash of them. */
const MAX_RAW = 4096;
const MAX_TOLD = 200;

export function isKmsKey(name: string): boolean {
  return name.startsWith(SCHEME);
}

/**
 * A key of AWS KMS, with the credentials and the region that every AWS tool finds.
 * @throws {SigningError} when there is none, or it is none to sign with.
 */
export async function openKmsKey(name: string, { env }: SigningEnvironment): Promise<SigningPlace> {
  const parsed = parseName(name);
  const { key } = parsed;
  if ((env['AWS_TLS_INSECURE_SKIP_VERIFY'] ?? '') !== '') {
    throw new SigningError(
      'unreachable',
      `${name}: AWS_TLS_INSECURE_SKIP_VERIFY is not followed: name the certificates to trust in NODE_EXTRA_CA_CERTS`,
    );
  }
  // It is large, and few use it.
  const { GetPublicKeyCommand, KMSClient, SignCommand } = await import('@aws-sdk/client-kms');
  const client = new KMSClient({
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: TIMEOUT,
    ...placeOf(parsed, env),
    ...credentialsIn(env),
  });
  try {
    const found = await ask(name, () => client.send(new GetPublicKeyCommand({ KeyId: key })));
    if (found.KeyUsage !== 'SIGN_VERIFY' || found.PublicKey === undefined) {
      throw new SigningError(
        'key',
        `${name}: expected a key to sign with, got one for ${found.KeyUsage ?? 'nothing'}`,
      );
    }
    // An alias may be led elsewhere meanwhile; the key that was shown is the one that signs.
    const { KeyId = key, PublicKey } = found;
    return {
      publicKey: readPublicKey(PublicKey, name),
      async sign(data, algorithm) {
        const order = { KeyId, ...orderFor(data, algorithm, name) };
        const { Signature } = await ask(name, () => client.send(new SignCommand(order)));
        return Buffer.from(Signature ?? []);
      },
      close: () => closing(client),
    };
  } catch (error) {
    client.destroy();
    throw error;
  }
}

type Env = SigningEnvironment['env'];

/** Where to ask; what neither the name nor a variable says, the SDK looks for in its files. */
function placeOf({ endpoint, region }: KeyName, env: Env): KMSClientConfig {
  const variable = (env['AWS_ENDPOINT_URL_KMS'] ?? '') || (env['AWS_ENDPOINT_URL'] ?? '');
  const url = endpoint === undefined ? variable : `https://${endpoint}`;
  // The second is read by everybody's SDK but that for JavaScript.
  const where = region ?? ((env['AWS_REGION'] ?? '') || (env['AWS_DEFAULT_REGION'] ?? ''));
  return {
    ...(url === '' ? {} : { endpoint: url }),
    ...(where === '' ? {} : { region: where }),
  };
}

/** Variables come first, as in every AWS tool; where there are none, the SDK goes through profiles, SSO and roles. */
function credentialsIn(env: Env): KMSClientConfig {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  const sessionToken = env['AWS_SESSION_TOKEN'] ?? '';
  if (!accessKeyId || !secretAccessKey || env['AWS_PROFILE']) return {};
  return {
    credentials: {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === '' ? {} : { sessionToken }),
    },
  };
}

// eslint-disable-next-line @typescript-eslint/require-await -- the port is for those who need time to end
async function closing(client: KMSClient): Promise<void> {
  client.destroy();
}

interface KeyName {
  readonly endpoint: string | undefined;
  readonly key: string;
  readonly region: string | undefined;
}

function parseName(name: string): KeyName {
  const [, endpoint, key = ''] = name.length > MAX_NAME ? [] : (NAME.exec(name) ?? []);
  const [matched, region] = KEY.exec(key) ?? [];
  if (matched !== undefined) return { endpoint, key, region };
  throw new SigningError(
    'key-name',
    `expected awskms:///alias/NAME, awskms:///KEY-ID or awskms:///ARN, got ${JSON.stringify(name.slice(0, 160))}`,
  );
}

function readPublicKey(der: Uint8Array, name: string): SigningPlace['publicKey'] {
  let key;
  try {
    key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
  } catch {
    throw new SigningError('answer', `${name}: the public key cannot be read`);
  }
  return parseOwnKey(key, name);
}

/** KMS hashes what is short itself; of longer content it is given the hash, which Ed25519 has no use for. */
function orderFor(data: Uint8Array, algorithm: SignatureAlgorithm, name: string) {
  const SigningAlgorithm = specFor(algorithm);
  if (data.length <= MAX_RAW)
    return { Message: data, MessageType: 'RAW', SigningAlgorithm } as const;
  if (algorithm.kind === 'ed25519') {
    throw new SigningError(
      'content',
      `${name}: KMS signs at most ${MAX_RAW} bytes with Ed25519: expected a shorter note`,
    );
  }
  const Message = createHash(algorithm.hash).update(data).digest();
  return { Message, MessageType: 'DIGEST', SigningAlgorithm } as const;
}

function specFor(algorithm: SignatureAlgorithm): SigningAlgorithmSpec {
  if (algorithm.kind === 'ed25519') return 'ED25519_SHA_512';
  const bits = algorithm.hash.slice(3) as '256' | '384' | '512';
  return algorithm.kind === 'ecdsa' ? `ECDSA_SHA_${bits}` : `RSASSA_PKCS1_V1_5_SHA_${bits}`;
}

/** What KMS says in so many words of its keys; all else is told by its name alone. */
const TOLD: ReadonlyMap<string, SigningErrorCode> = new Map([
  ['NotFoundException', 'not-found'],
  ['DisabledException', 'denied'],
  ['KMSInvalidStateException', 'denied'],
  ['AccessDeniedException', 'denied'],
  ['UnsupportedOperationException', 'key'],
  ['InvalidKeyUsageException', 'key'],
]);

const CREDENTIALS = new Set([
  'CredentialsProviderError',
  'ExpiredTokenException',
  'IncompleteSignature',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
  'UnrecognizedClientException',
]);

async function ask<T>(name: string, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const told = TOLD.get(error.name);
    const words = `: ${error.message.slice(0, MAX_TOLD).replaceAll(/[^ -~]+/g, ' ')}`;
    if (told !== undefined) throw new SigningError(told, `${name}: ${error.name}${words}`);
    if (CREDENTIALS.has(error.name)) {
      throw new SigningError('denied', `${name}: AWS credentials: ${error.name}`);
    }
    if (error.message === 'Region is missing') {
      throw new SigningError('unreachable', `${name}: expected AWS_REGION to name the region`);
    }
    const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';
    throw new SigningError('unreachable', `${name}: KMS cannot be asked: ${error.name}${code}`);
  }
}
