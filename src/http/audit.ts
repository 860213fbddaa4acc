/** The audit trail of this surface: one event for each decision, whatever it was about. */
import { isUndetermined, type Decision } from '../admission/decision.ts';
import { warningOf } from '../admission/exceptions.ts';
import { formatReference, type Reference } from '../oci/reference.ts';
import type { Exchange, PullDecision, PullOutcome } from './serving.ts';

/** What a decision was about. */
export interface Question {
  readonly reference: Reference;
  /** The path as the client wrote it. */
  readonly asked: string;
}

/** What remembered decisions are told as, and about which reference: one decision may answer for several. */
const told = new WeakMap<Decision, { readonly reference: Reference; readonly as: PullDecision }>();

export function report(
  { request, observer, logger }: Exchange,
  { reference, asked }: Question,
  decision: Decision,
  durationMs: number,
): void {
  if (decision.outcome === 'refused' && decision.code === 'digest-mismatch') {
    logger.error({ reference: formatReference(reference) }, decision.message);
    observer.digestMismatch(reference.repository.registry);
  }
  const client = request.socket.remoteAddress ?? '';
  const method = request.method ?? '';
  observer.pull({ client, method, asked, durationMs }, toPull(reference, decision));
}

function toPull(reference: Reference, decision: Decision): PullDecision {
  const known = told.get(decision);
  if (known?.reference === reference) return known.as;
  const { source, digest, rule, verdict } = decision;
  const as: PullDecision = {
    reference: formatReference(reference),
    digest,
    rule,
    outcome: outcomeOf(decision),
    signers: verdict?.signers ?? [],
    reasons: reasonsOf(decision),
    cached: source === 'fresh' ? 'none' : source,
  };
  if (source === 'memory') told.set(decision, { reference, as });
  return as;
}

/** What is served although something speaks against it says so first: a tag that is held, an upstream that is away. */
function reasonsOf(decision: Decision): readonly string[] {
  if (decision.outcome === 'refused') return decision.reasons;
  const { warning, verdict } = decision;
  // In audit mode, and of an exception, the reasons are what the warning tells.
  if (warning === undefined || verdict.outcome !== 'admitted') return verdict.reasons;
  if (warning === warningOf(verdict)) return verdict.reasons;
  return [warning, ...verdict.reasons];
}

function outcomeOf(decision: Decision): PullOutcome {
  if (decision.outcome === 'admitted') {
    const { outcome, exception } = decision.verdict;
    if (outcome !== 'admitted') return 'warned';
    return exception === undefined ? 'admitted' : 'excepted';
  }
  if (decision.code === 'absent') return 'absent';
  return isUndetermined(decision.code) ? 'undetermined' : 'denied';
}
