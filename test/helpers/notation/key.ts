/** Keys that sign Notation envelopes, of every kind that there is a rule about. */
import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { foreignKey, type HashName, type TestKey } from '../sigstore/key.ts';

export type SigningKeyKind =
  'p256' | 'p384' | 'p521' | 'rsa2048' | 'rsa2056' | 'rsa3072' | 'rsa4096' | 'ed25519';

export interface SigningKey extends TestKey {
  /** JOSE's name of the algorithm that goes with it; of none for `EdDSA` and odd sizes. */
  readonly algorithm: string;
  readonly privateKey: KeyObject;
  /** A signature as envelopes have it: r and s as they are, RSA with PSS. */
  signEnvelope(data: Uint8Array): Buffer;
}

const ALGORITHMS: Readonly<Record<SigningKeyKind, readonly [name: string, hash: HashName]>> = {
  p256: ['ES256', 'sha256'],
  p384: ['ES384', 'sha384'],
  p521: ['ES512', 'sha512'],
  rsa2048: ['PS256', 'sha256'],
  rsa2056: ['PS256', 'sha256'],
  rsa3072: ['PS384', 'sha384'],
  rsa4096: ['PS512', 'sha512'],
  ed25519: ['EdDSA', 'sha512'],
};

export function createSigningKey(kind: SigningKeyKind = 'p256'): SigningKey {
  const { privateKey, publicKey } = keyPair(kind);
  const [algorithm, hash] = ALGORITHMS[kind];
  const known = foreignKey(publicKey);
  return {
    ...known,
    algorithm,
    privateKey,
    sign: (data, other = known.hash) => sign(kind === 'ed25519' ? null : other, data, privateKey),
    signEnvelope: (data) =>
      kind === 'ed25519' ? sign(null, data, privateKey) : signRaw(hash, data, privateKey),
  };
}

function signRaw(hash: HashName, data: Uint8Array, key: KeyObject): Buffer {
  return key.asymmetricKeyType === 'rsa'
    ? sign(hash, data, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      })
    : sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
}

function keyPair(kind: SigningKeyKind): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (kind) {
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'p521':
      return generateKeyPairSync('ec', { namedCurve: 'P-521' });
    case 'ed25519':
      return generateKeyPairSync('ed25519');
    default:
      return generateKeyPairSync('rsa', { modulusLength: Number(kind.slice(3)) });
  }
}
