/** Signers' certificates as Fulcio issues them, and as it never would. */
import {
  caExtensions,
  EKU,
  issueCertificate,
  leafExtensions,
  type Extension,
  type Issued,
} from './certificate.ts';
import * as der from './der.ts';
import { createKey, type HashName, type KeyKind, type TestKey } from './key.ts';
import type { CertificateLog } from './certificate-log.ts';

/** One subject alternative name; `other` is Fulcio's otherName. */
export type Name =
  | { readonly uri: string }
  | { readonly email: string }
  | { readonly dns: string }
  | { readonly other: string };

/** Fulcio's extensions that hold a DER UTF8String, by name. */
export const EXTENSION_OIDS = {
  issuer: '1.3.6.1.4.1.57264.1.8',
  buildSignerURI: '1.3.6.1.4.1.57264.1.9',
  buildSignerDigest: '1.3.6.1.4.1.57264.1.10',
  runnerEnvironment: '1.3.6.1.4.1.57264.1.11',
  sourceRepositoryURI: '1.3.6.1.4.1.57264.1.12',
  sourceRepositoryDigest: '1.3.6.1.4.1.57264.1.13',
  sourceRepositoryRef: '1.3.6.1.4.1.57264.1.14',
  sourceRepositoryIdentifier: '1.3.6.1.4.1.57264.1.15',
  sourceRepositoryOwnerURI: '1.3.6.1.4.1.57264.1.16',
  sourceRepositoryOwnerIdentifier: '1.3.6.1.4.1.57264.1.17',
  buildConfigURI: '1.3.6.1.4.1.57264.1.18',
  buildConfigDigest: '1.3.6.1.4.1.57264.1.19',
  buildTrigger: '1.3.6.1.4.1.57264.1.20',
  runInvocationURI: '1.3.6.1.4.1.57264.1.21',
  sourceRepositoryVisibilityAtSigning: '1.3.6.1.4.1.57264.1.22',
} as const;

/** The older ones, which hold bare text. */
export const LEGACY_OIDS = {
  issuer: '1.3.6.1.4.1.57264.1.1',
  githubWorkflowTrigger: '1.3.6.1.4.1.57264.1.2',
  githubWorkflowSHA: '1.3.6.1.4.1.57264.1.3',
  githubWorkflowName: '1.3.6.1.4.1.57264.1.4',
  githubWorkflowRepository: '1.3.6.1.4.1.57264.1.5',
  githubWorkflowRef: '1.3.6.1.4.1.57264.1.6',
} as const;

export interface LeafOptions {
  readonly names?: readonly Name[];
  /** The OIDC issuer in the modern extension; none for `null`. */
  readonly issuer?: string | null;
  /** The OIDC issuer in the legacy extension. */
  readonly legacyIssuer?: string;
  readonly extensions?: Partial<Readonly<Record<keyof typeof EXTENSION_OIDS, string>>>;
  readonly legacyExtensions?: Partial<Readonly<Record<keyof typeof LEGACY_OIDS, string>>>;
  /** Extended key usages; code signing unless told. */
  readonly usages?: readonly string[];
  /** Says CA:TRUE. */
  readonly ca?: boolean;
  /** Carries an extension that nobody knows, marked critical. */
  readonly unknownCritical?: boolean;
  /** Anything else. */
  readonly more?: readonly Extension[];
  readonly key?: TestKey | KeyKind;
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Who certifies; the authority's intermediate unless told. */
  readonly by?: Issued;
  readonly hash?: HashName;
  /** Logs whose SCTs it embeds; the authority's own unless told. */
  readonly certificateLogs?: readonly CertificateLog[];
}

/** A signer's certificate, with what came before it in its chain. */
export interface Leaf extends Issued {
  readonly kind: 'leaf';
  /** Towards the root, without the root. */
  readonly intermediates: readonly Issued[];
  /** PEM of the intermediates and the root. */
  readonly chainPem: string;
}

