/** One algorithm for each signing key (signature-specification.md "Algorithm Selection"); what is declared only agrees. */
import { constants, verify } from 'node:crypto';
import type { PublicKey } from '../../trust/public-key.ts';
import type { HashName } from '../../trust/signature-algorithm.ts';
import type { Envelope } from './envelope.ts';

interface Suite {
  /** JOSE's name. */
  readonly name: string;
  readonly hash: HashName;
  /** Bytes of r and s together (RFC 7518 §3.4, RFC 9053 §2.1); RSA has as many as its modulus. */
  readonly length: number;
}

const RSA_SUITES: ReadonlyMap<number, Suite> = new Map([
  [2048, { name: 'PS256', hash: 'sha256', length: 256 }],
  [3072, { name: 'PS384', hash: 'sha384', length: 384 }],
  [4096, { name: 'PS512', hash: 'sha512', length: 512 }],
]);

/**
 * The one suite of a key; undefined for keys that have none. A key that says it is for RSASSA-PSS alone has none either:
 * the table knows RSA keys, and its readers no others.
 */
export function suiteOf({ algorithm, key }: PublicKey): Suite | undefined {
  switch (algorithm) {
    case 'ecdsa-p256':
      return { name: 'ES256', hash: 'sha256', length: 64 };
    case 'ecdsa-p384':
      return { name: 'ES384', hash: 'sha384', length: 96 };
    case 'ecdsa-p521':
      return { name: 'ES512', hash: 'sha512', length: 132 };
    case 'rsa':
      return RSA_SUITES.get(key.asymmetricKeyDetails?.modulusLength ?? 0);
    default:
      return undefined;
  }
}

/**
 * Checks that the first certificate's key made the signature, with the algorithm that goes with the key.
 * @throws {SyntaxError} also where the envelope declares another algorithm (algorithm substitution).
 */
export function requireSignature({ chain, algorithm, signed, signature }: Envelope): void {
  const { publicKey } = chain[0];
  const suite = suiteOf(publicKey);
  if (suite === undefined) {
    throw new SyntaxError(
      'expected the signing key to be RSA of 2048, 3072 or 4096 bits, P-256, P-384 or P-521',
    );
  }
  if (algorithm !== suite.name) {
    throw new SyntaxError(
      `expected algorithm ${suite.name}, which goes with the signing key, got ${JSON.stringify(algorithm.slice(0, 80))}`,
    );
  }
  if (signature.length !== suite.length || !holds(suite, publicKey, signed, signature)) {
    throw new SyntaxError('the signature of the envelope does not hold');
  }
}

function holds({ hash }: Suite, { algorithm, key }: PublicKey, data: Buffer, signature: Buffer) {
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
  try {
    return algorithm === 'rsa'
      ? verify(hash, data, { key, padding, saltLength }, signature)
      : verify(hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
  } catch {
    // What OpenSSL refuses to look at is no signature.
    return false;
  }
}
