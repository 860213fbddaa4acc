/** RFC 3161 countersignatures of Notation envelopes (trust-store-trust-policy.md "Validate Trusted Timestamp"). */
import type { Certificate } from '../../trust/certificate.ts';
import { sequence, contextPrimitive, TAG } from '../../trust/der.ts';
import { parseSmallInteger } from '../../trust/der-values.ts';
import { findCertificatePath, PURPOSE } from '../sigstore/certificate-path.ts';
import { certificatesAlong, isNamed, requireToken } from '../timestamp/token-checks.ts';
import { parseTimestampToken, type TimestampToken } from '../timestamp/token.ts';
import { requireTimestampingChain } from './certificate-profile.ts';

/** What a countersignature proves: the signature was there by then. Milliseconds since the epoch. */
export interface Countersignature {
  readonly earliest: number;
  readonly latest: number;
  /** The authority's, its own certificate first, a root of the store last. */
  readonly chain: readonly Certificate[];
}

/** How far an authority's clock may be ahead of ours. Milliseconds. */
const MAX_AHEAD = 5 * 60_000;

// ETSI EN 319 421 §5.2, RFC 3628 §5.2: whoever stamps under it vouches for a second.
const BASELINE_POLICY = '0.4.0.2023.1.1';

/**
 * Checks a bare token over the signature's bytes.
 * @param roots - The trust root's `tsa` store.
 * @param now - Milliseconds since the epoch.
 * @throws {SyntaxError} when it is malformed or does not hold.
 * @throws {UntrustedError} when it leads to none of the roots.
 */
export function verifyCountersignature(
  der: Buffer,
  signature: Buffer,
  roots: readonly Certificate[],
  now: number,
): Countersignature {
  const token = parseTimestampToken(der);
  const along = certificatesAlong(token);
  const signer = along.find((certificate) => isNamed(certificate, token));
  if (signer === undefined) {
    throw new SyntaxError('expected the timestamp to bring the certificate that it is signed with');
  }
  // SHA-1, which version 1 is bound to, would serve for two certificates.
  if (!token.certificateHashes.some(({ version }) => version === 2)) {
    throw new SyntaxError('expected the timestamp to name its certificate in signingCertificateV2');
  }
  requireToken(token, signature, signer);
  if (token.time > now + MAX_AHEAD) throw new SyntaxError('the timestamp is from the future');
  const others = along.filter((certificate) => certificate !== signer);
  const authorities = roots.map((root) => ({
    name: root.subject,
    chain: [root],
    validity: { start: -Infinity, end: Infinity },
  }));
  const { timeStamping } = PURPOSE;
  const { path } = findCertificatePath(signer, others, authorities, [token.time], timeStamping);
  requireTimestampingChain(path);
  const accuracy = accuracyOf(token);
  return { earliest: token.time - accuracy, latest: token.time + accuracy, chain: path };
}

/** Milliseconds that the time may be off, either way (RFC 3161 §2.4.2). */
function accuracyOf({ accuracy, policy }: TimestampToken): number {
  const stated = accuracy === undefined ? 0 : readAccuracy(accuracy);
  return stated === 0 && policy === BASELINE_POLICY ? 1000 : stated;
}

function readAccuracy(accuracy: NonNullable<TimestampToken['accuracy']>): number {
  const fields = sequence(accuracy, 'the accuracy');
  const seconds = fields.takeIf(TAG.integer);
  const parts = [0, 1].map((number) => {
    const part = fields.takeIf(contextPrimitive(number));
    if (part === undefined) return 0;
    const value = parseSmallInteger({ ...part, tag: TAG.integer }, 'the accuracy');
    if (value < 1 || value > 999)
      throw new SyntaxError('expected the accuracy in parts of 1 to 999');
    return value;
  });
  fields.end();
  const [milliseconds = 0, microseconds = 0] = parts;
  const whole = seconds === undefined ? 0 : parseSmallInteger(seconds, 'the accuracy');
  return whole * 1000 + milliseconds + microseconds / 1000;
}
