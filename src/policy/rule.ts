/** Rules in order: the first that matches a repository's canonical name decides, none denies. */
import { createHash } from 'node:crypto';
import type { Repository } from '../oci/reference.ts';
import { matchesRepository, parseMatch, type Match } from './pattern.ts';
import {
  describeRequirement,
  leavesOf,
  parseRequirement,
  signatureOf,
  trustRootsOf,
  type Requirement,
  type RequirementSpec,
} from './requirement.ts';
import { parseSignatures, type SignaturesSpec } from './signatures.ts';
import type { TagRule } from './tag-rule.ts';

export type RuleAction =
  | { readonly kind: 'require'; readonly requirement: Requirement }
  | { readonly kind: 'reject'; readonly reason: string }
  | { readonly kind: 'accept-anything' };

export interface Rule {
  readonly name: string;
  readonly match: Match;
  readonly action: RuleAction;
  readonly tags: TagRule;
  /** Milliseconds after which what was decided is verified anew; infinite where there is nothing to verify. */
  readonly reverify: number;
  readonly mode: 'enforce' | 'audit';
  /** Where signatures are kept and which name they must be made for; absent: in the image's repository, for any. */
  readonly signatures?: SignaturesSpec;
  /**
   * Names everything a decision under this rule rests on: action, mode, the content of its trust roots and the
   * revision of our own checks. Records kept under another key are never found.
   */
  readonly key: string;
}

/** A rule as the configuration spells it. */
export interface RuleSpec {
  readonly name: string;
  readonly match: readonly string[];
  readonly insecureAcceptAnything?: true | undefined;
  readonly reject?: string | undefined;
  readonly require?: RequirementSpec | undefined;
  readonly signatures?: SignaturesSpec | undefined;
  readonly tags: TagRule;
  /** Milliseconds. */
  readonly reverify: number;
  readonly mode: 'enforce' | 'audit';
}

export interface Policy {
  readonly rules: readonly Rule[];
}

/** Raise it when a check in `verify/` or `admission/` becomes stricter: everything is then decided anew. */
const CHECKS_REVISION = 3;

/** What rules need to know of a trust root. */
export interface TrustRootFacts {
  /** Names the root's content. */
  readonly id: string;
  readonly kind: 'public-keys' | 'sigstore' | 'notation' | 'notation-policy';
  /** Only public-keys roots have them. */
  readonly keys?: readonly { readonly fingerprint: string }[];
}

export type TrustRoots = ReadonlyMap<string, TrustRootFacts>;

/**
 * Builds the rules.
 * @param roots trust roots by their configured names.
 * @throws {SyntaxError} naming the rule, when one of them is malformed or names an unknown trust root.
 */
export function parsePolicy(specs: readonly RuleSpec[], roots: TrustRoots): Policy {
  return { rules: specs.map((spec) => parseRule(spec, roots)) };
}

function parseRule(spec: RuleSpec, roots: TrustRoots): Rule {
  try {
    const action = parseAction(spec);
    const match = parseMatch(spec.match);
    const requirement = action.kind === 'require' ? action.requirement : undefined;
    const names = requirement === undefined ? [] : trustRootsOf(requirement).toSorted();
    const ids = names.map((name) => [name, rootNamed(name, roots).id]);
    if (requirement !== undefined) {
      refuseWrongKinds(requirement, roots);
      refuseSharedKeys(requirement, roots);
    }
    const signatures =
      spec.signatures === undefined ? {} : { signatures: parseSignatures(spec.signatures) };
    return {
      name: spec.name,
      match,
      action,
      tags: spec.tags,
      reverify: action.kind === 'require' ? spec.reverify : Number.POSITIVE_INFINITY,
      mode: spec.mode,
      ...signatures,
      key: keyOf(spec, ids),
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`rule "${spec.name}": ${error.message}`, { cause: error });
  }
}

