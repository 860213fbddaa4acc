/** Certificates of Notation signers and their authorities, as the specification wants them and as it does not. */
import * as der from '../sigstore/der.ts';
import {
  issueAuthority,
  issueCertificate,
  type CertificateOptions,
  type Extension,
  type Issued,
} from '../sigstore/certificate.ts';
import type { HashName } from '../sigstore/key.ts';
import { membersOf, readDer } from '../../../src/trust/der.ts';
import { parseCertificate, type Certificate } from '../../../src/trust/certificate.ts';
import { notationRoot, type NotationRoot } from '../../../src/trust/notation-root.ts';
import { createSigningKey, type SigningKey, type SigningKeyKind } from './key.ts';

/** The time by which everything here is valid, for a day before and after, unless told. */
export const NOTATION_TIME = Date.UTC(2026, 4, 1, 12);
export const DAY = 24 * 60 * 60 * 1000;
export const SPAN = { notBefore: NOTATION_TIME - DAY, notAfter: NOTATION_TIME + DAY };

export const KEY_USAGE = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
  encipherOnly: 7,
  decipherOnly: 8,
} as const;

export type KeyUsageName = keyof typeof KEY_USAGE;

export const PURPOSES = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
} as const;

export function keyUsage(names: readonly KeyUsageName[], critical = true): Extension {
  const numbers = names.map((name) => KEY_USAGE[name]);
  const last = Math.max(...numbers);
  const content = Buffer.alloc(last < 8 ? 1 : 2);
  for (const bit of numbers) {
    const at = bit < 8 ? 0 : 1;
    content.writeUInt8(content.readUInt8(at) | (0x80 >> (bit % 8)), at);
  }
  return { oid: '2.5.29.15', critical, value: der.bits(content, 7 - (last % 8)) };
}

export function extendedKeyUsage(purposes: readonly string[], critical = false): Extension {
  return { oid: '2.5.29.37', critical, value: der.sequence(...purposes.map(der.oid)) };
}

/** @param isCa false writes the extension without it, as X.690 wants a default. */
export function basicConstraints(isCa: boolean, critical = true, pathLength?: number): Extension {
  const length = pathLength === undefined ? [] : [der.integer(pathLength)];
  const value = der.sequence(...(isCa ? [der.boolean(true)] : []), ...length);
  return { oid: '2.5.29.19', critical, value };
}

/** A Name of one attribute in each set, in this order; types are dotted OIDs. */
export function nameOf(...attributes: readonly (readonly [type: string, value: string])[]): Buffer {
  return der.sequence(
    ...attributes.map(([type, value]) => der.setOf(der.sequence(der.oid(type), der.utf8(value)))),
  );
}

/** `C=DE, ST=BY, O=Vendor, CN=…` */
export function vendorName(commonName: string): Buffer {
  return nameOf(
    ['2.5.4.6', 'DE'],
    ['2.5.4.8', 'BY'],
    ['2.5.4.10', 'Vendor'],
    ['2.5.4.3', commonName],
  );
}

/** A signer's certificate with the key that signs envelopes. */
export interface Signer extends Issued {
  readonly key: SigningKey;
}

export type SignerOptions = Partial<Omit<CertificateOptions, 'key' | 'promise'>> & {
  readonly key?: SigningKey | SigningKeyKind;
};

/** Self-signed unless an issuer is named; `C=DE, ST=BY, O=Vendor, CN=signer` for code signing unless told. */
export function issueSigner(options: SignerOptions = {}): Signer {
  const { key: wanted = 'p256' } = options;
  const key = typeof wanted === 'string' ? createSigningKey(wanted) : wanted;
  const certified = issueCertificate({
    ...SPAN,
    subject: vendorName('signer'),
    extensions: [keyUsage(['digitalSignature']), extendedKeyUsage([PURPOSES.codeSigning])],
    ...options,
    key,
  });
  return { ...certified, key };
}

/** An authority's certificate: a root unless an issuer is named. */
export function issueNotationAuthority(
  commonName: string,
  options: Partial<Parameters<typeof issueAuthority>[0]> = {},
): Issued {
  return issueAuthority({ ...SPAN, organization: 'Vendor', commonName, ...options });
}

/** The certificate and those that issued it, the root last. */
export function chainOf(certificate: Issued): readonly Issued[] {
  const { issuer } = certificate;
  return issuer === undefined ? [certificate] : [certificate, ...chainOf(issuer)];
}

export function read({ der: bytes }: Issued): Certificate {
  return parseCertificate(bytes);
}

/** The same certificate, signed anew with SHA-1 by an ECDSA key. */
export function withSha1(certificate: Issued): Issued {
  const [tbs] = membersOf(readDer(certificate.der, 'it'), 'it');
  if (tbs === undefined) throw new Error('expected a certificate');
  const algorithm = der.sequence(der.oid('1.2.840.10045.4.1'));
  const members = membersOf(tbs, 'it').map(({ raw }, at) => (at === 2 ? algorithm : raw));
  const signed = der.sequence(...members);
  const { key } = certificate.issuer ?? certificate;
  const signature = key.sign(signed, 'sha1' as HashName);
  return { ...certificate, der: der.sequence(signed, algorithm, der.bits(signature)) };
}

/** Certificates by the kind of their store. */
export type Stores = Readonly<
  Partial<Record<'ca' | 'signingAuthority' | 'tsa', readonly Issued[]>>
>;

export interface RootOptions {
  /** DER of revocation lists that the site supplies. */
  readonly lists?: readonly Buffer[];
  /** Hosts that may be asked about certificates although they are at private addresses. */
  readonly privateHosts?: readonly string[];
}

/** A trust root with these in its stores; stores without any are absent. */
export function rootOfStores(
  stores: Stores,
  { lists = [], privateHosts = [] }: RootOptions = {},
): NotationRoot {
  const files = Object.entries(stores).map(([kind, certificates]) => [
    kind,
    [{ label: kind, certificates: certificates.map(read) }],
  ]);
  const byKind = Object.fromEntries(files) as Parameters<typeof notationRoot>[1];
  return notationRoot('vendor', byKind, lists, privateHosts);
}
