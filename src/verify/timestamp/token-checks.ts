/** What holds of a timestamp token whoever is trusted: it is of this data, and this certificate's key made it. */
import { createHash } from 'node:crypto';
import { parseCertificate, type Certificate } from '../../trust/certificate.ts';
import { verifyExactly } from '../../trust/signature-algorithm.ts';
import type { TimestampToken } from './token.ts';

/** The certificates that came along, without those that cannot be read. */
export function certificatesAlong(token: TimestampToken): readonly Certificate[] {
  return token.certificates.flatMap((der) => readable(der) ?? []);
}

function readable(der: Buffer): Certificate | undefined {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Whether the token says that the certificate's key signed it. */
export function isNamed(certificate: Certificate, { signer }: TimestampToken): boolean {
  return 'subjectKeyId' in signer
    ? certificate.subjectKeyId?.equals(signer.subjectKeyId) === true
    : certificate.rawIssuer.equals(signer.rawIssuer) &&
        certificate.serialNumber.equals(signer.serialNumber);
}

/** @throws {SyntaxError} unless the signer's key stamped exactly the data. */
export function requireToken(token: TimestampToken, data: Uint8Array, signer: Certificate): void {
  const { imprint, digestHash, algorithm } = token;
  // SHA-1 has collisions: one time would serve for two contents.
  if (imprint.hash === undefined || digestHash === undefined || algorithm === undefined) {
    throw new SyntaxError('expected a timestamp with SHA-256, SHA-384 or SHA-512');
  }
  if (!createHash(imprint.hash).update(data).digest().equals(imprint.digest)) {
    throw new SyntaxError('the timestamp is of something else');
  }
  if (!createHash(digestHash).update(token.info).digest().equals(token.messageDigest)) {
    throw new SyntaxError('the signed digest of the timestamp is of something else');
  }
  for (const { hash, digest } of token.certificateHashes) {
    if (hash === undefined || !createHash(hash).update(signer.der).digest().equals(digest)) {
      throw new SyntaxError("the timestamp names another certificate than its authority's");
    }
  }
  if (!verifyExactly(algorithm, signer.publicKey, token.signedAttributes, token.signature)) {
    throw new SyntaxError('the signature of the timestamp does not hold');
  }
}
