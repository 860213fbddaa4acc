/** RFC 3161 responses and tokens, read strictly: a CMS SignedData (RFC 5652) around a TSTInfo. Nothing is believed yet. */
import type { Fields } from '../../trust/der.ts';
import {
  context,
  contextPrimitive,
  inner,
  membersOf,
  readDer,
  requireTag,
  sequence,
  TAG,
  type Der,
} from '../../trust/der.ts';
import {
  parseIntegerBytes,
  parseOid,
  parseSmallInteger,
  parseTime,
} from '../../trust/der-values.ts';
import {
  parseHash,
  parseSignatureAlgorithm,
  type HashName,
  type SignatureAlgorithm,
} from '../../trust/signature-algorithm.ts';
import { findUnknownCritical, readExtensions } from '../../trust/x509-extensions.ts';

export interface TimestampToken {
  /** TSTInfo: what is signed. */
  readonly info: Buffer;
  /** What the time is of; undefined `hash` for any that is not SHA-2. */
  readonly imprint: { readonly hash: HashName | undefined; readonly digest: Buffer };
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Dotted OID of the authority's policy. */
  readonly policy: string;
  /** The Accuracy as it stands, unread. */
  readonly accuracy: Der | undefined;
  /** Who signed: issuer and serial number, or subject key identifier, of a certificate. */
  readonly signer:
    | { readonly rawIssuer: Buffer; readonly serialNumber: Buffer }
    | { readonly subjectKeyId: Buffer };
  /** The hash that `messageDigest` is made with. */
  readonly digestHash: HashName | undefined;
  readonly messageDigest: Buffer;
  /** What the signature covers: the signed attributes as a SET (RFC 5652 §5.4). */
  readonly signedAttributes: Buffer;
  readonly algorithm: SignatureAlgorithm | undefined;
  readonly signature: Buffer;
  /** Hashes of the signer's certificate that are among the signed attributes (RFC 2634 §5.4, RFC 5035 §4). */
  readonly certificateHashes: readonly {
    readonly version: 1 | 2;
    readonly hash: HashName | 'sha1' | undefined;
    readonly digest: Buffer;
  }[];
  /** DER of the certificates that came along. */
  readonly certificates: readonly Buffer[];
}

const MAX_TOKEN = 64 * 1024;
const MAX_CERTIFICATES = 16;

const SIGNED_DATA = '1.2.840.113549.1.7.2';
const TST_INFO = '1.2.840.113549.1.9.16.1.4';
const CONTENT_TYPE = '1.2.840.113549.1.9.3';
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4';
const SIGNING_CERTIFICATE = '1.2.840.113549.1.9.16.2.12';
const SIGNING_CERTIFICATE_V2 = '1.2.840.113549.1.9.16.2.47';

/**
 * Reads a TimeStampResp, what authorities answer.
 * @throws {SyntaxError} for everything that is no granted response with exactly one signature.
 */
export function parseTimestampResponse(der: Buffer): TimestampToken {
  const response = sequence(readBounded(der), 'the timestamp');
  const status = sequence(response.take(TAG.sequence, 'a status'), 'the status of the timestamp');
  // RFC 3161 §2.4.2: granted and grantedWithMods; with any other status there is no time.
  if (parseSmallInteger(status.takeAny(), 'the status of the timestamp') > 1) {
    throw new SyntaxError('expected a timestamp that was granted');
  }
  const token = response.take(TAG.sequence, 'a token');
  response.end();
  return readToken(token);
}

/**
 * Reads a bare TimeStampToken, without the response around it.
 * @throws {SyntaxError} for everything that is no token with exactly one signature.
 */
export function parseTimestampToken(der: Buffer): TimestampToken {
  return readToken(readBounded(der));
}

function readBounded(der: Buffer): Der {
  if (der.length > MAX_TOKEN) throw new SyntaxError('expected a timestamp of at most 64 KiB');
  return readDer(der, 'the timestamp');
}

function readToken(element: Der): TimestampToken {
  const token = sequence(element, 'the timestamp token');
  requireOid(token.takeAny(), SIGNED_DATA, 'the timestamp to be signed data');
  const content = inner(token.take(context(0), 'content'), 'the signed data of the timestamp');
  token.end();
  return readSignedData(sequence(content, 'the signed data of the timestamp'));
}

function readSignedData(data: Fields): TimestampToken {
  parseSmallInteger(data.takeAny(), 'the version of the signed data');
  data.take(TAG.set, 'digestAlgorithms');
  const content = sequence(data.take(TAG.sequence, 'encapContentInfo'), 'encapContentInfo');
  requireOid(content.takeAny(), TST_INFO, 'the timestamp to be over a TSTInfo');
  const info = requireTag(
    inner(content.take(context(0), 'eContent'), 'eContent'),
    TAG.octetString,
    'eContent to be bytes',
  ).content;
  content.end();
  const certificates = data.takeIf(context(0));
  data.takeIf(context(1));
  const signers = membersOf(data.take(TAG.set, 'signerInfos'), 'signerInfos');
  data.end();
  // RFC 3161 §2.4.2: the authority's signature and no other.
  if (signers.length !== 1) {
    throw new SyntaxError(`expected one signature of the timestamp, got ${signers.length}`);
  }
  const signer = readSigner(sequence(signers[0], 'signerInfo'));
  return { info, ...readInfo(info), ...signer, certificates: readCertificates(certificates) };
}

