/** From a manifest and a rule to a verdict: the one place where signatures become permission. */
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Evaluation } from '../policy/evaluate.ts';
import type { Rule } from '../policy/rule.ts';
import { refuseReference } from '../policy/signatures.ts';
import { signingTime } from '../policy/signing-time.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Subject } from '../verify/candidate.ts';
import { applyTrustPolicies } from '../verify/notation/statement.ts';
import { verifyByProvenance } from '../verify/provenance-chain.ts';
import { verifyImage, type Verification, type VerifyOptions } from '../verify/verify-image.ts';
import { VERIFICATION_DEADLINE } from './bounds.ts';
import type { Local } from './local.ts';
import { createUpstreamSource, type UpstreamSource } from './upstream-source.ts';

export interface JudgeParts {
  readonly trustRoots: ReadonlyMap<string, TrustRoot>;
  /** Look at every signature, for people; the proxy stops when the requirement is satisfied. */
  readonly exhaustive: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** What this side itself attached, and took back. */
  readonly local?: Local;
  /** Asks whether certificates were taken back; absent: nobody is asked. */
  readonly revocation?: VerifyOptions['revocation'];
}

/** What is judged. */
export interface Judged extends Subject {
  readonly manifest: Manifest;
}

/** Where it is, and where its signatures are looked for. */
export interface JudgedAt {
  readonly repository: Repository;
  readonly upstream: Upstream;
  /** The image's upstream, or one in which its signatures are found elsewhere. */
  readonly signatures: Upstream;
  /** The tag that is pulled, where the rule binds it. */
  readonly tag: string | undefined;
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
  judged: Judged,
  rule: Rule,
  at: JudgedAt,
  parts: JudgeParts,
): Promise<Judgement> {
  switch (rule.action.kind) {
    case 'accept-anything':
      return { verdict: admittedBecause('the rule accepts anything, signed or not'), signedBy: [] };
    case 'reject':
      throw new Error('a rejecting rule is answered before anything is fetched');
    case 'require': {
      const signal = AbortSignal.timeout(VERIFICATION_DEADLINE);
      const { trustRoots, local } = parts;
      const source = createUpstreamSource(at.signatures, at.repository, signal, local);
      const mode = rule.signatures?.reference;
      const options = {
        source,
        signal,
        ...parts,
        ...(local && {
          revokedKeys: (digest: Digest) => local.revokedKeys(at.repository, digest),
        }),
        ...applyTrustPolicies(rule.action.requirement, trustRoots, at.repository),
        ...(mode === undefined
          ? {}
          : {
              refuseReference: (names: readonly string[]) =>
                refuseReference(mode, at.repository, at.tag, names),
            }),
      };
      const { manifest } = judged;
      const own = await verifyImage({ ...judged, mediaType: manifest.mediaType }, options);
      const verification =
        own.evaluation.outcome === 'satisfied' ||
        manifest.kind !== 'index' ||
        rule.signatures?.buildkit !== true
          ? own
          : await verifyByProvenance(manifest, own, {
              ...options,
              digest: judged.digest,
              content:
                at.upstream === at.signatures
                  ? source
                  : createUpstreamSource(at.upstream, at.repository, signal, local),
            });
      const signedAt = signingTime(options.requirement, verification.evidence, parts.now);
      return {
        verdict: verdictOf(verification, signedAt),
        signedBy: verification.evidence.map((item) => item.foundIn),
        source,
      };
    }
  }
}