export const WORKFLOW = 'https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main';
export const GITHUB_ISSUER = 'https://token.actions.githubusercontent.com';

const TEN_MINUTES = 10 * 60 * 1000;

/** @param now what the certificate is valid from, for ten minutes, unless told. */
export function issueLeaf(
  options: LeafOptions,
  by: Issued,
  logs: readonly CertificateLog[],
  now: number,
): Leaf {
  const { names = [{ uri: WORKFLOW }], issuer = GITHUB_ISSUER, key = 'p256' } = options;
  const { certificateLogs = logs, notBefore = now } = options;
  const certified = issueCertificate({
    key: typeof key === 'string' ? createKey(key) : key,
    issuer: options.by ?? by,
    notBefore,
    notAfter: options.notAfter ?? notBefore + TEN_MINUTES,
    ...(options.hash === undefined ? {} : { hash: options.hash }),
    extensions: [
      ...leafExtensions(options.usages ?? [EKU.codeSigning]),
      ...(options.ca === true ? caExtensions().slice(0, 1) : []),
      ...(names.length === 0 ? [] : [alternativeNames(names)]),
      ...(issuer === null ? [] : [modern('issuer', issuer)]),
      ...(options.legacyIssuer === undefined ? [] : [legacy('issuer', options.legacyIssuer)]),
      ...entriesOf(options.extensions).map(([name, value]) => modern(name, value)),
      ...entriesOf(options.legacyExtensions).map(([name, value]) => legacy(name, value)),
      ...(options.unknownCritical === true ? [unknownCritical] : []),
      ...(options.more ?? []),
    ],
    promise: (tbs, issuerKey) => {
      const promises = certificateLogs.map((log) => log.promise(tbs, issuerKey, notBefore));
      return promises.length === 0 ? undefined : promiseList(promises);
    },
  });
  const chain = chainOf(certified);
  return {
    ...certified,
    kind: 'leaf',
    intermediates: chain.slice(0, -1),
    chainPem: chain.map(({ pem }) => pem).join(''),
  };
}

function chainOf({ issuer }: Issued): readonly Issued[] {
  return issuer === undefined ? [] : [issuer, ...chainOf(issuer)];
}

function entriesOf<K extends string>(
  values: Partial<Readonly<Record<K, string>>> = {},
): readonly (readonly [K, string])[] {
  return Object.entries(values) as [K, string][];
}

function modern(name: keyof typeof EXTENSION_OIDS, value: string): Extension {
  return { oid: EXTENSION_OIDS[name], value: der.utf8(value) };
}

function legacy(name: keyof typeof LEGACY_OIDS, value: string): Extension {
  return { oid: LEGACY_OIDS[name], value: Buffer.from(value) };
}

const unknownCritical: Extension = {
  oid: '1.3.6.1.4.1.57264.99.1',
  critical: true,
  value: der.utf8('what nobody knows'),
};

/** RFC 5280 §4.2.1.6; critical, since the subject is empty. */
function alternativeNames(names: readonly Name[]): Extension {
  return { oid: '2.5.29.17', critical: true, value: der.sequence(...names.map(generalName)) };
}

function generalName(name: Name): Buffer {
  if ('uri' in name) return der.contextPrimitive(6, Buffer.from(name.uri));
  if ('email' in name) return der.contextPrimitive(1, Buffer.from(name.email));
  if ('dns' in name) return der.contextPrimitive(2, Buffer.from(name.dns));
  return der.context(0, der.oid('1.3.6.1.4.1.57264.1.7'), der.context(0, der.utf8(name.other)));
}

/** RFC 6962 §3.3. */
function promiseList(promises: readonly Buffer[]): Extension {
  const list = Buffer.concat(promises.map(withLength));
  return { oid: '1.3.6.1.4.1.11129.2.4.2', value: der.octets(withLength(list)) };
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
