/** Notation among the schemes: which layers are its envelopes, under which roots they are checked, what they prove. */
import { parseManifest } from '../../oci/manifest.ts';
import { leavesOf, type Requirement } from '../../policy/requirement.ts';
import type { NotationRoot } from '../../trust/notation-root.ts';
import type { TrustRoot } from '../../trust/trust-root.ts';
import type { AskingVerifier, CheckContext, Checked, Subject } from '../candidate.ts';
import { verified } from '../evidence.ts';
import type { Proven } from '../sigstore/verify-material.ts';
import { COSE_TYPE, JWS_TYPE } from './manifest.ts';
import type { Target } from './target.ts';
import { verifyNotation } from './verifier.ts';

export const notation: AskingVerifier = {
  scheme: 'notation',
  accepts: (mediaType) => mediaType === JWS_TYPE || mediaType === COSE_TYPE,
  async check({ manifest, content, foundIn }, subject, context): Promise<Checked> {
    if (manifest === undefined) return rejected('integrity: expected a signature manifest');
    const target = targetOf(subject);
    const proven: Proven[] = [];
    for (const root of context.roots.filter(isNotation)) {
      const found = { manifest, content };
      const outcome = await verifyNotation(found, target, root, contextOf(root, context));
      // Integrity is the same under every root.
      if (outcome.outcome === 'rejected') return rejected(`integrity: ${outcome.reason}`);
      const { facts } = outcome;
      const { fingerprint } = facts;
      proven.push({
        signer: { kind: 'notation', trustRoot: root.name, fingerprint, facts },
        logs: [],
        certificateLogs: [],
        times: [],
      });
    }
    const { digest } = subject;
    return verified('notation', proven, { references: [] }, { digest, foundIn });
  },
};

function rejected(reason: string): Checked {
  return { outcome: 'rejected', fault: 'invalid', reason };
}

function isNotation(root: TrustRoot): root is NotationRoot {
  return root.kind === 'notation';
}

function contextOf(root: NotationRoot, { now, revocation }: CheckContext) {
  return { now, ...(revocation === undefined ? {} : { revocation: revocation(root) }) };
}

/**
 * Where no leaf wants to know about the signers of a root, only its timestamp authorities are asked about: a timestamp
 * counts for nothing without (CVE-2024-56138).
 */
export function askedBy(
  requirement: Requirement,
  revocation: NonNullable<CheckContext['revocation']>,
  signal?: AbortSignal,
): NonNullable<CheckContext['revocation']> {
  const leaves = leavesOf(requirement).filter((leaf) => leaf.kind === 'notation');
  return (root) => {
    const check = revocation(root);
    const isAsked = leaves.some(
      ({ trustRoot, level }) => trustRoot === root.name && level.revocation !== 'skip',
    );
    return async (chain, purpose, now) =>
      isAsked || purpose === 'timestamping'
        ? check(chain, purpose, now, signal)
        : { state: 'unknown', reason: 'nobody was asked' };
  };
}

function targetOf({ digest, bytes, mediaType }: Subject): Target {
  return {
    digest,
    size: bytes.length,
    mediaType: mediaType ?? parseManifest(bytes, '').mediaType,
  };
}
