/** All signatures of one image against one requirement: discovery, schemes, evaluation, bounded in number. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describeSigner, type Evidence, type Finding } from '../policy/evidence.ts';
import { evaluate, type Evaluation } from '../policy/evaluate.ts';
import { leavesOf, type Requirement } from '../policy/requirement.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import type { Candidate, SchemeVerifier, Subject } from './candidate.ts';
import { discover } from './discovery.ts';
import { SourceError, type SignatureSource } from './signature-source.ts';
import { sigstoreBundle } from './sigstore/verifier.ts';
import { simpleSigning } from './simple-signing/verifier.ts';

const SCHEMES: readonly SchemeVerifier[] = [simpleSigning, sigstoreBundle];

export interface VerifyOptions {
  readonly requirement: Requirement;
  readonly trustRoots: ReadonlyMap<string, TrustRoot>;
  readonly source: SignatureSource;
  /** Look at everything although the requirement is satisfied already: for people who want to see it all. */
  readonly exhaustive?: boolean;
  /** Ends the look; what was not looked at by then is trouble. */
  readonly signal?: AbortSignal;
}

export interface Verification {
  readonly evaluation: Evaluation;
  readonly evidence: readonly Evidence[];
  readonly findings: readonly Finding[];
  /** Places that could not be looked at; what they hold might have satisfied the requirement. */
  readonly trouble: readonly { readonly place: string; readonly error: SourceError }[];
  /** Places that hold more than the bound on signatures lets us look at. */
  readonly bounds: readonly string[];
}

/** Finds and checks signatures until the requirement is satisfied, nothing is left, or the bound is reached. */
export async function verifyImage(subject: Subject, options: VerifyOptions): Promise<Verification> {
  const { requirement, source, exhaustive = false } = options;
  const roots = rootsOf(requirement, options.trustRoots);
  const evidence: Evidence[] = [];
  const findings: Finding[] = [];
  const trouble: { place: string; error: SourceError }[] = [];
  const bounds: string[] = [];
  const accepts = (mediaType: string): boolean => schemeOf(mediaType) !== undefined;
  for await (const item of discover(subject, source, accepts)) {
    if (item.kind === 'trouble') trouble.push(item);
    if (item.kind === 'finding') findings.push(item.finding);
    if (item.kind === 'bound') bounds.push(item.place);
    if (options.signal?.aborted === true) {
      trouble.push({ place: 'the rest', error: new SourceError('timeout', 'the time is over') });
      break;
    }
    if (item.kind !== 'candidate') continue;
    // Checking is work for the processor alone; others get their turn between two signatures.
    await nextTurn();
    const checked = check(item.candidate, subject, roots);
    findings.push(checked.finding);
    evidence.push(...checked.evidence);
    const satisfied = evaluate(requirement, evidence, true).outcome === 'satisfied';
    if (satisfied && !exhaustive) break;
  }
  const evaluation = evaluate(requirement, evidence, trouble.length === 0);
  return { evaluation, evidence, findings, trouble, bounds };
}

function rootsOf(
  requirement: Requirement,
  trustRoots: ReadonlyMap<string, TrustRoot>,
): readonly TrustRoot[] {
  const names = new Set(leavesOf(requirement).map((leaf) => leaf.trustRoot));
  return [...names].map((name) => {
    const root = trustRoots.get(name);
    if (root === undefined) throw new Error(`unknown trust root ${name}`);
    return root;
  });
}

function schemeOf(mediaType: string): SchemeVerifier | undefined {
  return SCHEMES.find((scheme) => scheme.accepts(mediaType));
}

function check(
  candidate: Candidate,
  subject: Subject,
  roots: readonly TrustRoot[],
): { finding: Finding; evidence: readonly Evidence[] } {
  const { place } = candidate;
  const scheme = schemeOf(candidate.mediaType);
  if (scheme === undefined) {
    return {
      finding: { place, scheme: 'other', outcome: 'ignored', text: 'unknown scheme' },
      evidence: [],
    };
  }
  const checked = scheme.check(candidate, subject, roots);
  if (checked.outcome === 'rejected') {
    const { reason: text } = checked;
    return { finding: { place, scheme: scheme.scheme, outcome: 'rejected', text }, evidence: [] };
  }
  const text = `signed by ${checked.evidence.map((item) => describeSigner(item.signer)).join(' and ')}`;
  return {
    finding: { place, scheme: scheme.scheme, outcome: 'verified', text },
    evidence: checked.evidence,
  };
}
