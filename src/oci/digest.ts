/** Content digests as checked values: `algorithm:hex`, OCI image-spec descriptor.md "Digests". */
import { createHash, type Hash } from 'node:crypto';

declare const checked: unique symbol;

/** A digest that {@link parseDigest} accepted: `sha256:` + 64 or `sha512:` + 128 lower-case hex characters. */
export type Digest = string & { readonly [checked]: 'Digest' };

export type DigestAlgorithm = 'sha256' | 'sha512';

const GRAMMAR = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Whether the text is a digest of a registered algorithm in its canonical spelling. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && GRAMMAR.test(text);
}

/** @throws {SyntaxError} when the value is not a canonical sha256 or sha512 digest. */
export function parseDigest(value: unknown): Digest {
  if (isDigest(value)) return value;
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 160)) : typeof value;
  throw new SyntaxError(`expected a sha256 or sha512 digest, got ${shown}`);
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** The part after the colon. */
export function digestHex(digest: Digest): string {
  return digest.slice(7);
}

/** The digest of the bytes under an algorithm (sha256 unless told). */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return finishDigest(createHash(algorithm).update(bytes), algorithm);
}

/** A running hash for the algorithm of the digest that is expected at its end. */
export function startDigest(expected: Digest): Hash {
  return createHash(digestAlgorithm(expected));
}

/** Ends a running hash as a digest. The hash cannot be used afterwards. */
export function finishDigest(hash: Hash, algorithm: DigestAlgorithm): Digest {
  return parseDigest(`${algorithm}:${hash.digest('hex')}`);
}

/** Whether the bytes are what the digest names. */
export function digestMatches(bytes: Uint8Array, expected: Digest): boolean {
  return digestOf(bytes, digestAlgorithm(expected)) === expected;
}
