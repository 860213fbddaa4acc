/**
 * A Sigstore instance of one's own, in this process: a certificate authority with an intermediate, a certificate
 * log, transparency logs of both versions and a timestamp authority, all by an injected clock.
 *
 *     const sigstore = createSigstore();
 *     const signed = sigstore.signMessage(simplePayload(digest));        // keyless, in the log of version 1
 *     putTagged(registry, repository, digest, 'sig', simpleLayer(signed));
 *
 *     const leaf = sigstore.leaf({ names: [{ email: 'me@acme.test' }] });
 *     const attested = sigstore.signEnvelope(statement(subjects), { by: leaf, ...sigstore.withLog2 });
 *     putBundleOf(registry, repository, image, attested, { version: '0.3' });
 *     const verified = check(candidateOf(bundleLayer(attested)), …, sigstore.root());
 *
 * Everything lies on demand. A signature is a plain value, so that `{ ...signed, entries: other.entries }` is the
 * attack; `body` changes an entry before it is logged and `changes` a bundle after; logs, certificate logs and
 * timestamp authorities sign whatever they are told. Who certifies, logs or stamps need not be of the instance:
 * `createCertificateLog`, `createTransparencyLog`, `createTimestampAuthority`, `issueAuthority` make strangers.
 */
import { parseCertificate } from '../../../src/trust/certificate.ts';
import { parsePublicKey } from '../../../src/trust/public-key.ts';
import {
  sigstoreRoot,
  type CertificateAuthority,
  type LogKey,
  type SigstoreAuthorities,
  type SigstoreRoot,
  type Validity,
} from '../../../src/trust/trust-root.ts';
import { createCertificateLog, type CertificateLog } from './certificate-log.ts';
import { issueAuthority, type AuthorityOptions, type Issued } from './certificate.ts';
import { createKey, type TestKey } from './key.ts';
import { issueLeaf, type Leaf, type LeafOptions } from './leaf.ts';
import {
  signEnvelope,
  signMessage,
  type SignedEnvelope,
  type SignedMessage,
  type SignOptions,
} from './signed.ts';
import { createTimestampAuthority, type TimestampAuthority } from './timestamp-authority.ts';
import type { TimestampAuthorityOptions } from './timestamp-authority.ts';
import { createTransparencyLog, type TransparencyLog } from './transparency-log.ts';
import type { TransparencyLogOptions } from './transparency-log.ts';

/** The time by an instance's clock unless it has another. */
export const SIGSTORE_TIME = Date.UTC(2026, 2, 1, 12);

export interface SigstoreOptions {
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  readonly root?: Partial<AuthorityOptions>;
  readonly intermediate?: Partial<AuthorityOptions>;
  readonly log?: Partial<TransparencyLogOptions>;
  readonly log2?: Partial<TransparencyLogOptions>;
  readonly timestampAuthority?: Partial<TimestampAuthorityOptions>;
}

type Signing = Partial<SignOptions>;

export interface Sigstore {
  readonly clock: () => number;
  readonly certificateRoot: Issued;
  readonly intermediate: Issued;
  readonly certificateLog: CertificateLog;
  /** Rekor v1. */
  readonly log: TransparencyLog;
  /** Rekor v2. */
  readonly log2: TransparencyLog;
  readonly timestampAuthority: TimestampAuthority;
  /** To sign with a timestamp in the place of a log. */
  readonly withTimestamp: Pick<SignOptions, 'logs' | 'timestampAuthorities'>;
  /** To sign into the log of version 2, with a timestamp, as today's clients do. */
  readonly withLog2: Pick<SignOptions, 'logs' | 'timestampAuthorities'>;
  /** Certifies a workflow of GitHub unless told. */
  leaf(options?: LeafOptions): Leaf;
  /** By a new leaf, into the log of version 1, without a timestamp, unless told. */
  signMessage(data: Buffer, options?: Signing): SignedMessage;
  /** As {@link Sigstore.signMessage}, over a DSSE envelope with this payload. */
  signEnvelope(
    payload: Buffer,
    options?: Signing & { readonly payloadType?: string },
  ): SignedEnvelope;
  authorities(changes?: Partial<SigstoreAuthorities>): SigstoreAuthorities;
  root(name?: string, changes?: Partial<SigstoreAuthorities>): SigstoreRoot;
  /** `trusted_root.json` as an object; `changes` are laid over it. */
  trustedRootJson(changes?: object): object;
}

const YEAR = 365 * 24 * 60 * 60 * 1000;

