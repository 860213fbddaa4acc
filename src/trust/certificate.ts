/** X.509 certificates, read strictly once, with what verification asks of them (RFC 5280). */
import { X509Certificate } from 'node:crypto';
import { digestOf, type Digest } from '../oci/digest.ts';
import { context, contextPrimitive, inner, readDer, sequence, TAG, type Der } from './der.ts';
import { hasFraction, parseIntegerBytes, parseOctetBits, parseTime } from './der-values.ts';
import { parsePublicKey, type PublicKey } from './public-key.ts';
import { parseSignatureAlgorithm, verifyExactly } from './signature-algorithm.ts';
import { readExtensions, type Extension, type KeyUsage } from './x509-extensions.ts';

export type { Extension, KeyUsage } from './x509-extensions.ts';

export interface Certificate {
  readonly der: Buffer;
  /** SHA-256 of `der`. */
  readonly fingerprint: Digest;
  /** For people, on one line. */
  readonly subject: string;
  /** For people, on one line. */
  readonly issuer: string;
  /** DER of the Name, for comparisons. */
  readonly rawSubject: Buffer;
  /** DER of the Name, for comparisons. */
  readonly rawIssuer: Buffer;
  /** Content of the INTEGER. */
  readonly serialNumber: Buffer;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  readonly publicKey: PublicKey;
  /** DER of the SubjectPublicKeyInfo as it stands in the certificate. */
  readonly rawPublicKey: Buffer;
  /** Whether it may sign certificates: basicConstraints says so, and keyUsage where it is there (§6.1.4 k, n). */
  readonly isCa: boolean;
  /** Whether basicConstraints says so, whatever the key is for: such a one is no signer of anything else. */
  readonly claimsCa: boolean;
  /** pathLenConstraint. */
  readonly maxPathLength: number | undefined;
  /** Undefined where the extension is absent, which allows everything. */
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined;
  /** Dotted OIDs of extendedKeyUsage; undefined where the extension is absent. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** Content of the subjectKeyIdentifier. */
  readonly subjectKeyId: Buffer | undefined;
  /** By dotted OID; an OID that comes twice makes the certificate unreadable. */
  readonly extensions: ReadonlyMap<string, Extension>;
  /** Whether this certificate's signature was made by the other's key. Signatures with SHA-1 never were. */
  isSignedBy(issuer: Certificate): boolean;
}

/** Bytes of one certificate. */
export const MAX_CERTIFICATE = 64 * 1024;

// RFC 5280 §4.1.2.2: at most 20 octets; zero and negative ones are to be put up with.
const MAX_SERIAL = 21;
const V3 = 2;

/**
 * Reads one DER certificate.
 * @throws {SyntaxError} for bytes that two readers could read differently, and for keys that are weak or unknown.
 */
export function parseCertificate(der: Buffer): Certificate {
  if (der.length > MAX_CERTIFICATE) {
    throw new SyntaxError('expected a certificate of at most 64 KiB');
  }
  return read(Buffer.from(der));
}

function read(der: Buffer): Certificate {
  const what = 'the certificate';
  const whole = sequence(readDer(der, what), what);
  const tbs = whole.take(TAG.sequence, 'tbsCertificate');
  const algorithmField = whole.take(TAG.sequence, 'signatureAlgorithm');
  const algorithm = parseSignatureAlgorithm(algorithmField);
  const signature = parseOctetBits(
    whole.take(TAG.bitString, 'signatureValue'),
    'the signature of the certificate',
  );
  whole.end();
  const body = readTbs(tbs);
  // RFC 5280 §4.1.1.2: what is signed has to name the same algorithm.
  if (!body.algorithm.raw.equals(algorithmField.raw)) {
    throw new SyntaxError('expected one signature algorithm of the certificate, got two');
  }
  // OpenSSL as a second reader: what it cannot read either, nobody should believe.
  const x509 = open(der);
  const names = { subject: oneLine(x509.subject), issuer: oneLine(x509.issuer) };
  return {
    der,
    fingerprint: digestOf(der),
    ...names,
    ...body.fields,
    publicKey: parsePublicKey(publicKeyOf(x509), `certificate of ${names.subject}`),
    isSignedBy: (issuer) =>
      algorithm !== undefined && verifyExactly(algorithm, issuer.publicKey, tbs.raw, signature),
  };
}

function readTbs(tbs: Der): {
  readonly algorithm: Der;
  readonly fields: Omit<
    Certificate,
    'der' | 'fingerprint' | 'subject' | 'issuer' | 'publicKey' | 'isSignedBy'
  >;
} {
  const fields = sequence(tbs, 'tbsCertificate');
  const version = readVersion(fields.takeIf(context(0)));
  const serialNumber = parseIntegerBytes(
    fields.take(TAG.integer, 'serialNumber'),
    'the serial number',
  );
  if (serialNumber.length > MAX_SERIAL) {
    throw new SyntaxError('expected a serial number of at most 20 bytes');
  }
  const algorithm = fields.take(TAG.sequence, 'signature');
  const rawIssuer = fields.take(TAG.sequence, 'issuer').raw;
  const validity = sequence(fields.take(TAG.sequence, 'validity'), 'validity');
  const notBefore = readTime(validity.takeAny(), 'notBefore');
  const notAfter = readTime(validity.takeAny(), 'notAfter');
  validity.end();
  const rawSubject = fields.take(TAG.sequence, 'subject').raw;
  const rawPublicKey = fields.take(TAG.sequence, 'subjectPublicKeyInfo').raw;
  // Unique identifiers: nobody asks for them.
  fields.takeIf(contextPrimitive(1));
  fields.takeIf(contextPrimitive(2));
  const extensions = fields.takeIf(context(3));
  fields.end();
  if (extensions !== undefined && version !== V3) {
    throw new SyntaxError('expected a certificate with extensions to be of version 3');
  }
  return {
    algorithm,
    fields: {
      rawSubject,
      rawIssuer,
      serialNumber,
      notBefore,
      notAfter,
      rawPublicKey,
      ...readExtensions(extensions && inner(extensions, 'the extensions')),
    },
  };
}

function readVersion(field: Der | undefined): number {
  if (field === undefined) return 0;
  const version = parseIntegerBytes(inner(field, 'the version'), 'the version');
  // X.690 §11.5: version 1 is the default and never written.
  if (version.length !== 1 || (version[0] !== 1 && version[0] !== V3)) {
    throw new SyntaxError('expected a certificate of version 3');
  }
  return version[0];
}

function readTime(element: Der | undefined, what: string): number {
  // RFC 5280 §4.1.2.5.2: no fractions of a second.
  if (element !== undefined && hasFraction(element)) {
    throw new SyntaxError(`expected ${what} to be whole seconds`);
  }
  return parseTime(element, what);
}

function open(der: Buffer): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (error) {
    throw new SyntaxError('the certificate cannot be read', { cause: error });
  }
}

function publicKeyOf(x509: X509Certificate): X509Certificate['publicKey'] {
  try {
    return x509.publicKey;
  } catch (error) {
    throw new SyntaxError('the public key of the certificate cannot be read', { cause: error });
  }
}

/** Characters of a name in a message. */
const MAX_NAME = 200;
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** `O=sigstore.dev, CN=sigstore`; a certificate without a name has an empty one. */
function oneLine(name: string | undefined): string {
  const line = (name ?? '').split('\n').join(', ').replaceAll(UNPRINTABLE, '?');
  return line.length > MAX_NAME ? `${line.slice(0, MAX_NAME)}…` : line;
}
