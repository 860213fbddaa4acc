/** From a manifest and a rule to a verdict: the one place where signatures become permission. */
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Rule } from '../policy/rule.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Subject } from '../verify/candidate.ts';
import { verifyImage, type Verification } from '../verify/verify-image.ts';
import { VERIFICATION_DEADLINE } from './bounds.ts';
import { createUpstreamSource, type UpstreamSource } from './upstream-source.ts';

export interface JudgeParts {
  readonly trustRoots: ReadonlyMap<string, TrustRoot>;
  /** Look at every signature, for people; the proxy stops when the requirement is satisfied. */
  readonly exhaustive: boolean;
}

/** A verdict, and the signature artifacts that were opened for it. */
export interface Judgement {
  readonly verdict: Verdict;
  /** Manifests that carry the signatures which counted. */
  readonly signedBy: readonly Digest[];
  readonly source?: UpstreamSource;
}

/** A verdict that needs no signature. */
export function admittedBecause(reason: string): Verdict {
  return { outcome: 'admitted', reasons: [reason], signers: [], findings: [] };
}

/** A verdict for what is attached to an image; see {@link Verdict.attached}. */
export function attachedBecause(reason: string): Verdict {
  return { ...admittedBecause(reason), attached: true };
}

/** How many reasons a refusal repeats; all of them are in the verdict's findings. */
const TOLD = 3;

/** Judges a manifest by its rule. A `reject` rule never comes here. */
export async function judge(
  subject: Subject,
  rule: Rule,
  at: { readonly repository: Repository; readonly upstream: Upstream },
  parts: JudgeParts,
): Promise<Judgement> {
  switch (rule.action.kind) {
    case 'accept-anything':
      return { verdict: admittedBecause('the rule accepts anything, signed or not'), signedBy: [] };
    case 'reject':
      throw new Error('a rejecting rule is answered before anything is fetched');
    case 'require': {
      const signal = AbortSignal.timeout(VERIFICATION_DEADLINE);
      const source = createUpstreamSource(at.upstream, at.repository, signal);
      const { requirement } = rule.action;
      const verification = await verifyImage(subject, { requirement, source, signal, ...parts });
      return {
        verdict: verdictOf(verification),
        signedBy: verification.evidence.map((item) => item.foundIn),
        source,
      };
    }
  }
}

function verdictOf(verification: Verification): Verdict {
  const { evaluation, evidence, findings, trouble } = verification;
  const signers = [
    ...new Set(
      evidence.map(({ signer }) => `${signer.trustRoot}/${signer.label} ${signer.fingerprint}`),
    ),
  ];
  const base = { signers, findings, evaluation };
  switch (evaluation.outcome) {
    case 'satisfied':
      return { ...base, outcome: 'admitted', reasons: [`${evaluation.requirement} is satisfied`] };
    case 'failed':
      return { ...base, outcome: 'denied', reasons: whyDenied(verification) };
    case 'undetermined': {
      const worst = trouble.find(({ error }) => error.retryAfter !== undefined) ?? trouble[0];
      return {
        ...base,
        outcome: 'undetermined',
        reasons: whyUndetermined(trouble),
        trouble: worst?.error.trouble ?? 'unreachable',
        ...(worst?.error.retryAfter === undefined ? {} : { retryAfter: worst.error.retryAfter }),
      };
    }
  }
}

function whyUndetermined(trouble: Verification['trouble']): readonly string[] {
  const more = trouble.length - TOLD;
  return [
    ...trouble
      .slice(0, TOLD)
      .map(({ place, error }) => `cannot look for signatures in ${place}: ${error.message}`),
    ...(more > 0 ? [`nor in ${more} more places`] : []),
  ];
}

function whyDenied({ findings, evidence, bounds }: Verification): readonly string[] {
  const rejected = findings.filter((finding) => finding.outcome === 'rejected');
  const first =
    evidence.length > 0
      ? 'not enough valid signatures'
      : rejected.length > 0
        ? 'no valid signature'
        : 'no signature';
  const more = rejected.length - TOLD;
  return [
    first,
    ...rejected.slice(0, TOLD).map(({ place, text }) => `${place}: ${text}`),
    ...(more > 0 ? [`${more} more do not count either`] : []),
    ...bounds.map((place) => `${place} holds more signatures than are looked at`),
  ];
}
