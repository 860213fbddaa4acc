/** Times that a timestamp authority proves: RFC 3161. */
import type { ProvenTime } from '../../policy/evidence.ts';
import type { Certificate } from '../../trust/certificate.ts';
import type { CertificateAuthority } from '../../trust/trust-root.ts';
import { EXTENSION } from '../../trust/x509-extensions.ts';
import { UntrustedError } from '../candidate.ts';
import { certificatesAlong, isNamed, requireToken } from '../timestamp/token-checks.ts';
import { parseTimestampResponse, type TimestampToken } from '../timestamp/token.ts';
import { findCertificatePath, PURPOSE } from './certificate-path.ts';

/** How far an authority's clock may be ahead of ours. Milliseconds. */
const MAX_AHEAD = 5 * 60_000;

/**
 * Checks one response over the data.
 * @param authorities - Those of one trust root; authorities under one name or one root's key are one (key rotation).
 * @param trustRoot - The root's configured name.
 * @param now - Milliseconds since the epoch.
 * @returns the proven time; `unknown-authority` when none of the authorities signed it: it counts for nothing.
 * @throws {SyntaxError} when it is malformed, or said to be by a known authority and does not hold.
 */
export function verifyTimestamp(
  der: Buffer,
  data: Uint8Array,
  authorities: readonly CertificateAuthority[],
  trustRoot: string,
  now: number,
): ProvenTime | 'unknown-authority' {
  const token = parseTimestampResponse(der);
  let obstacle: SyntaxError | undefined;
  for (const authority of authorities) {
    try {
      const signer = findSigner(token, authority);
      if (signer === undefined) continue;
      requireToken(token, data, signer);
      if (token.time > now + MAX_AHEAD) throw new SyntaxError('the timestamp is from the future');
      return {
        trustRoot,
        source: 'timestamp-authority',
        authority: authorityId(authority, authorities),
        name: authority.name,
        time: token.time,
      };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      // The same authority may be listed again with another validity.
      obstacle ??= error;
    }
  }
  if (obstacle !== undefined) throw obstacle;
  return 'unknown-authority';
}

/**
 * The certificate that the token names, if the authority vouches for it at the time. What came along with the token is
 * believed only as far as the authority's own certificates signed it (CVE-2026-39984).
 */
function findSigner(
  token: TimestampToken,
  authority: CertificateAuthority,
): Certificate | undefined {
  const [own] = authority.chain;
  if (own === undefined) return undefined;
  if (!own.claimsCa) {
    if (!isNamed(own, token)) return undefined;
    requireTimestampingLeaf(own);
    requirePath(own, [], token, authority);
    return own;
  }
  const along = certificatesAlong(token);
  const leaf = along.find((certificate) => isNamed(certificate, token));
  if (leaf === undefined) return undefined;
  const others = along.filter((certificate) => certificate !== leaf);
  try {
    requirePath(leaf, others, token, authority);
  } catch (error) {
    if (error instanceof UntrustedError) return undefined;
    throw error;
  }
  requireTimestampingLeaf(leaf);
  // RFC 3161 §2.3. Of an authority's own certificate that the trust root names, GitHub's lacks it.
  if (leaf.extensions.get(EXTENSION.extendedKeyUsage)?.critical !== true) {
    throw new SyntaxError("expected the authority's certificate to be for timestamps critically");
  }
  return leaf;
}

/** RFC 3161 §2.3: a key for timestamps and nothing else. */
function requireTimestampingLeaf({ claimsCa, extendedKeyUsage, keyUsage }: Certificate): void {
  const [purpose, ...others] = extendedKeyUsage ?? [];
  if (claimsCa || purpose !== PURPOSE.timeStamping || others.length > 0) {
    throw new SyntaxError("expected the authority's certificate to be for timestamps only");
  }
  if (keyUsage?.has('digitalSignature') === false) {
    throw new SyntaxError("expected the key of the authority's certificate to be for signatures");
  }
}

function requirePath(
  leaf: Certificate,
  along: readonly Certificate[],
  { time }: TimestampToken,
  authority: CertificateAuthority,
): void {
  findCertificatePath(leaf, along, [authority], [time], PURPOSE.timeStamping);
}

/** One id for all that share a name or a root's key: two keys of one authority are no two authorities. */
function authorityId(
  authority: CertificateAuthority,
  authorities: readonly CertificateAuthority[],
): string {
  const same = new Set([authority]);
  for (const known of same) {
    for (const other of authorities) {
      if (other.name === known.name || rootKey(other) === rootKey(known)) same.add(other);
    }
  }
  return [...same].map(rootKey).sort()[0] ?? authority.name;
}

function rootKey({ chain, name }: CertificateAuthority): string {
  return chain.at(-1)?.publicKey.fingerprint ?? name;
}
