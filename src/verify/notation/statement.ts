/** What Notation's own trust policies make of a requirement in one repository. */
import { formatRepository, type Repository } from '../../oci/reference.ts';
import { underStatement } from '../../policy/notation-policy-requirement.ts';
import { leavesOf, mapLeaves, type Requirement } from '../../policy/requirement.ts';
import { statementFor } from '../../trust/notation-config-dir.ts';
import type { TrustRoot } from '../../trust/trust-root.ts';

export interface Applied {
  readonly requirement: Requirement;
  /** The stores of the statements that were selected in the place of their policies, under the same names. */
  readonly trustRoots: ReadonlyMap<string, TrustRoot>;
}

/**
 * Asks each trust policy that the requirement names for the repository's statement: the one whose scope is this name, as
 * `host[:port]/path`, else the one of `*`, else none. A policy stands for one statement then, and never for two: the
 * certificates of one confer no trust on what another governs.
 */
export function applyTrustPolicies(
  requirement: Requirement,
  trustRoots: ReadonlyMap<string, TrustRoot>,
  repository: Repository,
): Applied {
  if (!leavesOf(requirement).some(({ kind }) => kind === 'notation-policy')) {
    return { requirement, trustRoots };
  }
  const name = formatRepository(repository);
  const selected = new Map(trustRoots);
  const applied = mapLeaves(requirement, (leaf) => {
    if (leaf.kind !== 'notation-policy') return leaf;
    const policy = trustRoots.get(leaf.trustRoot);
    if (policy?.kind !== 'notation-policy') {
      throw new Error(`expected a trust policy as ${leaf.trustRoot}`);
    }
    const found = statementFor(policy, name);
    if (found?.root !== undefined) selected.set(leaf.trustRoot, found.root);
    return underStatement(leaf, found?.statement, repository);
  });
  return { requirement: applied, trustRoots: selected };
}
