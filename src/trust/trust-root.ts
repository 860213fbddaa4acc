/** Trust roots: whom an operator's rules may believe, immutable and named by their content. */
import { createHash } from 'node:crypto';
import type { Certificate } from './certificate.ts';
import type { NotationPolicyRoot } from './notation-config-dir.ts';
import type { NotationRoot } from './notation-root.ts';
import type { PublicKey } from './public-key.ts';

interface Named {
  /** The configured name, as rules refer to it. */
  readonly name: string;
  /** Names the content: other keys are another id, and everything decided under the old one is decided anew. */
  readonly id: string;
}

/** Keys whose signatures count. */
export interface PublicKeysRoot extends Named {
  readonly kind: 'public-keys';
  readonly keys: readonly PublicKey[];
}

/** A Sigstore instance: who certifies identities, who logs, who stamps times. */
export interface SigstoreRoot extends Named {
  readonly kind: 'sigstore';
  readonly authorities: SigstoreAuthorities;
  /** What `countersign verify` and logs call its origin: a file, a mirror, "shipped with countersign". */
  readonly source: string;
  /** Milliseconds since the epoch; after it nothing new is decided with this root. */
  readonly staleAfter?: number;
  /** Why there is nothing to decide with: it was never fetched. */
  readonly unavailable?: string;
}

export type TrustRoot = PublicKeysRoot | SigstoreRoot | NotationRoot | NotationPolicyRoot;

/** Both ends count as inside. Milliseconds since the epoch; `end` is infinite where none is named. */
export interface Validity {
  readonly start: number;
  readonly end: number;
}

/** A Fulcio-like authority, or a timestamp authority. */
export interface CertificateAuthority {
  /** What people call it. */
  readonly name: string;
  /** Ordered towards the root, which comes last. A timestamp authority's own certificate comes first. */
  readonly chain: readonly Certificate[];
  readonly validity: Validity;
}

/** A log and its key: Rekor, or certificate transparency. */
export interface LogKey {
  /** Key id as entries and SCTs name it, hex. */
  readonly id: string;
  /** Key id as checkpoints name it, hex; the same as `id` unless the root says otherwise. */
  readonly checkpointId: string;
  /** The checkpoint origin without a scheme: `rekor.sigstore.dev`, `log2025-1.rekor.sigstore.dev`. */
  readonly origin: string;
  readonly key: PublicKey;
  readonly validity: Validity;
  /** Who runs the log, where the root says so: two logs of one operator vouch for each other no more than one does. */
  readonly operator?: string;
}

export interface SigstoreAuthorities {
  readonly certificateAuthorities: readonly CertificateAuthority[];
  readonly timestampAuthorities: readonly CertificateAuthority[];
  readonly transparencyLogs: readonly LogKey[];
  readonly certificateLogs: readonly LogKey[];
}

/** A trust root of public keys; the order in which they are given does not matter. */
export function publicKeysRoot(name: string, keys: readonly PublicKey[]): PublicKeysRoot {
  const unique = [...new Map(keys.map((key) => [key.fingerprint, key])).values()];
  const fingerprints = unique.map((key) => key.fingerprint).sort();
  const id = createHash('sha256')
    .update(JSON.stringify(['public-keys', fingerprints]))
    .digest('hex');
  return { name, id, kind: 'public-keys', keys: unique };
}

/** A Sigstore instance as a trust root; its id names every key, certificate, origin and validity in it. */
export function sigstoreRoot(
  name: string,
  authorities: SigstoreAuthorities,
  about: Pick<SigstoreRoot, 'source' | 'staleAfter' | 'unavailable'>,
): SigstoreRoot {
  const span = ({ start, end }: Validity): unknown => [start, end === Infinity ? null : end];
  const ofAuthority = ({ name, chain, validity }: CertificateAuthority): unknown => [
    name,
    chain.map((certificate) => certificate.fingerprint),
    span(validity),
  ];
  const ofLog = ({ id, checkpointId, origin, key, validity, operator }: LogKey): unknown => [
    id,
    checkpointId,
    origin,
    [key.algorithm, key.fingerprint],
    span(validity),
    operator ?? null,
  ];
  const content = [
    'sigstore',
    authorities.certificateAuthorities.map(ofAuthority),
    authorities.timestampAuthorities.map(ofAuthority),
    authorities.transparencyLogs.map(ofLog),
    authorities.certificateLogs.map(ofLog),
  ];
  const id = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  return { name, id, kind: 'sigstore', authorities, ...about };
}
