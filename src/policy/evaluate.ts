/** A requirement tree against evidence: satisfied, failed, or not to be known now. Pure. */
import {
  attestationId,
  either,
  identify,
  latestUntil,
  limited,
  type SignerId,
  type Standing,
} from './distinct-signers.ts';
import { describeSigner, type Evidence, type Signer } from './evidence.ts';
import { judgeByPolicy, type NotationPolicyRequirement } from './notation-policy-requirement.ts';
import { count, type Counted, type Stage } from './leaf-evaluation.ts';
import {
  describeRequirement,
  type CombinedRequirement,
  type LeafRequirement,
  type Requirement,
} from './requirement.ts';
import { counted } from './words.ts';

export type EvaluationOutcome = 'satisfied' | 'failed' | 'undetermined';

/** The requirement tree again, with what became of each node. */
export interface Evaluation {
  readonly requirement: string;
  readonly outcome: EvaluationOutcome;
  /** Who satisfied a leaf. */
  readonly by: readonly string[];
  readonly of: readonly Evaluation[];
  /** Why a leaf or a threshold is not satisfied. One sentence; it repeats words of strangers. */
  readonly because?: string;
  /** Why a leaf is as it is whatever anybody signed: a trust policy says so of the repository. One sentence. */
  readonly note?: string;
  /** Until when "satisfied" holds, where time alone can end it. Milliseconds since the epoch. */
  readonly until?: number;
}

