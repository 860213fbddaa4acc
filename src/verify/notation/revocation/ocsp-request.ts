/** Requests to OCSP responders (RFC 6960 §4.1, RFC 5019 §2.1.1): about one certificate, without a nonce. */
import { createHash } from 'node:crypto';
import type { Certificate } from '../../../trust/certificate.ts';
import { readDer, sequence, TAG, writeDer } from '../../../trust/der.ts';
import { parseOctetBits } from '../../../trust/der-values.ts';

/** CertID: which certificate is meant. */
export interface CertificateId {
  /** Dotted OID of the hash. */
  readonly hash: string;
  readonly issuerNameHash: Buffer;
  readonly issuerKeyHash: Buffer;
  /** Content of the INTEGER. */
  readonly serialNumber: Buffer;
}

/** RFC 5019 §2.1.1: responders know SHA-1 alone. It tells certificates apart here and proves nothing. */
const SHA1 = '1.3.14.3.2.26';
const SHA1_IDENTIFIER = Buffer.from('300906052b0e03021a0500', 'hex');

export function certificateIdOf(certificate: Certificate, issuer: Certificate): CertificateId {
  return {
    hash: SHA1,
    issuerNameHash: sha1(issuer.rawSubject),
    issuerKeyHash: publicKeyHash(issuer),
    serialNumber: certificate.serialNumber,
  };
}

/** SHA-1 of the key's bits without tag, length and unused bits (RFC 6960 §4.2.1 KeyHash). */
export function publicKeyHash({ rawPublicKey }: Certificate): Buffer {
  const what = 'subjectPublicKeyInfo';
  const fields = sequence(readDer(rawPublicKey, what), what);
  fields.take(TAG.sequence, 'algorithm');
  return sha1(parseOctetBits(fields.takeAny(), 'subjectPublicKey'));
}

export function writeOcspRequest(id: CertificateId): Buffer {
  const certId = writeSequence(
    SHA1_IDENTIFIER,
    writeDer(TAG.octetString, id.issuerNameHash),
    writeDer(TAG.octetString, id.issuerKeyHash),
    writeDer(TAG.integer, id.serialNumber),
  );
  // OCSPRequest { tbsRequest { requestList { Request { reqCert } } } }
  return writeSequence(writeSequence(writeSequence(writeSequence(certId))));
}

export function isSameCertificate(one: CertificateId, other: CertificateId): boolean {
  return (
    one.hash === other.hash &&
    one.issuerNameHash.equals(other.issuerNameHash) &&
    one.issuerKeyHash.equals(other.issuerKeyHash) &&
    one.serialNumber.equals(other.serialNumber)
  );
}

function writeSequence(...parts: readonly Buffer[]): Buffer {
  return writeDer(TAG.sequence, Buffer.concat(parts));
}

function sha1(bytes: Buffer): Buffer {
  return createHash('sha1').update(bytes).digest();
}
