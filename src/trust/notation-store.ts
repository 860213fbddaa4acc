/** Files of Notation trust stores: certificates and revocation lists, in PEM or DER. */
import { parseCertificate, type Certificate } from './certificate.ts';
import { readDer, readElement, requireTag, TAG } from './der.ts';
import type { NotationStoreFile } from './notation-root.ts';
import { parseCertificates } from './pem.ts';

/** Bytes of one file of certificates. */
export const MAX_STORE_FILE = 1024 * 1024;
/** Bytes of one file of revocation lists. */
export const MAX_REVOCATION_FILE = 32 * 1024 * 1024;

const MAX_CERTIFICATES = 64;
/** RFC 7468 §6. */
const CRL_BLOCK = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]*)-----END X509 CRL-----/g;

/**
 * Reads every certificate of a file: PEM blocks, or DER certificates one after the other.
 * @throws {SyntaxError} that begins with the label, for anything else in the file.
 */
export function parseStoreFile(bytes: Buffer, label: string): NotationStoreFile {
  if (bytes.length > MAX_STORE_FILE) throw new SyntaxError(`${label}: expected at most 1 MiB`);
  const certificates = isDer(bytes)
    ? labelled(label, () => readCertificates(bytes))
    : parseCertificates(bytes.toString('latin1'), label);
  return { label, certificates };
}

/**
 * The DER of every revocation list of a file. What they say, and who says it, is read where it is asked for.
 * @throws {SyntaxError} that begins with the label.
 */
export function parseRevocationListFile(bytes: Buffer, label: string): readonly Buffer[] {
  if (bytes.length > MAX_REVOCATION_FILE) {
    throw new SyntaxError(`${label}: expected at most 32 MiB`);
  }
  const lists = isDer(bytes) ? [bytes] : readPemLists(bytes.toString('latin1'), label);
  return labelled(label, () =>
    lists.map(
      (der) => requireTag(readDer(der, 'the revocation list'), TAG.sequence, 'a sequence').raw,
    ),
  );
}

function isDer(bytes: Buffer): boolean {
  return bytes[0] === TAG.sequence;
}

function readCertificates(bytes: Buffer): readonly Certificate[] {
  const certificates: Certificate[] = [];
  for (let at = 0; at < bytes.length;) {
    if (certificates.length >= MAX_CERTIFICATES) {
      throw new SyntaxError(`expected at most ${MAX_CERTIFICATES} certificates`);
    }
    const { raw } = readElement(bytes, at, 'the certificate');
    certificates.push(parseCertificate(raw));
    at += raw.length;
  }
  return certificates;
}

function readPemLists(text: string, label: string): readonly Buffer[] {
  const blocks = [...text.matchAll(CRL_BLOCK)];
  if (blocks.length === 0 || text.split('-----BEGIN').length - 1 !== blocks.length) {
    throw new SyntaxError(`${label}: expected DER, or PEM blocks "BEGIN X509 CRL" and no others`);
  }
  return blocks.map(([, body = '']) => {
    const base64 = body.replaceAll(/\s/g, '');
    const der = Buffer.from(base64, 'base64');
    if (der.toString('base64') === base64) return der;
    throw new SyntaxError(`${label}: expected base64 in every block`);
  });
}

function labelled<T>(label: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`${label}: ${error.message}`, { cause: error });
  }
}