export function createSigstore(options: SigstoreOptions = {}): Sigstore {
  const { clock = () => SIGSTORE_TIME } = options;
  const span = { notBefore: clock() - YEAR, notAfter: clock() + 10 * YEAR };
  const key = createKey('p384');
  const certificateRoot = issueAuthority({ key, ...span, ...options.root });
  const intermediate = issueAuthority({
    ...span,
    issuer: certificateRoot,
    maxPathLength: 0,
    ...options.intermediate,
  });
  const certificateLog = createCertificateLog();
  const log = createTransparencyLog({ clock, ...options.log });
  const log2 = createTransparencyLog({ version: 2, clock, ...options.log2 });
  const timestampAuthority = createTimestampAuthority({ clock, ...options.timestampAuthority });
  const authority = { name: 'fulcio.sigstore.test', chain: [intermediate, certificateRoot] };
  const stamper = { name: 'timestamp.sigstore.test', ...timestampAuthority };
  const validity = { start: span.notBefore, end: Infinity };

  const leaf = (change: LeafOptions = {}): Leaf =>
    issueLeaf(change, intermediate, [certificateLog], clock());
  const signing = (change: Signing): SignOptions => ({
    logs: [log],
    timestampAuthorities: [],
    ...change,
    by: change.by ?? leaf(),
  });
  const authorities = (changes: Partial<SigstoreAuthorities> = {}): SigstoreAuthorities => ({
    certificateAuthorities: [trustedAuthority({ ...authority, validity })],
    timestampAuthorities: [trustedAuthority(stamper)],
    transparencyLogs: [trustedLog(log), trustedLog(log2)],
    certificateLogs: [trustedLog(certificateLog)],
    ...changes,
  });

  return {
    clock,
    certificateRoot,
    intermediate,
    certificateLog,
    log,
    log2,
    timestampAuthority,
    withTimestamp: { logs: [], timestampAuthorities: [timestampAuthority] },
    withLog2: { logs: [log2], timestampAuthorities: [timestampAuthority] },
    leaf,
    signMessage: (data, change = {}) => signMessage(data, signing(change)),
    signEnvelope: (payload, change = {}) =>
      signEnvelope(payload, { ...signing(change), ...payloadTypeOf(change) }),
    authorities,
    root: (name = 'sigstore', changes = {}) =>
      sigstoreRoot(name, authorities(changes), { source: 'a test' }),
    trustedRootJson: (changes = {}) => ({
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [log, log2].map(logJson),
      certificateAuthorities: [authorityJson({ ...authority, validity })],
      ctlogs: [logJson(certificateLog)],
      timestampAuthorities: [authorityJson(stamper)],
      ...changes,
    }),
  };
}

function payloadTypeOf({ payloadType }: { readonly payloadType?: string }): object {
  return payloadType === undefined ? {} : { payloadType };
}

/** Any chain as a trust root holds it. */
export function trustedAuthority(authority: {
  readonly name: string;
  readonly chain: readonly Issued[];
  readonly validity: Validity;
}): CertificateAuthority {
  const { name, chain, validity } = authority;
  return { name, chain: chain.map(({ der }) => parseCertificate(der)), validity };
}

interface AnyLog {
  readonly id: Buffer;
  readonly origin: string;
  readonly key: TestKey;
  readonly validity: Validity;
}

/** Any log as a trust root holds it. */
export function trustedLog({ id, origin, key, validity }: AnyLog): LogKey {
  const hex = id.toString('hex');
  const publicKey = parsePublicKey(key.publicKey, origin);
  return { id: hex, checkpointId: hex, origin, key: publicKey, validity };
}

function spanJson({ start, end }: Validity): object {
  const text = (time: number): string => new Date(time).toISOString();
  return { start: text(start), ...(end === Infinity ? {} : { end: text(end) }) };
}

/** Any log as `trusted_root.json` has it. */
export function logJson({ id, origin, key, validity }: AnyLog): object {
  return {
    baseUrl: `https://${origin}`,
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: key.spki.toString('base64'),
      keyDetails: key.keyDetails,
      validFor: spanJson(validity),
    },
    logId: { keyId: id.toString('base64') },
  };
}

/** Any chain as `trusted_root.json` has it. */
export function authorityJson(authority: {
  readonly name: string;
  readonly chain: readonly Issued[];
  readonly validity: Validity;
}): object {
  const { name, chain, validity } = authority;
  return {
    subject: { organization: 'sigstore.test', commonName: name },
    uri: `https://${name}`,
    certChain: {
      certificates: chain.map(({ der }) => ({ rawBytes: der.toString('base64') })),
    },
    validFor: spanJson(validity),
  };
}
