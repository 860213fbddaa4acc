/** A certificate-transparency log (RFC 6962) that promises to log whatever it is shown. */
import type { Validity } from '../../../src/trust/trust-root.ts';
import { createKey, sha, type KeyKind, type TestKey } from './key.ts';

export interface CertificateLog {
  readonly key: TestKey;
  /** SHA-256 of the key. */
  readonly id: Buffer;
  readonly origin: string;
  readonly validity: Validity;
  /** A signed certificate timestamp over a certificate that has none yet. */
  promise(tbs: Buffer, issuer: TestKey, time: number): Buffer;
}

export interface CertificateLogOptions {
  readonly kind?: KeyKind;
  readonly origin?: string;
  readonly validity?: Validity;
}

export function createCertificateLog(options: CertificateLogOptions = {}): CertificateLog {
  const { kind = 'p256', origin = 'ctfe.sigstore.test' } = options;
  const key = createKey(kind);
  const id = sha('sha256', key.spki);
  return {
    key,
    id,
    origin,
    validity: options.validity ?? { start: 0, end: Infinity },
    promise: (tbs, issuer, time) => {
      const at = Buffer.alloc(8);
      at.writeBigUInt64BE(BigInt(time));
      // RFC 6962 §3.2: version, certificate_timestamp, time, precert_entry, issuer, certificate, no extensions.
      const signed = Buffer.concat([
        Buffer.from([0, 0]),
        at,
        Buffer.from([0, 1]),
        sha('sha256', issuer.spki),
        bigEndian(tbs.length, 3),
        tbs,
        Buffer.from([0, 0]),
      ]);
      const signature = key.sign(signed, 'sha256');
      return Buffer.concat([
        Buffer.from([0]),
        id,
        at,
        Buffer.from([0, 0]),
        // RFC 5246 §7.4.1.4.1: SHA-256 with ECDSA or RSA.
        Buffer.from([4, kind === 'rsa' ? 1 : 3]),
        bigEndian(signature.length, 2),
        signature,
      ]);
    },
  };
}

function bigEndian(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}
