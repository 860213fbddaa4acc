/** Whom a chain leads to: the very certificates of a store (trust-store-trust-policy.md "Validate Authenticity"). */
import type { NotationFacts, NotationScheme } from '../../policy/notation-facts.ts';
import type { Certificate } from '../../trust/certificate.ts';
import type { NotationRoot } from '../../trust/notation-root.ts';

/**
 * Looks for a certificate of the chain, byte for byte, in the store that the scheme is verified against. Names and keys
 * serve for nothing, and neither do the other stores: whoever got a certificate from a CA could say it is a signing
 * authority (signing-scheme.md).
 */
export function findAuthenticity(
  chain: readonly [Certificate, ...Certificate[]],
  scheme: NotationScheme,
  { ca, signingAuthority, name }: NotationRoot,
): NotationFacts['authenticity'] {
  const [store, kind] =
    scheme === 'notary.x509' ? [ca, 'ca'] : [signingAuthority, 'signingAuthority'];
  const trusted = new Set(store.map(({ fingerprint }) => fingerprint));
  const found = chain.find(({ fingerprint }) => trusted.has(fingerprint));
  if (found !== undefined) return { ok: true, trustedBy: found.fingerprint };
  const root = chain.at(-1) ?? chain[0];
  return {
    ok: false,
    reason: `no certificate of its chain, which ends with ${root.subject || 'a root without a name'}, is in the ${kind} store of ${name}`,
  };
}
