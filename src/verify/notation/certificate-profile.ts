/**
 * What Notation asks of every chain, whoever is trusted (signature-specification.md "Certificate Requirements"). Of the
 * extensions only basicConstraints, keyUsage and extendedKeyUsage count: the specification forbids to evaluate others.
 */
import type { Certificate } from '../../trust/certificate.ts';
import { readDer } from '../../trust/der.ts';
import { parseNamedBits } from '../../trust/der-values.ts';
import { EXTENSION } from '../../trust/x509-extensions.ts';
import { suiteOf } from './algorithm.ts';

// RFC 5280 §4.2.1.12.
const PURPOSE = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
} as const;

/** What a key that signs software is not for: `any` is all of it, which the reference implementation overlooks. */
const NOT_FOR_SIGNERS: ReadonlyMap<string, string> = new Map([
  [PURPOSE.any, 'anyExtendedKeyUsage'],
  [PURPOSE.serverAuth, 'serverAuth'],
  [PURPOSE.clientAuth, 'clientAuth'],
  [PURPOSE.emailProtection, 'emailProtection'],
  [PURPOSE.timeStamping, 'timeStamping'],
  [PURPOSE.ocspSigning, 'OCSPSigning'],
]);

// RFC 5280 §4.2.1.3.
const DIGITAL_SIGNATURE = 0;
const KEY_CERT_SIGN = 5;
/** Bits that a leaf may not have: all but digitalSignature and nonRepudiation. */
const NOT_FOR_LEAVES: ReadonlyMap<number, string> = new Map([
  [2, 'keyEncipherment'],
  [3, 'dataEncipherment'],
  [4, 'keyAgreement'],
  [KEY_CERT_SIGN, 'keyCertSign'],
  [6, 'cRLSign'],
  [7, 'encipherOnly'],
  [8, 'decipherOnly'],
]);

type Chain = readonly Certificate[];

/**
 * The chain of a signer: its certificate first, each issued by the next, a self-signed root last. Alone, a certificate is
 * its own root and still has to be a signer's.
 * @throws {SyntaxError} naming the certificate and what is wrong with it.
 */
export function requireSigningChain(chain: Chain): void {
  requireOrder(chain);
  const [leaf] = chain;
  if (leaf === undefined) return;
  requireLeaf(leaf, true);
  for (const purpose of leaf.extendedKeyUsage ?? []) {
    const name = NOT_FOR_SIGNERS.get(purpose);
    if (name !== undefined) throw flaw(leaf, `is for ${name}, which no signer's may be`);
  }
  requireAuthorities(chain, true);
}

/**
 * The chain of a timestamp authority, in the same order. keyUsage need not be critical here.
 * @throws {SyntaxError} naming the certificate and what is wrong with it.
 */
export function requireTimestampingChain(chain: Chain): void {
  requireOrder(chain);
  const [leaf] = chain;
  if (leaf === undefined) return;
  requireLeaf(leaf, false);
  const [purpose, ...others] = leaf.extendedKeyUsage ?? [];
  // RFC 3161 §2.3: critical, and nothing else.
  if (purpose !== PURPOSE.timeStamping || others.length > 0) {
    throw flaw(leaf, 'has to be for timestamps and nothing else');
  }
  requireCritical(leaf, EXTENSION.extendedKeyUsage, 'extendedKeyUsage');
  if (suiteOf(leaf.publicKey) === undefined) throw flaw(leaf, 'has a key of no size that is used');
  requireAuthorities(chain, false);
}

/** No certificate that does not belong, no second root, nothing signed with SHA-1. */
function requireOrder(chain: Chain): void {
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1] ?? certificate;
    if (!certificate.rawIssuer.equals(issuer.rawSubject)) {
      throw flaw(certificate, issuer === certificate ? 'is no root' : 'is not issued by the next');
    }
    // False for SHA-1 and MD5 too, in a root's signature of itself as well.
    if (!certificate.isSignedBy(issuer)) {
      throw flaw(certificate, 'is not signed by the next with an algorithm that is accepted');
    }
    if (
      issuer !== certificate &&
      certificate.rawIssuer.equals(certificate.rawSubject) &&
      certificate.isSignedBy(certificate)
    ) {
      throw flaw(certificate, 'is self-signed and not the last of the chain');
    }
  }
}

function requireLeaf(leaf: Certificate, criticalKeyUsage: boolean): void {
  if (leaf.claimsCa) throw flaw(leaf, 'is of an authority, and signs something else');
  const bits = keyUsageOf(leaf, criticalKeyUsage);
  if (!bits.has(DIGITAL_SIGNATURE)) throw flaw(leaf, 'has to be for digital signatures');
  for (const [bit, name] of NOT_FOR_LEAVES) {
    if (bits.has(bit)) throw flaw(leaf, `has the key usage ${name}, which no leaf may have`);
  }
}

function requireAuthorities(chain: Chain, criticalKeyUsage: boolean): void {
  for (const [index, certificate] of chain.entries()) {
    if (index === 0) continue;
    if (!certificate.claimsCa) throw flaw(certificate, 'is of no authority');
    requireCritical(certificate, EXTENSION.basicConstraints, 'basicConstraints');
    const { maxPathLength = Infinity } = certificate;
    if (maxPathLength < index - 1) {
      throw flaw(certificate, `allows ${maxPathLength} authorities below it, got ${index - 1}`);
    }
    if (!keyUsageOf(certificate, criticalKeyUsage).has(KEY_CERT_SIGN)) {
      throw flaw(certificate, 'may not sign certificates');
    }
  }
}

function keyUsageOf(certificate: Certificate, critical: boolean): ReadonlySet<number> {
  const extension = certificate.extensions.get(EXTENSION.keyUsage);
  if (extension === undefined) throw flaw(certificate, 'has to say its key usage');
  if (critical) requireCritical(certificate, EXTENSION.keyUsage, 'keyUsage');
  return parseNamedBits(readDer(extension.value, 'keyUsage'), 'keyUsage');
}

function requireCritical(certificate: Certificate, oid: string, name: string): void {
  if (certificate.extensions.get(oid)?.critical !== true) {
    throw flaw(certificate, `has to have ${name} as critical`);
  }
}

function flaw({ subject }: Certificate, what: string): SyntaxError {
  return new SyntaxError(`the certificate of ${subject || 'nobody'} ${what}`);
}
