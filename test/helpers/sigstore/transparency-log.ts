/** Transparency logs as Rekor is one: version 1 with promises and times, version 2 with proofs alone. */
import { json } from '@sigstore/core';
import type { Validity } from '../../../src/trust/trust-root.ts';
import { createKey, sha, type KeyKind, type TestKey } from './key.ts';
import { inclusionPath, leafHash, rootHash } from './merkle.ts';
import { noteKeyId, signatureLine, type Witness } from './signed-note.ts';

/** An entry as a bundle carries it. */
export interface EntryJson {
  readonly logIndex: string;
  readonly logId: { readonly keyId: string };
  readonly kindVersion: { readonly kind: string; readonly version: string };
  readonly integratedTime?: string;
  readonly inclusionPromise?: { readonly signedEntryTimestamp: string };
  readonly inclusionProof?: {
    readonly logIndex: string;
    readonly rootHash: string;
    readonly treeSize: string;
    readonly hashes: readonly string[];
    readonly checkpoint?: { readonly envelope: string };
  };
  readonly canonicalizedBody: string;
}

/** What is logged; it says itself of which kind it is. */
export interface EntryBody {
  readonly kind: string;
  readonly apiVersion: string;
  readonly spec: object;
}

export interface AddOptions {
  /** Milliseconds since the epoch. */
  readonly time?: number;
  /** Whether a log of version 1 signs a promise (SET); yes unless told. */
  readonly promise?: boolean;
  /** Whether there is an inclusion proof; yes unless told. */
  readonly proof?: boolean;
  /** Entries of others that come before the proof is made. */
  readonly followers?: number;
}

export interface TransparencyLog {
  readonly version: 1 | 2;
  readonly key: TestKey;
  /** Key id as entries name it. */
  readonly id: Buffer;
  readonly origin: string;
  readonly validity: Validity;
  add(body: EntryBody, options?: AddOptions): EntryJson;
  /** Signs any SET: over these claims, whether they are true or not. */
  promise(body: Buffer, integratedTime: number, logIndex: number): Buffer;
  /** Signs any checkpoint. */
  checkpoint(size: number, root: Buffer, options?: CheckpointOptions): string;
}

export interface CheckpointOptions {
  /** The first line. */
  readonly origin?: string;
  /** Names the signer in the signature line. */
  readonly signer?: string;
  readonly key?: TestKey;
  readonly keyId?: Buffer;
  readonly time?: number;
}

export interface TransparencyLogOptions {
  readonly version?: 1 | 2;
  readonly kind?: KeyKind;
  readonly origin?: string;
  readonly validity?: Validity;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Index of the shard's first entry: of version 1, where an entry has two indices. */
  readonly offset?: number;
  /** Entries of others that are there already. */
  readonly entries?: number;
  readonly witnesses?: readonly Witness[];
}

export function createTransparencyLog(options: TransparencyLogOptions): TransparencyLog {
  const { version = 1, clock, entries = 5, witnesses = [] } = options;
  const { kind = version === 1 ? 'p256' : 'ed25519' } = options;
  const { origin = version === 1 ? 'rekor.sigstore.test' : 'log2026-1.rekor.sigstore.test' } =
    options;
  const offset = version === 1 ? (options.offset ?? 1000) : 0;
  const key = createKey(kind);
  const id =
    kind === 'ed25519' && version === 2 ? noteKeyId(origin, 1, key) : sha('sha256', key.spki);
  const firstLine = version === 1 ? `${origin} - 1193050959916656506` : origin;
  const leaves: Buffer[] = [];

  function fill(count: number): void {
    for (let i = 0; i < count; i += 1) {
      leaves.push(leafHash(Buffer.from(`entry ${leaves.length} of somebody else`)));
    }
  }
  fill(entries);

  function promise(body: Buffer, integratedTime: number, logIndex: number): Buffer {
    const claims = { body: body.toString('base64'), integratedTime, logID: id.toString('hex') };
    return key.sign(Buffer.from(json.canonicalize({ ...claims, logIndex })));
  }

  function checkpoint(size: number, root: Buffer, change: CheckpointOptions = {}): string {
    const note = `${change.origin ?? firstLine}\n${size}\n${root.toString('base64')}\n`;
    const signature = (change.key ?? key).sign(Buffer.from(note));
    const own = signatureLine(change.signer ?? origin, change.keyId ?? id, signature);
    const time = change.time ?? clock();
    return `${note}\n${own}${witnesses.map((witness) => witness.cosign(note, time)).join('')}`;
  }

  function prove(index: number): NonNullable<EntryJson['inclusionProof']> {
    const root = rootHash(leaves);
    return {
      logIndex: String(index),
      rootHash: root.toString('base64'),
      treeSize: String(leaves.length),
      hashes: inclusionPath(leaves, index).map((hash) => hash.toString('base64')),
      checkpoint: { envelope: checkpoint(leaves.length, root) },
    };
  }

  function add(body: EntryBody, change: AddOptions = {}): EntryJson {
    const bytes = Buffer.from(json.canonicalize(body));
    const index = leaves.push(leafHash(bytes)) - 1;
    fill(change.followers ?? 0);
    const integratedTime = Math.floor((change.time ?? clock()) / 1000);
    const set = (): string => promise(bytes, integratedTime, offset + index).toString('base64');
    return {
      logIndex: String(offset + index),
      logId: { keyId: id.toString('base64') },
      kindVersion: { kind: body.kind, version: body.apiVersion },
      ...(version === 2 ? {} : { integratedTime: String(integratedTime) }),
      ...(version === 2 || change.promise === false
        ? {}
        : { inclusionPromise: { signedEntryTimestamp: set() } }),
      ...(change.proof === false ? {} : { inclusionProof: prove(index) }),
      canonicalizedBody: bytes.toString('base64'),
    };
  }

  const validity = options.validity ?? { start: 0, end: Infinity };
  return { version, key, id, origin, validity, add, promise, checkpoint };
}
