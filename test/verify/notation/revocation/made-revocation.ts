/** Makes what revocation is told by: certificates that name places, OCSP responses and revocation lists, honest or not. */
import { parseCertificate, type Certificate } from '../../../../src/trust/certificate.ts';
import {
  caExtensions,
  issueAuthority,
  issueCertificate,
  leafExtensions,
  type AuthorityOptions,
  type Extension,
  type Issued,
} from '../../../helpers/sigstore/certificate.ts';
import * as der from '../../../helpers/sigstore/der.ts';
import { signatureAlgorithm } from '../../../helpers/sigstore/key.ts';
import { createHash } from 'node:crypto';

export const NOW = Date.UTC(2026, 5, 1);
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
const SPAN = { notBefore: NOW - 365 * DAY, notAfter: NOW + 365 * DAY };

export const EKU_OCSP = '1.3.6.1.5.5.7.3.9';
export const NO_CHECK: Extension = { oid: '1.3.6.1.5.5.7.48.1.5', value: der.nothing() };
export const UNKNOWN_CRITICAL: Extension = { oid: '1.2.3.4', critical: true, value: der.nothing() };

export const read = ({ der: bytes }: Issued): Certificate => parseCertificate(bytes);
const uri = (address: string): Buffer => der.contextPrimitive(6, Buffer.from(address));
const enumerated = (value: number): Buffer => der.tagged(0x0a, Buffer.from([value]));

/** authorityInfoAccess that names responders. */
export function responders(...addresses: readonly string[]): Extension {
  const each = addresses.map((address) =>
    der.sequence(der.oid('1.3.6.1.5.5.7.48.1'), uri(address)),
  );
  return { oid: '1.3.6.1.5.5.7.1.1', value: der.sequence(...each) };
}

/** One distribution point, with reasons or another issuer of its lists on demand. */
export function point(address: string, ...rest: readonly Buffer[]): Buffer {
  return der.sequence(der.context(0, der.context(0, uri(address))), ...rest);
}

/** cRLDistributionPoints. */
export function lists(...addresses: readonly string[]): Extension {
  return points(...addresses.map((address) => point(address)));
}

export function points(...each: readonly Buffer[]): Extension {
  return { oid: '2.5.29.31', value: der.sequence(...each) };
}

export function makeAuthority(
  commonName: string,
  options: Partial<AuthorityOptions> & { readonly places?: readonly Extension[] } = {},
): Issued {
  const { places = [], ...rest } = options;
  return issueAuthority({
    ...SPAN,
    commonName,
    extensions: [...caExtensions(), ...places],
    ...rest,
  });
}

export function makeLeaf(
  issuer: Issued,
  places: readonly Extension[] = [],
  options: {
    readonly serial?: bigint;
    readonly usages?: readonly string[];
    readonly notAfter?: number;
  } = {},
): Issued {
  return issueCertificate({
    ...SPAN,
    subject: der.distinguishedName('Vendor', 'leaf'),
    issuer,
    extensions: [...leafExtensions(options.usages ?? []), ...places],
    ...(options.serial === undefined ? {} : { serial: options.serial }),
    ...(options.notAfter === undefined ? {} : { notAfter: options.notAfter }),
  });
}

export interface OcspChange {
  readonly status?: 'good' | 'unknown' | { readonly reason?: number };
  /** Milliseconds since the epoch. */
  readonly thisUpdate?: number;
  /** None at all where it is null. */
  readonly nextUpdate?: number | null;
  readonly producedAt?: number;
  /** Signs; the certificate's issuer unless told. */
  readonly signer?: Issued;
  /** Whom it says it is by; the signer unless told. */
  readonly claim?: Issued;
  readonly byKey?: boolean;
  readonly embed?: readonly Issued[];
  /** Whose certificate it is about; the issuer unless told. */
  readonly issuer?: Issued;
  readonly serial?: bigint;
  readonly responseExtensions?: readonly Extension[];
  readonly answerExtensions?: readonly Extension[];
  /** How often the answer is in it. */
  readonly answers?: number;
  /** OCSPResponseStatus. */
  readonly responseStatus?: number;
  /** In the place of the algorithm that it is signed with. */
  readonly algorithm?: Buffer;
}

const sha1 = (bytes: Buffer): Buffer => createHash('sha1').update(bytes).digest();
/** The point of a P-256 key, which ends its SubjectPublicKeyInfo. */
const keyHash = ({ key }: Issued): Buffer => sha1(key.spki.subarray(-65));
const encode = ({ oid, critical = false, value }: Extension): Buffer =>
  der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octets(value));
const extensionsIn = (number: number, list: readonly Extension[]): readonly Buffer[] =>
  list.length === 0 ? [] : [der.context(number, der.sequence(...list.map(encode)))];