/** A compiled requirement holds functions, so the key is made of its spec: every threshold, text and default in it. */
function keyOf(spec: RuleSpec, roots: unknown): string {
  const { insecureAcceptAnything = null, reject = null, require = null, signatures = null } = spec;
  const asked = [insecureAcceptAnything, reject, require, signatures];
  const basis = JSON.stringify([CHECKS_REVISION, asked, spec.mode, roots]);
  return createHash('sha256').update(basis).digest('hex');
}

function rootNamed(name: string, roots: TrustRoots): TrustRootFacts {
  const root = roots.get(name);
  if (root === undefined) throw new SyntaxError(`unknown trust root "${name}"`);
  return root;
}

/** @throws {SyntaxError} where keys are sought in a Sigstore instance, or certificates and logs in a list of keys. */
function refuseWrongKinds(requirement: Requirement, roots: TrustRoots): void {
  const expect = (name: string, kind: TrustRootFacts['kind'], what: string): void => {
    const found = rootNamed(name, roots).kind;
    if (found === kind) return;
    throw new SyntaxError(`${what} needs a trust root of ${kind}, "${name}" is one of ${found}`);
  };
  for (const leaf of leavesOf(requirement).map(signatureOf)) {
    expect(leaf.trustRoot, leaf.kind === 'key' ? 'public-keys' : leaf.kind, leaf.kind);
    if (leaf.kind === 'key' && leaf.logsFrom !== undefined) {
      expect(leaf.logsFrom, 'sigstore', 'logsFrom');
    }
  }
}

/**
 * A threshold counts signers, so no key may stand behind two of its alternatives: one signature would count twice.
 * @throws {SyntaxError} naming both trust roots.
 */
function refuseSharedKeys(requirement: Requirement, roots: TrustRoots): void {
  if (!('of' in requirement)) return;
  for (const child of requirement.of) refuseSharedKeys(child, roots);
  if (requirement.kind !== 'atLeast' || requirement.count < 2) return;
  const owners = new Map<string, { root: string; alternative: number }>();
  for (const [alternative, child] of requirement.of.entries()) {
    for (const leaf of leavesOf(child)) {
      const { trustRoot } = signatureOf(leaf);
      // An attestation counts for what it says: two of one signer are two, unless they are of one type.
      const said = leaf.kind === 'attestation' ? leaf.type.name : '';
      for (const { fingerprint } of roots.get(trustRoot)?.keys ?? []) {
        const id = `${fingerprint} ${said}`;
        const owner = owners.get(id);
        if (owner !== undefined && owner.alternative !== alternative) {
          throw new SyntaxError(
            `atLeast counts signers, but one key stands behind two alternatives ("${owner.root}" and "${trustRoot}")`,
          );
        }
        owners.set(id, { root: trustRoot, alternative });
      }
    }
  }
}

function parseAction(spec: RuleSpec): RuleAction {
  const actions: RuleAction[] = [];
  if (spec.insecureAcceptAnything === true) actions.push({ kind: 'accept-anything' });
  if (spec.reject !== undefined) actions.push({ kind: 'reject', reason: spec.reject });
  if (spec.require !== undefined) {
    actions.push({ kind: 'require', requirement: parseRequirement(spec.require) });
  }
  const [action] = actions;
  if (action === undefined || actions.length > 1) {
    throw new SyntaxError('expected exactly one of require, reject and insecureAcceptAnything');
  }
  return action;
}

/** The rule that governs a repository, by its canonical name whatever name the client used. */
export function findRule(policy: Policy, repository: Repository): Rule | undefined {
  return policy.rules.find((rule) => matchesRepository(rule.match, repository));
}

/** What a rule asks for, in a few words. */
export function describeAction(action: RuleAction): string {
  switch (action.kind) {
    case 'require':
      return describeRequirement(action.requirement);
    case 'reject':
      return `reject: ${action.reason}`;
    case 'accept-anything':
      return 'accept anything';
  }
}
