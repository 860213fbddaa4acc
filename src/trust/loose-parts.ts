/** A Sigstore instance put together from PEM files: for those who run one without a trusted root. */
import type { Certificate } from './certificate.ts';
import {
  findAuthorityFlaw,
  findTimestampFlaw,
  isIssuedBy,
  MAX_CHAIN,
  type ChainFlaw,
} from './chain.ts';
import { keyHashId, noteKeyId, originOf } from './log-key.ts';
import { parseCertificates } from './pem.ts';
import { parsePublicKeys } from './public-key.ts';
import type { CertificateAuthority, LogKey, SigstoreAuthorities } from './trust-root.ts';

/** One authority: its certificates up to the root, in any order. */
export interface LooseAuthority {
  readonly pem: string;
  /** What people call it: usually the file's name. */
  readonly label: string;
}

export interface LooseLog {
  /** One public key. */
  readonly pem: string;
  readonly label: string;
  /** What its checkpoints call it; the label for certificate logs that have none. */
  readonly origin?: string;
  /** Hex, 32 bytes; computed from the key unless given. */
  readonly id?: string;
  /** Milliseconds since the epoch; ever since unless given. */
  readonly validFrom?: number;
  /** Milliseconds since the epoch; for ever unless given. */
  readonly validUntil?: number;
}

export interface LooseParts {
  readonly certificateAuthorities: readonly LooseAuthority[];
  /** Each with the authority's own certificate: one that only a token brings along is believed by nobody. */
  readonly timestampAuthorities: readonly LooseAuthority[];
  readonly transparencyLogs: readonly LooseLog[];
  readonly certificateLogs: readonly LooseLog[];
}

const MAX_PARTS = 64;
const LOG_ID = /^[0-9a-f]{64}$/;

/** @throws {SyntaxError} that names the file: for what cannot be read, belongs to no chain, or comes twice. */
export function assembleAuthorities(parts: LooseParts): SigstoreAuthorities {
  const authorities: SigstoreAuthorities = {
    certificateAuthorities: bounded(parts.certificateAuthorities).map((part) =>
      readAuthority(part, findAuthorityFlaw),
    ),
    timestampAuthorities: bounded(parts.timestampAuthorities).map((part) =>
      readAuthority(part, findTimestampFlaw),
    ),
    transparencyLogs: bounded(parts.transparencyLogs).map((part) => readLog(part, true)),
    certificateLogs: bounded(parts.certificateLogs).map((part) => readLog(part, false)),
  };
  refuseTwice(authorities.transparencyLogs, parts.transparencyLogs);
  refuseTwice(authorities.certificateLogs, parts.certificateLogs);
  if (Object.values(authorities).every((list: readonly unknown[]) => list.length === 0)) {
    throw new SyntaxError('expected at least one authority or log');
  }
  return authorities;
}

function bounded<T>(list: readonly T[]): readonly T[] {
  if (list.length <= MAX_PARTS) return list;
  throw new SyntaxError(`expected at most ${MAX_PARTS} of a kind, got ${list.length}`);
}

function readAuthority(
  { pem, label }: LooseAuthority,
  findFlaw: (chain: readonly Certificate[]) => ChainFlaw | undefined,
): CertificateAuthority {
  const chain = sortChain(parseCertificates(pem, label), label);
  const flaw = findFlaw(chain);
  if (flaw !== undefined) {
    throw new SyntaxError(`${label}: ${chain[flaw.index]?.subject ?? 'chain'}: ${flaw.message}`);
  }
  return {
    name: label,
    chain,
    validity: {
      start: Math.max(...chain.map(({ notBefore }) => notBefore)),
      end: Math.min(...chain.map(({ notAfter }) => notAfter)),
    },
  };
}

/** From the certificate that issued none of the others to its issuer, and so on, until all are used. */
function sortChain(given: readonly Certificate[], label: string): readonly Certificate[] {
  const all = [...new Map(given.map((one) => [one.fingerprint, one])).values()];
  if (all.length > MAX_CHAIN) {
    throw new SyntaxError(`${label}: expected a chain of at most ${MAX_CHAIN}, got ${all.length}`);
  }
  const [first, ...more] = all.filter((one) =>
    all.every((other) => other === one || !isIssuedBy(other, one)),
  );
  if (first === undefined || more.length > 0) {
    throw new SyntaxError(
      `${label}: expected the certificates of one chain; give each authority a file of its own`,
    );
  }
  const chain = [first];
  for (let last = first; chain.length < all.length;) {
    const issuers = all.filter((one) => !chain.includes(one) && isIssuedBy(last, one));
    const [issuer] = issuers;
    if (issuer === undefined || issuers.length > 1) {
      throw new SyntaxError(
        `${label}: expected one issuer of ${last.subject} among them, got ${issuers.length}`,
      );
    }
    chain.push(issuer);
    last = issuer;
  }
  return chain;
}

function readLog(part: LooseLog, isTransparencyLog: boolean): LogKey {
  const { label, validFrom = 0, validUntil = Infinity } = part;
  const [key, ...more] = parsePublicKeys(part.pem, label);
  if (key === undefined || more.length > 0) {
    throw new SyntaxError(`${label}: expected one public key, got ${more.length + 1}`);
  }
  const origin = originOf(part.origin ?? '');
  if (origin === '' && isTransparencyLog) {
    throw new SyntaxError(`${label}: expected the log's origin: its checkpoints are bound to it`);
  }
  if (part.id !== undefined && !LOG_ID.test(part.id)) {
    throw new SyntaxError(`${label}: expected an id of 64 lower-case hex digits`);
  }
  if (validUntil < validFrom) {
    throw new SyntaxError(`${label}: expected an end that is not before the start`);
  }
  // Rekor v2 names itself in entries by the key id of its checkpoints; all other logs by the hash of the key.
  const isNote = isTransparencyLog && key.algorithm === 'ed25519';
  const checkpointId = isNote ? noteKeyId(key, origin) : keyHashId(key);
  return {
    id: part.id ?? checkpointId,
    checkpointId,
    origin: origin === '' ? label : origin,
    key,
    validity: { start: validFrom, end: validUntil },
  };
}

function refuseTwice(logs: readonly LogKey[], parts: readonly LooseLog[]): void {
  const seen = new Map<string, string>();
  for (const [index, { id }] of logs.entries()) {
    const label = parts[index]?.label ?? '';
    const other = seen.get(id);
    if (other !== undefined) throw new SyntaxError(`${label}: it is the same log as ${other}`);
    seen.set(id, label);
  }
}