/** A response about the certificate; good and fresh unless told. */
export function makeOcsp(certificate: Issued, change: OcspChange = {}): Buffer {
  const issuer = change.issuer ?? certificate.issuer ?? certificate;
  const signer = change.signer ?? issuer;
  const claim = change.claim ?? signer;
  const { status = 'good', nextUpdate = NOW + DAY } = change;
  const id = der.sequence(
    der.sequence(der.oid('1.3.14.3.2.26'), der.nothing()),
    der.octets(sha1(issuer.subject)),
    der.octets(keyHash(issuer)),
    der.integer(change.serial ?? certificate.serial),
  );
  const answer = der.sequence(
    id,
    typeof status === 'object'
      ? der.context(
          1,
          der.generalizedTime(NOW - DAY),
          ...(status.reason === undefined ? [] : [der.context(0, enumerated(status.reason))]),
        )
      : der.contextPrimitive(status === 'good' ? 0 : 2, Buffer.alloc(0)),
    der.generalizedTime(change.thisUpdate ?? NOW - HOUR),
    ...(nextUpdate === null ? [] : [der.context(0, der.generalizedTime(nextUpdate))]),
    ...extensionsIn(1, change.answerExtensions ?? []),
  );
  const data = der.sequence(
    change.byKey === true
      ? der.context(2, der.octets(keyHash(claim)))
      : der.context(1, claim.subject),
    der.generalizedTime(change.producedAt ?? NOW - HOUR),
    der.sequence(...Array<Buffer>(change.answers ?? 1).fill(answer)),
    ...extensionsIn(1, change.responseExtensions ?? []),
  );
  const embedded = (change.embed ?? []).map(({ der: bytes }) => bytes);
  const basic = der.sequence(
    data,
    change.algorithm ?? signatureAlgorithm(signer.key),
    der.bits(signer.key.sign(data)),
    ...(embedded.length === 0 ? [] : [der.context(0, der.sequence(...embedded))]),
  );
  return der.sequence(
    enumerated(change.responseStatus ?? 0),
    der.context(0, der.sequence(der.oid('1.3.6.1.5.5.7.48.1.1'), der.octets(basic))),
  );
}

export interface Entry {
  readonly serial: bigint;
  readonly reason?: number;
  readonly extensions?: readonly Extension[];
}

export interface ListChange {
  readonly entries?: readonly Entry[];
  /** In the place of the entries. */
  readonly rawEntries?: Buffer;
  readonly thisUpdate?: number;
  readonly nextUpdate?: number | null;
  readonly signer?: Issued;
  readonly extensions?: readonly Extension[];
  /** No version at all where it is null. */
  readonly version?: number | null;
  readonly algorithm?: Buffer;
}

export const listNumber = (number: number): Extension => ({
  oid: '2.5.29.20',
  value: der.integer(number),
});
export const deltaOf = (number: number): Extension => ({
  oid: '2.5.29.27',
  critical: true,
  value: der.integer(number),
});
export const freshest = (...addresses: readonly string[]): Extension => ({
  oid: '2.5.29.46',
  value: der.sequence(...addresses.map((address) => point(address))),
});
/** issuingDistributionPoint from its fields. */
export const scope = (...fields: readonly Buffer[]): Extension => ({
  oid: '2.5.29.28',
  critical: true,
  value: der.sequence(...fields),
});
export const scopeFlag = (number: number): Buffer =>
  der.contextPrimitive(number, Buffer.from([0xff]));
export const scopeName = (address: string): Buffer => der.context(0, der.context(0, uri(address)));

function encodeEntry({ serial, reason, extensions = [] }: Entry): Buffer {
  const all = [
    ...(reason === undefined ? [] : [{ oid: '2.5.29.21', value: enumerated(reason) }]),
    ...extensions,
  ];
  return der.sequence(
    der.integer(serial),
    der.time(NOW - DAY),
    ...(all.length === 0 ? [] : [der.sequence(...all.map(encode))]),
  );
}

/** A list of the issuer; full, fresh and empty unless told. */
export function makeList(issuer: Issued, change: ListChange = {}): Buffer {
  const { version = 1, nextUpdate = NOW + DAY, entries = [], extensions = [] } = change;
  const signer = change.signer ?? issuer;
  const algorithm = change.algorithm ?? signatureAlgorithm(signer.key);
  const raw = change.rawEntries ?? Buffer.concat(entries.map(encodeEntry));
  const body = der.sequence(
    ...(version === null ? [] : [der.integer(version)]),
    algorithm,
    issuer.subject,
    der.time(change.thisUpdate ?? NOW - HOUR),
    ...(nextUpdate === null ? [] : [der.time(nextUpdate)]),
    ...(raw.length === 0 ? [] : [der.sequence(raw)]),
    ...extensionsIn(0, extensions),
  );
  return der.sequence(body, algorithm, der.bits(signer.key.sign(body)));
}
