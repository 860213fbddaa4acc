/** Makes X.509 certificates (RFC 5280), of authorities and of signers, honest or not. */
import { randomInt } from 'node:crypto';
import * as der from './der.ts';
import { createKey, sha, signatureAlgorithm, toPem, type HashName, type TestKey } from './key.ts';

export interface Extension {
  readonly oid: string;
  readonly critical?: boolean;
  /** What goes into the OCTET STRING. */
  readonly value: Buffer;
}

/** A certificate with its key. */
export interface Issued {
  readonly der: Buffer;
  readonly pem: string;
  readonly key: TestKey;
  /** DER of the subject's Name. */
  readonly subject: Buffer;
  readonly issuer: Issued | undefined;
  readonly serial: bigint;
}

export interface CertificateOptions {
  readonly key?: TestKey;
  /** DER of a Name; an empty one, as Fulcio's leaves have, unless told. */
  readonly subject?: Buffer;
  /** Signs it; by its own key unless told. */
  readonly issuer?: Issued | undefined;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  readonly extensions?: readonly Extension[];
  readonly serial?: bigint;
  /** The hash to sign it with; the one of the issuer's key unless told. */
  readonly hash?: HashName;
  /** Sees the certificate as a CT log does, without any SCT; gives the extension that goes last. */
  readonly promise?: (tbs: Buffer, issuer: TestKey) => Extension | undefined;
}

const KEY_USAGES = {
  digitalSignature: der.bits(Buffer.from([0x80]), 7),
  keyCertSign: der.bits(Buffer.from([0x06]), 1),
};

export const EKU = { codeSigning: '1.3.6.1.5.5.7.3.3', timeStamping: '1.3.6.1.5.5.7.3.8' };

/** @returns the certificate; equal options give another one, by its serial number. */
export function issueCertificate(options: CertificateOptions): Issued {
  const { key = createKey(), issuer, promise, subject = der.sequence() } = options;
  // As long as every other: what is compared with another certificate has its length by its content, not by chance.
  const serial = options.serial ?? BigInt(2 ** 46 + randomInt(2 ** 46));
  const signing = issuer?.key ?? key;
  const algorithm = signatureAlgorithm(signing, options.hash);
  const identifiers: readonly Extension[] = [
    { oid: '2.5.29.14', value: der.octets(keyIdentifier(key)) },
    { oid: '2.5.29.35', value: der.sequence(der.contextPrimitive(0, keyIdentifier(signing))) },
  ];
  const extensions = [...(options.extensions ?? []), ...identifiers];
  const toBeSigned = (...more: readonly Extension[]): Buffer =>
    der.sequence(
      der.context(0, der.integer(2)),
      der.integer(serial),
      algorithm,
      issuer?.subject ?? subject,
      der.sequence(der.time(options.notBefore), der.time(options.notAfter)),
      subject,
      key.spki,
      der.context(3, der.sequence(...[...extensions, ...more].map(encodeExtension))),
    );
  const promised = promise?.(toBeSigned(), signing);
  const tbs = promised === undefined ? toBeSigned() : toBeSigned(promised);
  const bytes = der.sequence(tbs, algorithm, der.bits(signing.sign(tbs, options.hash)));
  return { der: bytes, pem: toPem('CERTIFICATE', bytes), key, subject, issuer, serial };
}

function encodeExtension({ oid, critical = false, value }: Extension): Buffer {
  return der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octets(value));
}

function keyIdentifier(key: TestKey): Buffer {
  return sha('sha256', key.spki).subarray(0, 20);
}

/** basicConstraints, keyUsage. */
export function caExtensions(maxPathLength?: number): readonly Extension[] {
  const length = maxPathLength === undefined ? [] : [der.integer(maxPathLength)];
  return [
    { oid: '2.5.29.19', critical: true, value: der.sequence(der.boolean(true), ...length) },
    { oid: '2.5.29.15', critical: true, value: KEY_USAGES.keyCertSign },
  ];
}

/** keyUsage and extendedKeyUsage of somebody who signs. */
export function leafExtensions(usages: readonly string[], critical = false): readonly Extension[] {
  const keyUsage = { oid: '2.5.29.15', critical: true, value: KEY_USAGES.digitalSignature };
  if (usages.length === 0) return [keyUsage];
  return [keyUsage, { oid: '2.5.29.37', critical, value: der.sequence(...usages.map(der.oid)) }];
}

/** What an authority's own certificate may differ in. */
export interface AuthorityOptions {
  readonly key?: TestKey;
  readonly issuer?: Issued;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly organization?: string;
  readonly commonName?: string;
  readonly maxPathLength?: number;
  /** What an intermediate may be used for; anything unless told. */
  readonly usages?: readonly string[];
  /** In the place of basicConstraints, keyUsage and extendedKeyUsage. */
  readonly extensions?: readonly Extension[];
}

/** A root where no issuer is named, else an intermediate. */
export function issueAuthority(options: AuthorityOptions): Issued {
  const { organization = 'sigstore.test', usages = [], maxPathLength, issuer } = options;
  const commonName = options.commonName ?? (issuer === undefined ? 'root' : 'intermediate');
  const usage = usages.map(der.oid);
  return issueCertificate({
    ...options,
    key: options.key ?? createKey(),
    subject: der.distinguishedName(organization, commonName),
    extensions: options.extensions ?? [
      ...caExtensions(maxPathLength),
      ...(usage.length === 0 ? [] : [{ oid: '2.5.29.37', value: der.sequence(...usage) }]),
    ],
  });
}