function readCertificates(set: Der | undefined): readonly Buffer[] {
  const members = set === undefined ? [] : membersOf(set, 'the certificates of the timestamp');
  if (members.length > MAX_CERTIFICATES) {
    throw new SyntaxError(`expected at most ${MAX_CERTIFICATES} certificates in the timestamp`);
  }
  return members.filter(({ tag }) => tag === TAG.sequence).map(({ raw }) => raw);
}

type InfoFields = Pick<TimestampToken, 'imprint' | 'time' | 'policy' | 'accuracy'>;

function readInfo(der: Buffer): InfoFields {
  const info = sequence(readDer(der, 'TSTInfo'), 'TSTInfo');
  if (parseSmallInteger(info.takeAny(), 'the version of TSTInfo') !== 1) {
    throw new SyntaxError('expected a TSTInfo of version 1');
  }
  const policy = parseOid(info.takeAny(), 'the policy of TSTInfo');
  const imprint = sequence(info.take(TAG.sequence, 'messageImprint'), 'messageImprint');
  const hash = parseHash(imprint.takeAny(), 'the hash of messageImprint');
  const digest = imprint.take(TAG.octetString, 'hashedMessage').content;
  imprint.end();
  parseIntegerBytes(info.takeAny(), 'the serial number of TSTInfo');
  const time = parseTime(info.take(TAG.generalizedTime, 'genTime'), 'genTime');
  const accuracy = info.takeIf(TAG.sequence);
  // ordering, nonce and tsa change nothing about the time.
  info.takeIf(TAG.boolean);
  info.takeIf(TAG.integer);
  info.takeIf(context(0));
  requireUnderstood(info.takeIf(context(1)));
  info.end();
  return { imprint: { hash, digest }, time, policy, accuracy };
}

function requireUnderstood(extensions: Der | undefined): void {
  if (extensions === undefined) return;
  // [1] IMPLICIT: the list itself under another tag.
  const list = { ...extensions, tag: TAG.sequence };
  const unknown = findUnknownCritical(readExtensions(list).extensions);
  if (unknown !== undefined) {
    throw new SyntaxError(`the timestamp has the unknown critical extension ${unknown}`);
  }
}

function readSigner(
  signer: Fields,
): Omit<TimestampToken, 'info' | 'certificates' | keyof InfoFields> {
  parseSmallInteger(signer.takeAny(), 'the version of signerInfo');
  const id = readSignerId(signer.takeAny());
  const digestHash = parseHash(signer.takeAny(), 'the digest algorithm of the timestamp');
  // RFC 5652 §5.3: required for any content but plain data.
  const attributes = signer.take(context(0), 'signed attributes');
  const algorithm = parseSignatureAlgorithm(signer.takeAny(), digestHash);
  const signature = signer.take(TAG.octetString, 'signature').content;
  signer.takeIf(context(1));
  signer.end();
  const values = readAttributes(attributes);
  requireOid(values.get(CONTENT_TYPE), TST_INFO, 'contentType to be TSTInfo');
  return {
    signer: id,
    digestHash,
    messageDigest: requireTag(values.get(MESSAGE_DIGEST), TAG.octetString, 'messageDigest').content,
    signedAttributes: Buffer.concat([Buffer.from([TAG.set]), attributes.raw.subarray(1)]),
    algorithm,
    signature,
    certificateHashes: [
      ...readSigningCertificate(values.get(SIGNING_CERTIFICATE), 1),
      ...readSigningCertificate(values.get(SIGNING_CERTIFICATE_V2), 2),
    ],
  };
}

function readSignerId(id: Der | undefined): TimestampToken['signer'] {
  if (id?.tag === contextPrimitive(0)) return { subjectKeyId: id.content };
  const fields = sequence(id, 'the signer of the timestamp');
  const rawIssuer = fields.take(TAG.sequence, 'an issuer').raw;
  const serialNumber = parseIntegerBytes(fields.takeAny(), 'the serial number of the signer');
  fields.end();
  return { rawIssuer, serialNumber };
}

/** The one value of each attribute (RFC 5652 §11 allows these no second). */
function readAttributes(set: Der): ReadonlyMap<string, Der> {
  const values = new Map<string, Der>();
  for (const attribute of membersOf(set, 'the signed attributes')) {
    const fields = sequence(attribute, 'a signed attribute');
    const oid = parseOid(fields.takeAny(), 'the name of a signed attribute');
    const [value, ...others] = membersOf(fields.take(TAG.set, 'values'), 'a signed attribute');
    fields.end();
    if (value === undefined || others.length > 0 || values.has(oid)) {
      throw new SyntaxError(`expected one value of the signed attribute ${oid}`);
    }
    values.set(oid, value);
  }
  return values;
}

/** The first ESSCertID is the signer's; those after it are of its issuers. */
function readSigningCertificate(
  value: Der | undefined,
  version: 1 | 2,
): TimestampToken['certificateHashes'] {
  if (value === undefined) return [];
  const what = 'signingCertificate';
  const list = sequence(value, what).take(TAG.sequence, 'certificates');
  const [first] = membersOf(list, what);
  const fields = sequence(first, what);
  // RFC 5035 §4: SHA-256 where version 2 names none; version 1 knows SHA-1 alone.
  const named = version === 2 ? fields.takeIf(TAG.sequence) : undefined;
  const hash = named === undefined ? 'sha256' : parseHash(named, what);
  const digest = fields.take(TAG.octetString, 'certHash').content;
  return [{ version, hash: version === 1 ? 'sha1' : hash, digest }];
}

function requireOid(element: Der | undefined, oid: string, what: string): void {
  if (parseOid(element, what) !== oid) throw new SyntaxError(`expected ${what}`);
}
