/** Certificates in PEM (RFC 7468 §5), one or many. */
import { parseCertificate, type Certificate } from './certificate.ts';

/** Certificates in one text. */
const MAX_CERTIFICATES = 64;
/** Characters of one text. */
const MAX_PEM = 1024 * 1024;
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/**
 * Reads every `CERTIFICATE` block, in the order of the text.
 * @throws {SyntaxError} when there is none, for any other kind of block, and for certificates that cannot be read.
 * The message never quotes the text.
 */
export function parseCertificates(pem: string, label: string): readonly Certificate[] {
  if (pem.length > MAX_PEM) throw new SyntaxError(`${label}: expected at most 1 MiB`);
  const blocks = [...pem.matchAll(BLOCK)];
  const begun = pem.split('-----BEGIN').length - 1;
  if (begun === 0) {
    throw new SyntaxError(`${label}: expected a PEM block "BEGIN CERTIFICATE", found none`);
  }
  if (begun !== blocks.length) {
    throw new SyntaxError(`${label}: expected every PEM block to be whole`);
  }
  if (blocks.length > MAX_CERTIFICATES) {
    throw new SyntaxError(
      `${label}: expected at most ${MAX_CERTIFICATES} certificates, got ${blocks.length}`,
    );
  }
  return blocks.map(([, kind, body = ''], index) => {
    if (kind !== 'CERTIFICATE') {
      throw new SyntaxError(`${label}: expected "BEGIN CERTIFICATE", got "BEGIN ${kind ?? ''}"`);
    }
    const text = body.replaceAll(/\s/g, '');
    const der = Buffer.from(text, 'base64');
    if (der.toString('base64') !== text) {
      throw new SyntaxError(`${label}: expected base64 in certificate ${index + 1}`);
    }
    try {
      return parseCertificate(der);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new SyntaxError(`${label}: certificate ${index + 1}: ${error.message}`, {
        cause: error,
      });
    }
  });
}
