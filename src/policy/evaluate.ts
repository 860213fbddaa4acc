/** A requirement tree against evidence: satisfied, failed, or not to be known now. Pure. */
import { describeSigner, type Evidence } from './evidence.ts';
import { describeRequirement, type KeyRequirement, type Requirement } from './requirement.ts';

export type EvaluationOutcome = 'satisfied' | 'failed' | 'undetermined';

/** The requirement tree again, with what became of each node. */
export interface Evaluation {
  readonly requirement: string;
  readonly outcome: EvaluationOutcome;
  /** Who satisfied a leaf. */
  readonly by: readonly string[];
  readonly of: readonly Evaluation[];
}

/**
 * Evaluates evidence about one digest.
 * @param complete whether every place where signatures live could be looked at; where not, what is missing may be
 * there, so an unsatisfied leaf is undetermined rather than failed.
 */
export function evaluate(
  requirement: Requirement,
  evidence: readonly Evidence[],
  complete: boolean,
): Evaluation {
  if (requirement.kind === 'key') return evaluateKey(requirement, evidence, complete);
  const of = requirement.of.map((child) => evaluate(child, evidence, complete));
  const satisfied = of.filter((child) => child.outcome === 'satisfied').length;
  const possible = of.filter((child) => child.outcome !== 'failed').length;
  const outcome =
    satisfied >= requirement.count
      ? 'satisfied'
      : possible >= requirement.count
        ? 'undetermined'
        : 'failed';
  return { requirement: describeRequirement(requirement), outcome, by: [], of };
}

function evaluateKey(
  requirement: KeyRequirement,
  evidence: readonly Evidence[],
  complete: boolean,
): Evaluation {
  const by = evidence.filter((item) => item.signer.trustRoot === requirement.trustRoot);
  const outcome = by.length > 0 ? 'satisfied' : complete ? 'failed' : 'undetermined';
  return {
    requirement: describeRequirement(requirement),
    outcome,
    by: by.map((item) => describeSigner(item.signer)),
    of: [],
  };
}