export interface EvaluationContext {
  /**
   * Whether every place where signatures live could be looked at; where not, what is missing may be there, so that what is
   * unsatisfied is undetermined rather than failed. So is what waits for a revocation answer of somebody out of reach.
   */
  readonly complete: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

interface NodeContext extends EvaluationContext {
  readonly idOf: (signer: Signer) => SignerId;
}

/** An evaluation and who could stand for it among the alternatives of a threshold. */
interface Node {
  readonly evaluation: Evaluation;
  /** Empty unless satisfied, and where nobody had to sign. */
  readonly standing: Standing;
}

/** Evaluates evidence about one digest. */
export function evaluate(
  requirement: Requirement,
  evidence: readonly Evidence[],
  context: EvaluationContext,
): Evaluation {
  const idOf = identify(evidence.map(({ signer }) => signer));
  return evaluateNode(requirement, evidence, { ...context, idOf }).evaluation;
}

function evaluateNode(
  requirement: Requirement,
  evidence: readonly Evidence[],
  context: NodeContext,
): Node {
  if ('of' in requirement) return evaluateCombined(requirement, evidence, context);
  if (requirement.kind === 'notation-policy') return evaluatePolicy(requirement);
  return evaluateLeaf(requirement, evidence, context);
}

/** No signature can change it, so it is known at once. What is accepted without verification, nobody stands for. */
function evaluatePolicy(leaf: NotationPolicyRequirement): Node {
  const { satisfied, reason } = judgeByPolicy(leaf);
  return {
    standing: new Map(),
    evaluation: {
      requirement: describeRequirement(leaf),
      outcome: satisfied ? 'satisfied' : 'failed',
      by: [],
      of: [],
      ...(satisfied ? {} : { because: reason }),
      note: reason,
    },
  };
}

function evaluateLeaf(
  leaf: Exclude<LeafRequirement, NotationPolicyRequirement>,
  evidence: readonly Evidence[],
  context: NodeContext,
): Node {
  const answers = evidence.map((item) => ({ item, answer: count(leaf, item, context.now) }));
  const standing = either(
    answers.flatMap(({ item, answer }) => {
      if (!answer.counts) return [];
      const { signer, statement } = item;
      const id =
        leaf.kind === 'attestation' && statement !== undefined
          ? attestationId(context.idOf(signer), statement.predicateType)
          : context.idOf(signer);
      return [new Map([[id, answer.until]])];
    }),
  );
  const by = answers.flatMap(({ item, answer }) =>
    answer.counts ? [describeCounted(item.signer, answer.warnings)] : [],
  );
  const why = answers.map(({ answer }) => answer);
  const unreachable = why.some((answer) => !answer.counts && answer.unreachable === true);
  return {
    standing,
    evaluation: {
      requirement: describeRequirement(leaf),
      by: [...new Set(by)],
      of: [],
      ...(standing.size > 0
        ? satisfiedUntil(Math.max(...standing.values()))
        : {
            ...unsatisfied(unreachable ? { ...context, complete: false } : context),
            because: mostTelling(leaf, why),
          }),
    },
  };
}

function describeCounted(signer: Signer, warnings: readonly string[] = []): string {
  const told = warnings.map((warning) => `, though ${warning}`).join('');
  return `${describeSigner(signer)}${told}`;
}

function evaluateCombined(
  requirement: CombinedRequirement,
  evidence: readonly Evidence[],
  context: NodeContext,
): Node {
  const nodes = requirement.of.map((child) => evaluateNode(child, evidence, context));
  const satisfied = nodes.filter(({ evaluation }) => evaluation.outcome === 'satisfied');
  const until = combinedUntil(requirement, satisfied);
  const base = {
    requirement: describeRequirement(requirement),
    by: [],
    of: nodes.map((node) => node.evaluation),
  };
  if (until !== undefined) {
    return {
      standing: limited(either(satisfied.map(({ standing }) => standing)), until),
      evaluation: { ...base, ...satisfiedUntil(until) },
    };
  }
  const enough = satisfied.length >= requirement.count;
  const because = `${counted(satisfied.length, 'alternative')} hold, but not ${requirement.count} with a signer of its own`;
  // What a trust policy refuses stays refused whatever the places hide that could not be looked at.
  const possible = nodes.filter(({ evaluation }) => evaluation.outcome !== 'failed').length;
  const complete = context.complete && possible === satisfied.length;
  const outcome = possible < requirement.count ? FAILED : unsatisfied({ ...context, complete });
  return {
    standing: new Map(),
    evaluation: { ...base, ...outcome, ...(enough ? { because } : {}) },
  };
}

const FAILED = { outcome: 'failed' } as const;

/** Until when the combination holds; undefined where it does not. */
function combinedUntil(
  { kind, count }: CombinedRequirement,
  satisfied: readonly Node[],
): number | undefined {
  if (satisfied.length < count) return undefined;
  // One signature that fits two alternatives must not count twice, and what nobody signed not at all.
  if (kind === 'atLeast' && count > 1) {
    const standings = satisfied.map(({ standing }) => standing);
    return latestUntil(standings, count);
  }
  const each = satisfied.map(({ standing, evaluation }) =>
    standing.size > 0 ? Math.max(...standing.values()) : (evaluation.until ?? Infinity),
  );
  return each.sort((a, b) => (a < b ? 1 : -1))[count - 1];
}

function satisfiedUntil(until: number): Pick<Evaluation, 'outcome' | 'until'> {
  return { outcome: 'satisfied', ...(until === Infinity ? {} : { until }) };
}

function unsatisfied({ complete }: EvaluationContext): Pick<Evaluation, 'outcome'> {
  return { outcome: complete ? 'failed' : 'undetermined' };
}

const STAGES: readonly Stage[] = ['content', 'proofs', 'signer', 'kind'];
/** How many reasons of the same weight are told. */
const TOLD = 2;

/** Why nothing counts: the reasons of the evidence that came farthest. */
function mostTelling(leaf: LeafRequirement, answers: readonly Counted[]): string {
  const missing = leaf.kind === 'attestation' ? `no ${leaf.type.name} attestation` : 'no signature';
  for (const stage of STAGES) {
    const reasons = answers.flatMap((answer) =>
      !answer.counts && answer.stage === stage ? [answer.because] : [],
    );
    if (reasons.length === 0) continue;
    const told = [...new Set(reasons)].slice(0, TOLD).join('; ');
    return stage === 'kind' ? `${missing}: ${told}` : told;
  }
  return `${missing} that holds was found`;
}
