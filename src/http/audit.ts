/** The audit trail of this surface: one event for each decision, whatever it was about. */
import { isUndetermined, type Decision } from '../admission/decision.ts';
import { formatReference, type Reference } from '../oci/reference.ts';
import type { Exchange, PullOutcome } from './serving.ts';

/** What a decision was about. */
export interface Question {
  readonly reference: Reference;
  /** The path as the client wrote it. */
  readonly asked: string;
}

export function report(
  { request, observer, logger }: Exchange,
  { reference, asked }: Question,
  decision: Decision,
  durationMs: number,
): void {
  const { source, digest, rule, verdict } = decision;
  if (decision.outcome === 'refused' && decision.code === 'digest-mismatch') {
    logger.error({ reference: formatReference(reference) }, decision.message);
    observer.digestMismatch(reference.repository.registry);
  }
  observer.pull({
    client: request.socket.remoteAddress ?? '',
    method: request.method ?? '',
    asked,
    reference: formatReference(reference),
    digest,
    rule,
    outcome: outcomeOf(decision),
    signers: verdict?.signers ?? [],
    reasons: decision.outcome === 'refused' ? decision.reasons : decision.verdict.reasons,
    cached: source === 'fresh' ? 'none' : source,
    durationMs,
  });
}

function outcomeOf(decision: Decision): PullOutcome {
  if (decision.outcome === 'admitted') {
    return decision.verdict.outcome === 'admitted' ? 'admitted' : 'warned';
  }
  if (decision.code === 'absent') return 'absent';
  return isUndetermined(decision.code) ? 'undetermined' : 'denied';
}
