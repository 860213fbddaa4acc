/** Chains of certificates as trust roots hold them: each issued by the next, the last by itself (RFC 5280 §6.1). */
import type { Certificate } from './certificate.ts';

/** Certificates in one chain. */
export const MAX_CHAIN = 16;

/** RFC 3161 §2.3. */
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';

/** What is wrong with a chain, and with which of its certificates. */
export interface ChainFlaw {
  readonly index: number;
  readonly message: string;
}

/** What keeps a chain from being `[issuing authority, …, root]`; a root alone is one too. */
export function findAuthorityFlaw(chain: readonly Certificate[]): ChainFlaw | undefined {
  return findOrderFlaw(chain) ?? findRoleFlaw(chain, 0);
}

/**
 * What keeps a chain from being `[the authority's own certificate, …, root]` with at least one authority after the first.
 * RFC 3161 §2.3 wants the key to stamp times and do nothing else. It wants the extension critical as well; GitHub's own
 * authority of 2023 has it otherwise, so that is not asked of what an operator or a signed root vouches for.
 */
export function findTimestampFlaw(chain: readonly Certificate[]): ChainFlaw | undefined {
  const [own] = chain;
  if (own === undefined) return findOrderFlaw(chain);
  if (own.isCa) {
    return flaw(0, 'expected the own certificate of the timestamp authority, got that of its CA');
  }
  if (own.extendedKeyUsage?.length !== 1 || own.extendedKeyUsage[0] !== TIME_STAMPING) {
    return flaw(0, 'expected the extended key usage timeStamping and no other');
  }
  if (chain.length === 1) return flaw(0, 'expected the CA of the timestamp authority after it');
  return findOrderFlaw(chain) ?? findRoleFlaw(chain, 1);
}

/** Whether the certificate names the other as its issuer and was signed by its key. */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  return certificate.rawIssuer.equals(issuer.rawSubject) && certificate.isSignedBy(issuer);
}

function findOrderFlaw(chain: readonly Certificate[]): ChainFlaw | undefined {
  if (chain.length === 0) return flaw(0, 'expected at least one certificate');
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1];
    if (issuer === undefined) {
      return isIssuedBy(certificate, certificate)
        ? undefined
        : flaw(index, 'expected the last certificate to be a self-signed root');
    }
    if (!isIssuedBy(certificate, issuer)) {
      return flaw(index, 'expected it to be issued and signed by the next of the chain');
    }
    if (isIssuedBy(certificate, certificate)) {
      return flaw(index, 'expected a self-signed root to come last');
    }
  }
  return undefined;
}

/** RFC 5280 §4.2.1.9: who may issue, and how many authorities may stand below. */
function findRoleFlaw(chain: readonly Certificate[], firstCa: number): ChainFlaw | undefined {
  for (const [index, { isCa, maxPathLength }] of chain.entries()) {
    if (index < firstCa) continue;
    if (!isCa) return flaw(index, 'expected a certificate authority that may sign certificates');
    if (maxPathLength !== undefined && maxPathLength < index - firstCa) {
      return flaw(index, `it allows ${maxPathLength} authorities below it, got ${index - firstCa}`);
    }
  }
  return undefined;
}

function flaw(index: number, message: string): ChainFlaw {
  return { index, message };
}
