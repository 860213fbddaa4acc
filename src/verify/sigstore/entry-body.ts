/** The binding of a log entry to the signature that it came with: signature, content and verifier, each for itself. */
import { createHash } from 'node:crypto';
import { dsse } from '@sigstore/core';
import { digestOf, type Digest } from '../../oci/digest.ts';
import type { Certificate } from '../../trust/certificate.ts';
import type { PublicKey } from '../../trust/public-key.ts';
import type { ClaimedDigest, ClaimedVerifier, EntryClaims } from './entry-claims.ts';
import { readEntryBody } from './entry-kinds.ts';
import type { LogEntry, SignedContent, SignedMaterial } from './material.ts';

/**
 * Requires that the body is about exactly this signature, over this content, by this verifier. A log holds millions of
 * true entries: one of them proves nothing about a signature that differs from it in any of the three.
 * @throws {SyntaxError} naming what differs. CVE-2026-22703, CVE-2022-36056, CVE-2022-23649.
 */
export function requireEntryAbout(
  entry: LogEntry,
  { signature, content }: Pick<SignedMaterial, 'signature' | 'content'>,
  verifier: PublicKey | Certificate,
): void {
  const claims = readEntryBody(entry);
  requireVerifier(claims.verifier, verifier);
  requireContent(claims, content);
  requireSignature(claims, signature, content);
}

function requireSignature(claims: EntryClaims, signature: Buffer, content: SignedContent): void {
  if (claims.signature === undefined) {
    if (content.kind === 'dsse' && content.envelope !== undefined) return;
    throw new SyntaxError(
      'the log entry names no signature, and there is no envelope as the log saw it to compare',
    );
  }
  if (!claims.signature.equals(signature)) {
    throw new SyntaxError('the log entry is about another signature');
  }
}

function requireContent({ digests, payloadType }: EntryClaims, content: SignedContent): void {
  if (payloadType !== undefined && content.kind === 'dsse' && payloadType !== content.payloadType) {
    throw new SyntaxError(
      `expected payload type ${JSON.stringify(content.payloadType.slice(0, 120))} in the log entry, ` +
        `got ${JSON.stringify(payloadType.slice(0, 120))}`,
    );
  }
  for (const digest of digests) {
    const expected = digestOfContent(digest, content);
    if (expected !== undefined && !expected.equals(digest.bytes)) {
      throw new SyntaxError(
        `the log entry is about other content (${describe(digest.of)} differs)`,
      );
    }
  }
}

/** Undefined where there is nothing to compare with: bundles do not keep the envelope's JSON as the log saw it. */
function digestOfContent(
  { of, algorithm }: ClaimedDigest,
  content: SignedContent,
): Buffer | undefined {
  const hash = (bytes: Buffer): Buffer => createHash(algorithm).update(bytes).digest();
  if (content.kind === 'dsse') {
    switch (of) {
      case 'signed':
        return hash(dsse.preAuthEncoding(content.payloadType, content.payload));
      case 'payload':
        return hash(content.payload);
      case 'envelope':
        return content.envelope && hash(content.envelope);
    }
  }
  if (of !== 'signed') throw new SyntaxError('the log entry is about an envelope, not a message');
  if (content.data !== undefined) return hash(content.data);
  if (content.digest?.algorithm === algorithm) return content.digest.bytes;
  throw new SyntaxError(`expected a ${content.digest?.algorithm ?? ''} digest in the log entry`);
}

function describe(of: ClaimedDigest['of']): string {
  switch (of) {
    case 'signed':
      return 'the digest of what is signed';
    case 'payload':
      return 'the digest of the payload';
    case 'envelope':
      return 'the digest of the envelope';
  }
}

/** Strictly, as sigstore-go does: the bare key of a certificate is not the certificate, nor the other way round. */
function requireVerifier(claimed: ClaimedVerifier, verifier: PublicKey | Certificate): void {
  const isCertificate = 'der' in verifier;
  if (isCertificate !== (claimed.kind === 'certificate')) {
    throw new SyntaxError(
      `expected the log entry to name a ${isCertificate ? 'certificate' : 'key'}, got a ${claimed.kind}`,
    );
  }
  const claimedPrint = fingerprintOf(claimed);
  if (claimedPrint === verifier.fingerprint) return;
  throw new SyntaxError(
    `the log entry is by another ${claimed.kind}: expected ${verifier.fingerprint}, got ${claimedPrint}`,
  );
}

function fingerprintOf(claimed: ClaimedVerifier): Digest {
  return claimed.kind === 'key' ? claimed.key.fingerprint : digestOf(claimed.der);
}
