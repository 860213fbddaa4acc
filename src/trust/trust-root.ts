/** Trust roots: whom an operator's rules may believe, immutable and named by their content. */
import { createHash } from 'node:crypto';
import type { PublicKey } from './public-key.ts';

export interface TrustRoot {
  /** The configured name, as rules refer to it. */
  readonly name: string;
  /** Names the content: other keys are another id, and everything decided under the old one is decided anew. */
  readonly id: string;
  readonly kind: 'public-keys';
  readonly keys: readonly PublicKey[];
}

/** A trust root of public keys; the order in which they are given does not matter. */
export function publicKeysRoot(name: string, keys: readonly PublicKey[]): TrustRoot {
  const unique = [...new Map(keys.map((key) => [key.fingerprint, key])).values()];
  const fingerprints = unique.map((key) => key.fingerprint).sort();
  const id = createHash('sha256')
    .update(JSON.stringify(['public-keys', fingerprints]))
    .digest('hex');
  return { name, id, kind: 'public-keys', keys: unique };
}
