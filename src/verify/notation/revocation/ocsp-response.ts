/** OCSP responses, read strictly (RFC 6960 §4.2). Nothing is believed yet. */
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
  type Fields,
} from '../../../trust/der.ts';
import {
  parseIntegerBytes,
  parseOctetBits,
  parseOid,
  parseTime,
} from '../../../trust/der-values.ts';
import {
  parseSignatureAlgorithm,
  type SignatureAlgorithm,
} from '../../../trust/signature-algorithm.ts';
import { readExtensions } from '../../../trust/x509-extensions.ts';
import { MAX_ANSWERS, MAX_OCSP, MAX_RESPONDERS } from './bounds.ts';
import type { CertificateId } from './ocsp-request.ts';
import type { Revoked } from './standing.ts';

export interface OcspAnswer {
  readonly id: CertificateId;
  readonly status: 'good' | 'unknown' | Revoked;
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number;
  /** Milliseconds since the epoch. */
  readonly nextUpdate: number | undefined;
}

export interface OcspResponse {
  /** ResponseData: what is signed. */
  readonly signed: Buffer;
  readonly algorithm: SignatureAlgorithm | undefined;
  readonly signature: Buffer;
  /** Who signed: the subject's Name, or the hash of the key. */
  readonly responder: { readonly rawName: Buffer } | { readonly keyHash: Buffer };
  /** Milliseconds since the epoch. */
  readonly producedAt: number;
  readonly answers: readonly OcspAnswer[];
  /** DER of the certificates that came along. */
  readonly certificates: readonly Buffer[];
}

const ENUMERATED = 0x0a;
const BASIC = '1.3.6.1.5.5.7.48.1.1';
/** RFC 6960 §4.2.1 OCSPResponseStatus. */
const STATUSES: ReadonlyMap<number, string> = new Map([
  [1, 'malformedRequest'],
  [2, 'internalError'],
  [3, 'tryLater'],
  [5, 'sigRequired'],
  [6, 'unauthorized'],
]);

/** @throws {SyntaxError} for everything but a successful basic response, and for critical extensions in it. */
export function parseOcspResponse(der: Buffer): OcspResponse {
  if (der.length > MAX_OCSP) {
    throw new SyntaxError(`expected an OCSP response of at most ${MAX_OCSP} bytes`);
  }
  const response = sequence(readDer(der, 'the OCSP response'), 'the OCSP response');
  const status = readEnumerated(response.take(ENUMERATED, 'a status'), 'the OCSP status');
  if (status !== 0) {
    const name = STATUSES.get(status) ?? `status ${status}`;
    throw new SyntaxError(`expected a successful OCSP response, got ${name}`);
  }
  const wrapper = inner(response.take(context(0), 'responseBytes'), 'responseBytes');
  response.end();
  const typed = sequence(wrapper, 'responseBytes');
  if (parseOid(typed.takeAny(), 'the type of the OCSP response') !== BASIC) {
    throw new SyntaxError('expected a basic OCSP response');
  }
  const basic = inner(typed.take(TAG.octetString, 'response'), 'the basic OCSP response');
  typed.end();
  return readBasic(sequence(basic, 'the basic OCSP response'));
}

function readBasic(basic: Fields): OcspResponse {
  const data = basic.take(TAG.sequence, 'tbsResponseData');
  const algorithm = parseSignatureAlgorithm(basic.take(TAG.sequence, 'signatureAlgorithm'));
  const signature = parseOctetBits(basic.takeAny(), 'the signature of the OCSP response');
  const certificates = basic.takeIf(context(0));
  basic.end();
  return {
    signed: data.raw,
    algorithm,
    signature,
    ...readData(sequence(data, 'tbsResponseData')),
    certificates: certificates === undefined ? [] : readCertificates(certificates),
  };
}

function readCertificates(field: Der): readonly Buffer[] {
  const what = 'the certificates of the OCSP response';
  const list = requireTag(inner(field, what), TAG.sequence, `${what} to be a list`);
  const members = membersOf(list, what);
  if (members.length > MAX_RESPONDERS) {
    throw new SyntaxError(`expected at most ${MAX_RESPONDERS} certificates in the OCSP response`);
  }
  return members.map(({ raw }) => raw);
}