function verdictOf(verification: Verification, signedAt: number | undefined): Verdict {
  const { evaluation, findings, trouble } = verification;
  const base = { signers: [...new Set(signersOf(evaluation))], findings, evaluation };
  switch (evaluation.outcome) {
    case 'satisfied':
      return {
        ...base,
        outcome: 'admitted',
        reasons: [...new Set(notesOf(evaluation)), `${evaluation.requirement} is satisfied`],
        ...(evaluation.until === undefined ? {} : { until: evaluation.until }),
        ...(signedAt === undefined ? {} : { signedAt }),
      };
    case 'failed':
      return { ...base, outcome: 'denied', reasons: whyDenied(verification) };
    case 'undetermined': {
      const worst = trouble.find(({ error }) => error.retryAfter !== undefined) ?? trouble[0];
      return {
        ...base,
        outcome: 'undetermined',
        reasons: trouble.length > 0 ? whyUndetermined(trouble) : openIn(evaluation).slice(0, TOLD),
        trouble: worst?.error.trouble ?? 'unreachable',
        ...(worst?.error.retryAfter === undefined ? {} : { retryAfter: worst.error.retryAfter }),
      };
    }
  }
}

/** Who satisfied leaves; somebody whose signature holds and whom no leaf asks for is no signer here. */
function signersOf(evaluation: Evaluation): readonly string[] {
  const own = evaluation.outcome === 'satisfied' ? evaluation.by : [];
  return [...own, ...evaluation.of.flatMap(signersOf)];
}

/** Why leaves are open although every place could be looked at: somebody else could not be asked. */
function openIn({ outcome, of, because }: Evaluation): readonly string[] {
  if (outcome !== 'undetermined') return [];
  return of.length > 0 ? of.flatMap(openIn) : because === undefined ? [] : [because];
}

/** What trust policies say of the repository, where that satisfied leaves, or else failed them. */
function notesOf(evaluation: Evaluation): readonly string[] {
  const collect = (node: Evaluation): readonly string[] =>
    node.of.length > 0
      ? node.of.flatMap(collect)
      : node.note !== undefined && node.outcome === evaluation.outcome
        ? [node.note]
        : [];
  return collect(evaluation);
}

function whyUndetermined(trouble: Verification['trouble']): readonly string[] {
  const more = trouble.length - TOLD;
  return [
    ...trouble
      .slice(0, TOLD)
      .map(({ place, error }) => `could not check ${place}: ${error.message}`),
    ...(more > 0 ? [`nor ${more} more places`] : []),
  ];
}

/**
 * "Unsigned", "signed by someone else" and "signature invalid" are different news to the person who reads them:
 * a publisher who never signed, a rule that names the wrong signer, somebody who tampers.
 */
function whyDenied({ findings, evidence, bounds, evaluation }: Verification): readonly string[] {
  const rejected = findings.filter((finding) => finding.outcome === 'rejected');
  const strangers = rejected.filter(({ fault }) => fault === 'untrusted');
  const reasons = [...new Set(reasonsOf(evaluation))];
  const ruled = new Set(notesOf(evaluation));
  // Where a trust policy alone decided, nobody looked for signatures, so there is nothing to say of them.
  const first =
    evidence.length > 0 || reasons.every((reason) => ruled.has(reason))
      ? reasons.slice(0, TOLD)
      : [
          ...ruled,
          strangers.length > 0
            ? 'signed by someone else'
            : rejected.length > 0
              ? 'signature invalid'
              : 'unsigned: no signature was found',
        ];
  // Of several that do not count, those of strangers explain most, and are told first.
  const told = [...strangers, ...rejected.filter(({ fault }) => fault !== 'untrusted')];
  const more = told.length - TOLD;
  return [
    ...first,
    ...told.slice(0, TOLD).map(({ place, text }) => `${place}: ${text}`),
    ...(more > 0 ? [`${more} more do not count either`] : []),
    ...bounds.map((place) => `${place} holds more signatures than are looked at`),
  ];
}

/** Why leaves are not satisfied, in the order in which they are written. */
function reasonsOf(evaluation: Evaluation): readonly string[] {
  if (evaluation.outcome === 'satisfied') return [];
  if (evaluation.of.length === 0) return [evaluation.because ?? 'not enough valid signatures'];
  const below = evaluation.of.flatMap(reasonsOf);
  // All alternatives may hold, and still not enough of them count.
  return below.length > 0 || evaluation.because === undefined ? below : [evaluation.because];
}
