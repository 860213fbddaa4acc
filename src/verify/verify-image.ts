/** All signatures of one image against one requirement: discovery, schemes, evaluation, bounded in number. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describeEvidence, type Evidence, type Finding, type Signer } from '../policy/evidence.ts';
import { evaluate, type Evaluation } from '../policy/evaluate.ts';
import { isMeantBy } from '../policy/leaf-evaluation.ts';
import {
  leavesOf,
  trustRootsOf,
  wantsAttestations,
  type Requirement,
} from '../policy/requirement.ts';
import type { Digest } from '../oci/digest.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import { cosignAttestation } from './attestation/verifier.ts';
import type {
  AskingVerifier,
  Candidate,
  CheckContext,
  SchemeVerifier,
  Subject,
} from './candidate.ts';
import { discover, type Wanted } from './discovery.ts';
import { askedBy, notation } from './notation/scheme.ts';
import { SourceError, type SignatureSource } from './signature-source.ts';
import { sigstoreBundle } from './sigstore/verifier.ts';
import { simpleSigning } from './simple-signing/verifier.ts';

const SCHEMES: readonly (SchemeVerifier | AskingVerifier)[] = [
  simpleSigning,
  sigstoreBundle,
  cosignAttestation,
  notation,
];

export interface VerifyOptions {
  readonly requirement: Requirement;
  readonly trustRoots: ReadonlyMap<string, TrustRoot>;
  readonly source: SignatureSource;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Look at everything although the requirement is satisfied already: for people who want to see it all. */
  readonly exhaustive?: boolean;
  /**
   * Says in a sentence why signatures that name the image so do not count here (signed for another repository), or
   * undefined. The names are empty where the signer signed none.
   */
  readonly refuseReference?: (references: readonly string[]) => string | undefined;
  /** Fingerprints of keys whose signatures over a digest the operator took back; absent: none. */
  readonly revokedKeys?: (digest: Digest) => Promise<ReadonlySet<string>>;
  /** Asks whether certificates were taken back; absent: nobody is asked. */
  readonly revocation?: CheckContext['revocation'];
  /** Ends the look; what was not looked at by then is trouble. */
  readonly signal?: AbortSignal;
  /** The subject stands for another one: what a signature over it proves of that, and what is known already. */
  readonly through?: {
    readonly beside: readonly Evidence[];
    restate(evidence: Evidence): Promise<readonly Evidence[]>;
  };
}

/** A place that could not be looked at, or a trust root that could not be used. */
export interface Trouble {
  readonly place: string;
  readonly error: SourceError;
}

export interface Verification {
  readonly evaluation: Evaluation;
  readonly evidence: readonly Evidence[];
  readonly findings: readonly Finding[];
  /** Places that could not be looked at; what they hold might have satisfied the requirement. */
  readonly trouble: readonly Trouble[];
  /** Places that hold more than the bound on signatures lets us look at. */
  readonly bounds: readonly string[];
}

/** Finds and checks signatures until the requirement is satisfied, nothing is left, or the bound is reached. */
export async function verifyImage(subject: Subject, options: VerifyOptions): Promise<Verification> {
  const { requirement, source, now, exhaustive = false, through } = options;
  const { roots, trouble } = usableRoots(requirement, options);
  const evidence: Evidence[] = [...(through?.beside ?? [])];
  const findings: Finding[] = [];
  const bounds: string[] = [];
  // What signatures cannot change, because a trust policy alone decides it, needs nobody to be asked.
  const known = evaluate(requirement, evidence, { complete: false, now });
  if (known.outcome !== 'undetermined' && !exhaustive) {
    return { evaluation: known, evidence, findings, trouble, bounds };
  }
  const wanted = through === undefined ? wantedBy(requirement) : signaturesAlone;
  const means = (signer: Signer): boolean => isMeantBy(requirement, signer);
  const context = {
    roots,
    now,
    attestations: wanted.attestations,
    means,
    ...(options.revocation !== undefined && {
      revocation: askedBy(requirement, options.revocation, options.signal),
    }),
  };
  const revoked = (await options.revokedKeys?.(subject.digest)) ?? NONE;
  for await (const item of discover(subject, source, wanted)) {
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
    const { refuseReference } = options;
    const checked = await check(item.candidate, subject, context, { refuseReference, revoked });
    findings.push(checked.finding);
    for (const item of checked.evidence) {
      evidence.push(...((await through?.restate(item)) ?? [item]));
    }
    const { outcome } = evaluate(requirement, evidence, { complete: true, now });
    if (outcome === 'satisfied' && !exhaustive) break;
  }
  const evaluation = evaluate(requirement, evidence, { complete: trouble.length === 0, now });
  return { evaluation, evidence, findings, trouble, bounds };
}