function readData(data: Fields): Pick<OcspResponse, 'responder' | 'producedAt' | 'answers'> {
  // [0] would be a version, and version 1 is never written (X.690 §11.5).
  const responder = readResponder(data.takeAny());
  const producedAt = parseTime(data.take(TAG.generalizedTime, 'producedAt'), 'producedAt');
  const list = membersOf(data.take(TAG.sequence, 'responses'), 'the answers of OCSP');
  requireNothingCritical(data.takeIf(context(1)), 'the OCSP response');
  data.end();
  if (list.length > MAX_ANSWERS) {
    throw new SyntaxError(`expected at most ${MAX_ANSWERS} answers of OCSP, got ${list.length}`);
  }
  return { responder, producedAt, answers: list.map((member) => readAnswer(member)) };
}

function readResponder(id: Der | undefined): OcspResponse['responder'] {
  const what = 'responderID';
  if (id?.tag === context(1)) {
    return { rawName: requireTag(inner(id, what), TAG.sequence, 'a name of the responder').raw };
  }
  if (id?.tag === context(2)) {
    return { keyHash: requireTag(inner(id, what), TAG.octetString, 'a key hash').content };
  }
  throw new SyntaxError('expected a responderID by name or by key');
}

function readAnswer(member: Der): OcspAnswer {
  const fields = sequence(member, 'an answer of OCSP');
  const id = readCertificateId(fields.take(TAG.sequence, 'certID'));
  const status = readStatus(fields.takeAny());
  const thisUpdate = parseTime(fields.take(TAG.generalizedTime, 'thisUpdate'), 'thisUpdate');
  const next = fields.takeIf(context(0));
  const nextUpdate = next && parseTime(generalizedTimeIn(next), 'nextUpdate');
  requireNothingCritical(fields.takeIf(context(1)), 'the answer of OCSP');
  fields.end();
  return { id, status, thisUpdate, nextUpdate };
}

function generalizedTimeIn(field: Der): Der {
  return requireTag(inner(field, 'nextUpdate'), TAG.generalizedTime, 'nextUpdate to be a time');
}

function readCertificateId(field: Der): CertificateId {
  const fields = sequence(field, 'certID');
  const algorithm = sequence(fields.take(TAG.sequence, 'hashAlgorithm'), 'hashAlgorithm');
  const hash = parseOid(algorithm.takeAny(), 'hashAlgorithm');
  algorithm.takeIf(TAG.null);
  algorithm.end();
  const issuerNameHash = fields.take(TAG.octetString, 'issuerNameHash').content;
  const issuerKeyHash = fields.take(TAG.octetString, 'issuerKeyHash').content;
  const serialNumber = parseIntegerBytes(fields.takeAny(), 'the serial number in certID');
  fields.end();
  return { hash, issuerNameHash, issuerKeyHash, serialNumber };
}

function readStatus(field: Der | undefined): OcspAnswer['status'] {
  const isEmpty = field?.content.length === 0;
  if (field?.tag === contextPrimitive(0) && isEmpty) return 'good';
  if (field?.tag === contextPrimitive(2) && isEmpty) return 'unknown';
  if (field?.tag !== context(1)) throw new SyntaxError('expected the status of a certificate');
  // [1] IMPLICIT RevokedInfo: the sequence under another tag.
  const info = sequence({ ...field, tag: TAG.sequence }, 'the revocation');
  const at = parseTime(info.take(TAG.generalizedTime, 'revocationTime'), 'revocationTime');
  const reason = info.takeIf(context(0));
  info.end();
  if (reason === undefined) return { at, reason: 0 };
  const value = requireTag(inner(reason, 'revocationReason'), ENUMERATED, 'a reason');
  return { at, reason: readEnumerated(value, 'revocationReason') };
}

/** No critical extension of OCSP is understood here; a nonce, which nobody asked for, is none. */
function requireNothingCritical(field: Der | undefined, what: string): void {
  if (field === undefined) return;
  const { extensions } = readExtensions(inner(field, `the extensions of ${what}`));
  for (const [oid, { critical }] of extensions) {
    if (critical) throw new SyntaxError(`${what} has the unknown critical extension ${oid}`);
  }
}

function readEnumerated({ content }: Der, what: string): number {
  const [value] = content;
  if (content.length !== 1 || value === undefined || value > 127) {
    throw new SyntaxError(`expected ${what} to be a small number`);
  }
  return value;
}
