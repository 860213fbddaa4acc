/** Timestamp authorities (RFC 3161) with ECDSA and RSA keys, honest or not. */
import { createHash, randomInt } from 'node:crypto';
import {
  EKU,
  issueAuthority,
  issueCertificate,
  leafExtensions,
  type Issued,
} from './certificate.ts';
import * as der from './der.ts';
import {
  createKey,
  hashAlgorithm,
  sha,
  signatureAlgorithm,
  type HashName,
  type KeyKind,
} from './key.ts';
import type { Validity } from '../../../src/trust/trust-root.ts';

const OIDS = {
  signedData: '1.2.840.113549.1.7.2',
  timestampInfo: '1.2.840.113549.1.9.16.1.4',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
  rsaEncryption: '1.2.840.113549.1.1.1',
  policy: '1.3.6.1.4.1.57264.2',
};

export interface StampOptions {
  /** Milliseconds since the epoch. */
  readonly time?: number;
  /** Hash of the message imprint; SHA-256 unless told. */
  readonly imprint?: HashName;
  readonly nonce?: bigint;
  /** DER of the request's MessageImprint, which answers repeat; made anew unless told. */
  readonly messageImprint?: Buffer;
  /** PKIStatus; 0, granted, unless told. */
  readonly status?: number;
  /** Certificates to embed; the signer's alone unless told. */
  readonly embed?: readonly Issued[];
  /** The certificate it says it is signed with; its own unless told. */
  readonly claim?: Issued;
  /** Signs with the key of somebody else. */
  readonly signer?: Issued;
  /** Whether the signing certificate is named among the signed attributes; in version 2 unless told. */
  readonly signingCertificate?: boolean | 'version 1';
  /** Dotted OID of the policy; the authority's own unless told. */
  readonly policy?: string;
  /** DER of the Accuracy; a second unless told, none for null. */
  readonly accuracy?: Buffer | null;
  /** Content type of the token; TSTInfo unless told. */
  readonly contentType?: string;
}

export interface TimestampAuthority {
  /** The signing certificate first, the root last. */
  readonly chain: readonly Issued[];
  readonly validity: Validity;
  /** DER of a TimeStampResp over the data. */
  stamp(data: Uint8Array, options?: StampOptions): Buffer;
  /** The same over a hash that somebody else has made. */
  stampHash(digest: Buffer, hash: HashName, options?: StampOptions): Buffer;
}

export interface TimestampAuthorityOptions {
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** The signing key; P-256 unless told. */
  readonly kind?: KeyKind;
  /** Hash of signed attributes and signature; the key's own unless told. */
  readonly hash?: HashName;
  /** RSA alone: whether the signature algorithm is named without its hash, as CMS also allows. */
  readonly plainRsa?: boolean;
  readonly name?: string;
  /** Validity of the signing certificate; a year around now unless told. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Extended key usages of the signing certificate; time stamping unless told. */
  readonly usages?: readonly string[];
  /** How long the trust root says to believe it. */
  readonly validity?: Validity;
}

const YEAR = 365 * 24 * 60 * 60 * 1000;