/** The roots that the requirement names, without those that nothing new may be decided with: they are trouble. */
function usableRoots(
  requirement: Requirement,
  { trustRoots, now }: VerifyOptions,
): { readonly roots: readonly TrustRoot[]; readonly trouble: Trouble[] } {
  const roots: TrustRoot[] = [];
  const trouble: Trouble[] = [];
  for (const name of trustRootsOf(requirement)) {
    const root = trustRoots.get(name);
    if (root === undefined) throw new Error(`unknown trust root ${name}`);
    const reason = whyUnusable(root, now);
    if (reason === undefined) roots.push(root);
    else {
      trouble.push({ place: `trust root ${name}`, error: new SourceError('unreachable', reason) });
    }
  }
  return { roots, trouble };
}

function whyUnusable(root: TrustRoot, now: number): string | undefined {
  if (root.kind !== 'sigstore') return undefined;
  const { unavailable, staleAfter = Number.POSITIVE_INFINITY, source } = root;
  if (unavailable !== undefined) return unavailable;
  if (now <= staleAfter) return undefined;
  return `what is known of ${source} has been too old since ${new Date(staleAfter).toISOString()}`;
}

/** Places that can hold nothing of use are not asked about. */
function wantedBy(requirement: Requirement): Wanted {
  const attestations = wantsAttestations(requirement);
  const kinds = new Set(leavesOf(requirement).map(({ kind }) => kind));
  const signatures = kinds.has('key') || kinds.has('sigstore');
  const useless: (SchemeVerifier | AskingVerifier)[] = [
    ...(signatures ? [] : [simpleSigning]),
    ...(attestations ? [] : [cosignAttestation]),
    ...(signatures || attestations ? [] : [sigstoreBundle]),
    ...(kinds.has('notation') ? [] : [notation]),
  ];
  return {
    signatures,
    attestations,
    accepts: (mediaType) => {
      const scheme = schemeOf(mediaType);
      return scheme !== undefined && !useless.includes(scheme);
    },
  };
}

const signaturesAlone: Wanted = {
  signatures: true,
  attestations: false,
  accepts: (mediaType) =>
    [simpleSigning, sigstoreBundle].some((scheme) => scheme.accepts(mediaType)),
};

function schemeOf(mediaType: string): SchemeVerifier | AskingVerifier | undefined {
  return SCHEMES.find((scheme) => scheme.accepts(mediaType));
}

interface Refusing {
  readonly refuseReference: VerifyOptions['refuseReference'];
  /** Fingerprints. */
  readonly revoked: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

/** A key is revoked whatever it signs with. Those of keyless certificates are used once, and have no name of their own. */
function isRevoked(signer: Signer, revoked: ReadonlySet<string>): boolean {
  if (signer.kind === 'certificate') return false;
  return revoked.has(signer.kind === 'key' ? signer.fingerprint : signer.facts.keyFingerprint);
}

async function check(
  candidate: Candidate,
  subject: Subject,
  context: CheckContext,
  { refuseReference: refuse, revoked }: Refusing,
): Promise<{ finding: Finding; evidence: readonly Evidence[] }> {
  const { place } = candidate;
  const scheme = schemeOf(candidate.mediaType);
  if (scheme === undefined) throw new Error(`expected a scheme for ${candidate.mediaType}`);
  const rejected = (fault: 'invalid' | 'untrusted', text: string) => ({
    finding: { place, scheme: scheme.scheme, outcome: 'rejected', fault, text } as const,
    evidence: [],
  });
  const checked = await scheme.check(candidate, subject, context);
  if (checked.outcome === 'rejected') return rejected(checked.fault, checked.reason);
  const evidence = checked.evidence.filter(({ signer }) => !isRevoked(signer, revoked));
  if (evidence.length === 0) {
    return rejected('untrusted', 'the operator revoked what this key signed of the image');
  }
  // One signature, so that all who made it signed the same names.
  const refusal = refuse?.(evidence[0]?.references ?? []);
  if (refusal !== undefined) return rejected('invalid', refusal);
  const text = evidence.map(describeEvidence).join(', and ');
  return { finding: { place, scheme: scheme.scheme, outcome: 'verified', text }, evidence };
}
