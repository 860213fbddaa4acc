/** Throw-away keys of every kind, with the names that X.509, CMS and Sigstore's own files give them. */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto';
import { nothing, oid, sequence } from './der.ts';

export type KeyKind = 'p256' | 'p384' | 'p521' | 'ed25519' | 'rsa';
export type HashName = 'sha256' | 'sha384' | 'sha512';

export interface TestKey {
  readonly kind: KeyKind;
  readonly publicKey: KeyObject;
  /** DER. */
  readonly spki: Buffer;
  /** The public key. */
  readonly pem: string;
  /** The hash that goes with the key; Ed25519 has none of its own. */
  readonly hash: HashName;
  /** Sigstore's name for key and hash, as trusted roots and Rekor v2 spell it. */
  readonly keyDetails: string;
  sign(data: Uint8Array, hash?: HashName): Buffer;
}

const HASHES: Readonly<Record<KeyKind, HashName>> = {
  p256: 'sha256',
  p384: 'sha384',
  p521: 'sha512',
  ed25519: 'sha512',
  rsa: 'sha256',
};

const DETAILS: Readonly<Record<KeyKind, string>> = {
  p256: 'PKIX_ECDSA_P256_SHA_256',
  p384: 'PKIX_ECDSA_P384_SHA_384',
  p521: 'PKIX_ECDSA_P521_SHA_512',
  ed25519: 'PKIX_ED25519',
  rsa: 'PKIX_RSA_PKCS1V15_2048_SHA256',
};

const HASH_OIDS: Readonly<Record<HashName, string>> = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};

const ECDSA_OIDS: Readonly<Record<HashName, string>> = {
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
  sha512: '1.2.840.10045.4.3.4',
};

const RSA_OIDS: Readonly<Record<HashName, string>> = {
  sha256: '1.2.840.113549.1.1.11',
  sha384: '1.2.840.113549.1.1.12',
  sha512: '1.2.840.113549.1.1.13',
};

export function createKey(kind: KeyKind = 'p256'): TestKey {
  const { privateKey, publicKey } = keyPair(kind);
  return {
    ...describeKey(kind, publicKey),
    sign: (data, hash = HASHES[kind]) => sign(kind === 'ed25519' ? null : hash, data, privateKey),
  };
}

/** Somebody else's key: it can be certified, and nothing can be signed with it. */
export function foreignKey(publicKey: KeyObject | string): TestKey {
  const key = typeof publicKey === 'string' ? createPublicKey(publicKey) : publicKey;
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const kind = KINDS[curve ?? key.asymmetricKeyType ?? ''];
  if (kind === undefined) throw new Error(`no kind of key for ${curve ?? 'this one'}`);
  return {
    ...describeKey(kind, key),
    sign: () => {
      throw new Error('only its owner can sign with this key');
    },
  };
}

const KINDS: Readonly<Record<string, KeyKind | undefined>> = {
  prime256v1: 'p256',
  secp384r1: 'p384',
  secp521r1: 'p521',
  ed25519: 'ed25519',
  rsa: 'rsa',
};

function describeKey(kind: KeyKind, publicKey: KeyObject): Omit<TestKey, 'sign'> {
  return {
    kind,
    publicKey,
    spki: publicKey.export({ type: 'spki', format: 'der' }),
    pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    hash: HASHES[kind],
    keyDetails: DETAILS[kind],
  };
}

function keyPair(kind: KeyKind): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (kind) {
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'p521':
      return generateKeyPairSync('ec', { namedCurve: 'P-521' });
    case 'rsa':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
    case 'ed25519':
      return generateKeyPairSync('ed25519');
  }
}

export function sha(hash: HashName, ...parts: readonly Uint8Array[]): Buffer {
  const state = createHash(hash);
  for (const part of parts) state.update(part);
  return state.digest();
}

/** AlgorithmIdentifier of a hash; its parameters are absent (RFC 5754 §2). */
export function hashAlgorithm(hash: HashName): Buffer {
  return sequence(oid(HASH_OIDS[hash]));
}

/** AlgorithmIdentifier of a signature by this key (RFC 5754 §3, RFC 8410 §3). */
export function signatureAlgorithm(key: TestKey, hash: HashName = key.hash): Buffer {
  switch (key.kind) {
    case 'rsa':
      return sequence(oid(RSA_OIDS[hash]), nothing());
    case 'ed25519':
      return sequence(oid('1.3.101.112'));
    default:
      return sequence(oid(ECDSA_OIDS[hash]));
  }
}

/** Bytes as a PEM block. */
export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
