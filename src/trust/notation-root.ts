/** Trust roots of Notation: certificates in stores of three kinds, immutable and named by their content. */
import { createHash } from 'node:crypto';
import type { NotationStoreKind } from '../policy/notation-trust-policy.ts';
import type { Certificate } from './certificate.ts';
import { isIssuedBy } from './chain.ts';

/** Certificates of one file. */
export interface NotationStoreFile {
  /** What messages call it: usually the file's path. */
  readonly label: string;
  readonly certificates: readonly Certificate[];
}

/** Files by the kind of their store; a kind that is there has at least one certificate. */
export type NotationStores = Readonly<
  Partial<Record<NotationStoreKind, readonly NotationStoreFile[]>>
>;

export interface NotationRoot {
  readonly kind: 'notation';
  /** The configured name, as rules refer to it. */
  readonly name: string;
  /** Names the content: other certificates are another id, and everything decided under the old one is decided anew. */
  readonly id: string;
  /** Whom `notary.x509` signatures lead to. */
  readonly ca: readonly Certificate[];
  /** Whom `notary.x509.signingAuthority` signatures lead to; none of `ca` ever stands in for them. */
  readonly signingAuthority: readonly Certificate[];
  /** Roots of timestamp authorities. */
  readonly tsa: readonly Certificate[];
  /** DER of revocation lists that a site without a way out supplies. */
  readonly revocationLists: readonly Buffer[];
  /** Hosts that may be asked about its certificates although they are at private addresses. */
  readonly privateHosts: readonly string[];
}

/** Certificates of one kind in one root. */
const MAX_CERTIFICATES = 256;
const MAX_REVOCATION_LISTS = 64;

/**
 * A Notation trust root; the order of certificates does not matter.
 * @throws {SyntaxError} naming the file: for a store without a certificate, for a certificate that the kind of store does
 * not take, and where neither `ca` nor `signingAuthority` is there, with which nobody could sign.
 */
export function notationRoot(
  name: string,
  stores: NotationStores,
  revocationLists: readonly Buffer[] = [],
  privateHosts: readonly string[] = [],
): NotationRoot {
  if (stores.ca === undefined && stores.signingAuthority === undefined) {
    throw new SyntaxError('expected certificates under ca or signingAuthority: nobody could sign');
  }
  if (revocationLists.length > MAX_REVOCATION_LISTS) {
    throw new SyntaxError(
      `expected at most ${MAX_REVOCATION_LISTS} revocation lists, got ${revocationLists.length}`,
    );
  }
  const content = {
    ca: readStore('ca', stores.ca),
    signingAuthority: readStore('signingAuthority', stores.signingAuthority),
    tsa: readStore('tsa', stores.tsa),
    revocationLists: [...revocationLists],
  };
  return { kind: 'notation', name, id: idOf(content), ...content, privateHosts };
}

function readStore(
  kind: NotationStoreKind,
  files: readonly NotationStoreFile[] | undefined,
): readonly Certificate[] {
  if (files === undefined) return [];
  const certificates = new Map<string, Certificate>();
  for (const { label, certificates: some } of files) {
    if (some.length === 0) throw new SyntaxError(`${label}: expected at least one certificate`);
    for (const certificate of some) {
      const flaw = findStoreFlaw(kind, certificate);
      if (flaw !== undefined) throw new SyntaxError(`${label}: ${certificate.subject}: ${flaw}`);
      certificates.set(certificate.fingerprint, certificate);
    }
  }
  // An empty store is a mistake, not a store that trusts nobody.
  if (certificates.size === 0) throw new SyntaxError(`${kind}: expected at least one certificate`);
  if (certificates.size > MAX_CERTIFICATES) {
    throw new SyntaxError(
      `${kind}: expected at most ${MAX_CERTIFICATES} certificates, got ${certificates.size}`,
    );
  }
  return [...certificates.values()];
}

/** trust-store-trust-policy.md: root or intermediate authorities and self-signed signers; for timestamps roots alone. */
function findStoreFlaw(kind: NotationStoreKind, certificate: Certificate): string | undefined {
  const isSelfSigned = isIssuedBy(certificate, certificate);
  if (kind === 'tsa') {
    return certificate.isCa && isSelfSigned
      ? undefined
      : 'expected a self-signed root of a certificate authority, as a store for timestamps has';
  }
  return certificate.isCa || isSelfSigned
    ? undefined
    : 'expected the certificate of an authority or a self-signed one';
}

function idOf(
  content: Pick<NotationRoot, 'ca' | 'signingAuthority' | 'tsa' | 'revocationLists'>,
): string {
  const fingerprints = (certificates: readonly Certificate[]): readonly string[] =>
    certificates.map(({ fingerprint }) => fingerprint).sort();
  const lists = content.revocationLists.map((der) =>
    createHash('sha256').update(der).digest('hex'),
  );
  return createHash('sha256')
    .update(
      JSON.stringify([
        'notation',
        fingerprints(content.ca),
        fingerprints(content.signingAuthority),
        fingerprints(content.tsa),
        [...new Set(lists)].sort(),
      ]),
    )
    .digest('hex');
}
