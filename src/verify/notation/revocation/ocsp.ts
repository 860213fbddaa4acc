/** What an OCSP response proves about one certificate (RFC 6960 §3.2, §4.2.2). */
import { parseCertificate, type Certificate } from '../../../trust/certificate.ts';
import { isIssuedBy } from '../../../trust/chain.ts';
import { verifyExactly } from '../../../trust/signature-algorithm.ts';
import { findUnknownCritical } from '../../../trust/x509-extensions.ts';
import { MAX_AHEAD } from './bounds.ts';
import { certificateIdOf, isSameCertificate, publicKeyHash } from './ocsp-request.ts';
import { parseOcspResponse, type OcspAnswer, type OcspResponse } from './ocsp-response.ts';
import { REASON, revoked, type Standing } from './standing.ts';

/** RFC 6960 §4.2.2.2, §4.2.2.2.1. */
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';
const NO_CHECK = '1.3.6.1.5.5.7.48.1.5';

export interface OcspJudgement {
  readonly standing: Standing;
  /** A responder that the authority delegated to and whose own standing has to be asked for before it is believed. */
  readonly unchecked?: Certificate;
}

/**
 * Judges a response to a question about the certificate.
 * @param issuer - Proven to have signed the certificate.
 * @param now - Milliseconds since the epoch.
 * @throws {SyntaxError} for a response that is malformed, out of date, about another certificate, by somebody who may not
 * say so, or that does not know the certificate.
 */
export function judgeOcsp(
  bytes: Buffer,
  certificate: Certificate,
  issuer: Certificate,
  now: number,
): OcspJudgement {
  const response = parseOcspResponse(bytes);
  const signer = findSigner(response, issuer, now);
  const { algorithm, signed, signature } = response;
  if (algorithm === undefined || !verifyExactly(algorithm, signer.publicKey, signed, signature)) {
    throw new SyntaxError('the signature of the OCSP response does not hold');
  }
  const isDelegated = signer !== issuer;
  const standing = judgeAnswer(findAnswer(response, certificate, issuer), certificate, now);
  if (response.producedAt > now + MAX_AHEAD) {
    throw new SyntaxError('the OCSP response is from the future');
  }
  return {
    standing:
      standing.state === 'good' && isDelegated
        ? { ...standing, until: Math.min(standing.until, signer.notAfter) }
        : standing,
    // trust-store-trust-policy.md "Revocation Checking with OCSP", 4.
    ...(isDelegated && !signer.extensions.has(NO_CHECK) ? { unchecked: signer } : {}),
  };
}

function findAnswer(
  { answers }: OcspResponse,
  certificate: Certificate,
  issuer: Certificate,
): OcspAnswer {
  const asked = certificateIdOf(certificate, issuer);
  const [answer, ...others] = answers.filter(({ id }) => isSameCertificate(id, asked));
  if (answer === undefined || others.length > 0) {
    throw new SyntaxError(
      `expected one answer of OCSP about ${certificate.subject}, got ${answer === undefined ? 'none' : 'several'}`,
    );
  }
  return answer;
}

function judgeAnswer(
  { status, thisUpdate, nextUpdate }: OcspAnswer,
  certificate: Certificate,
  now: number,
): Standing {
  if (thisUpdate > now + MAX_AHEAD) throw new SyntaxError('the OCSP answer is from the future');
  // What is revoked stays so, however old the answer is; only a hold may have been lifted since.
  if (typeof status === 'object' && status.reason !== REASON.certificateHold) {
    return revoked(certificate, status, 'OCSP');
  }
  // Without it an answer could be shown for ever (RFC 5019 §2.2.4 has it required).
  if (nextUpdate === undefined) throw new SyntaxError('the OCSP answer has no nextUpdate');
  if (nextUpdate <= now) throw new SyntaxError('the OCSP answer is out of date');
  if (typeof status === 'object') return revoked(certificate, status, 'OCSP');
  if (status === 'good') return { state: 'good', until: nextUpdate };
  throw new SyntaxError(`the OCSP responder does not know ${certificate.subject}`);
}

/** The authority itself, or one that it issued a certificate for OCSP to, directly. */
function findSigner(response: OcspResponse, issuer: Certificate, now: number): Certificate {
  if (isNamed(issuer, response)) return issuer;
  for (const der of response.certificates) {
    const certificate = readable(der);
    if (certificate === undefined || !isNamed(certificate, response)) continue;
    requireResponder(certificate, issuer, now);
    return certificate;
  }
  throw new SyntaxError('the OCSP response is by nobody that the authority named');
}

function isNamed(certificate: Certificate, { responder }: OcspResponse): boolean {
  return 'rawName' in responder
    ? certificate.rawSubject.equals(responder.rawName)
    : publicKeyHash(certificate).equals(responder.keyHash);
}

function readable(der: Buffer): Certificate | undefined {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function requireResponder(certificate: Certificate, issuer: Certificate, now: number): void {
  const { subject, extendedKeyUsage, keyUsage, notBefore, notAfter, extensions } = certificate;
  if (!isIssuedBy(certificate, issuer)) {
    throw new SyntaxError(`the OCSP responder ${subject} was not issued by ${issuer.subject}`);
  }
  // Else any certificate of the authority could speak for it; anyExtendedKeyUsage is no delegation.
  if (extendedKeyUsage?.includes(OCSP_SIGNING) !== true) {
    throw new SyntaxError(`the OCSP responder ${subject} has no extended key usage OCSPSigning`);
  }
  if (keyUsage?.has('digitalSignature') === false) {
    throw new SyntaxError(`the key of the OCSP responder ${subject} is not for signatures`);
  }
  if (now < notBefore || now > notAfter) {
    throw new SyntaxError(`the certificate of the OCSP responder ${subject} is not valid now`);
  }
  const unknown = findUnknownCritical(new Map([...extensions].filter(([oid]) => oid !== NO_CHECK)));
  if (unknown !== undefined) {
    throw new SyntaxError(
      `the OCSP responder ${subject} has the unknown critical extension ${unknown}`,
    );
  }
}