export function createTimestampAuthority(options: TimestampAuthorityOptions): TimestampAuthority {
  const { clock, kind = 'p256', plainRsa = false, name = 'timestamp authority' } = options;
  const span = { notBefore: clock() - YEAR, notAfter: clock() + YEAR };
  const root = issueAuthority({ ...span, commonName: `${name} root` });
  const intermediate = issueAuthority({
    ...span,
    commonName: `${name} intermediate`,
    issuer: root,
    usages: [EKU.timeStamping],
  });
  const signer = issueCertificate({
    key: createKey(kind),
    subject: der.distinguishedName('sigstore.test', name),
    issuer: intermediate,
    notBefore: options.notBefore ?? span.notBefore,
    notAfter: options.notAfter ?? span.notAfter,
    extensions: leafExtensions(options.usages ?? [EKU.timeStamping], true),
  });
  const hash = options.hash ?? signer.key.hash;

  function stampHash(digest: Buffer, imprint: HashName, change: StampOptions = {}): Buffer {
    const time = change.time ?? clock();
    const claim = change.claim ?? signer;
    const { key } = change.signer ?? signer;
    const info = timestampInfo(digest, imprint, time, change);
    const contentType = change.contentType ?? OIDS.timestampInfo;
    const attributes = [
      attribute(OIDS.contentType, der.oid(contentType)),
      attribute(OIDS.signingTime, der.time(time)),
      attribute(OIDS.messageDigest, der.octets(sha(hash, info))),
      ...namedCertificate(claim, change.signingCertificate),
    ];
    const signature = key.sign(der.setOf(...attributes), hash);
    const signerInfo = der.sequence(
      der.integer(1),
      issuerAndSerial(claim),
      hashAlgorithm(hash),
      implicitSet(0, attributes),
      plainRsa && key.kind === 'rsa'
        ? der.sequence(der.oid(OIDS.rsaEncryption), der.nothing())
        : signatureAlgorithm(key, hash),
      der.octets(signature),
    );
    const embedded = (change.embed ?? [signer]).map((certificate) => certificate.der);
    const signedData = der.sequence(
      der.integer(3),
      der.setOf(hashAlgorithm(hash)),
      der.sequence(der.oid(contentType), der.context(0, der.octets(info))),
      ...(embedded.length === 0 ? [] : [implicitSet(0, embedded)]),
      der.setOf(signerInfo),
    );
    return der.sequence(
      der.sequence(der.integer(change.status ?? 0)),
      der.sequence(der.oid(OIDS.signedData), der.context(0, signedData)),
    );
  }

  return {
    chain: [signer, intermediate, root],
    validity: options.validity ?? { start: span.notBefore, end: Infinity },
    stampHash,
    stamp: (data, change = {}) => {
      const imprint = change.imprint ?? 'sha256';
      return stampHash(sha(imprint, data), imprint, change);
    },
  };
}

/** TSTInfo, RFC 3161 §2.4.2. */
function timestampInfo(
  digest: Buffer,
  hash: HashName,
  time: number,
  options: StampOptions,
): Buffer {
  const { nonce, policy = OIDS.policy, accuracy = der.sequence(der.integer(1)) } = options;
  return der.sequence(
    der.integer(1),
    der.oid(policy),
    options.messageImprint ?? der.sequence(hashAlgorithm(hash), der.octets(digest)),
    der.integer(2 ** 46 + randomInt(2 ** 46)),
    der.generalizedTime(time),
    ...(accuracy === null ? [] : [accuracy]),
    ...(nonce === undefined ? [] : [der.integer(nonce)]),
  );
}

function attribute(type: string, value: Buffer): Buffer {
  return der.sequence(der.oid(type), der.setOf(value));
}

/** `[number] IMPLICIT SET OF`. */
function implicitSet(number: number, members: readonly Buffer[]): Buffer {
  const bytes = der.setOf(...members);
  bytes[0] = 0xa0 | number;
  return bytes;
}

function issuerAndSerial({ issuer, subject, serial }: Issued): Buffer {
  return der.sequence(issuer?.subject ?? subject, der.integer(serial));
}

function namedCertificate(
  certificate: Issued,
  how: StampOptions['signingCertificate'] = true,
): readonly Buffer[] {
  if (how === false) return [];
  if (how === true) return [signingCertificate(certificate)];
  const hash = createHash('sha1').update(certificate.der).digest();
  const id = der.sequence(der.octets(hash));
  return [attribute(OIDS.signingCertificate, der.sequence(der.sequence(id)))];
}

/** ESSCertIDv2 with the default hash, RFC 5035 §4. */
function signingCertificate(certificate: Issued): Buffer {
  const { issuer, subject, serial } = certificate;
  const names = der.sequence(der.context(4, issuer?.subject ?? subject));
  const id = der.sequence(
    der.octets(sha('sha256', certificate.der)),
    der.sequence(names, der.integer(serial)),
  );
  return attribute(OIDS.signingCertificateV2, der.sequence(der.sequence(id)));
}
