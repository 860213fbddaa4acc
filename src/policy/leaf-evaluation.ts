/** One piece of evidence against one leaf of a requirement: it counts until then, or why it does not. */
import { isJsonObject } from '../oci/json.ts';
import {
  describeSigner,
  type CertificateSigner,
  type Evidence,
  type LogInclusion,
  type ProvenTime,
  type Signer,
} from './evidence.ts';
import { expressionInput } from './expression-input.ts';
import { matchesIdentity } from './identity.ts';
import { judgeNotation, type NotationRequirement } from './notation-requirement.ts';
import type { NotationPolicyRequirement } from './notation-policy-requirement.ts';
import { isPredicateType } from './predicate-type.ts';
import {
  describeSignature,
  leavesOf,
  signatureOf,
  type AttestationRequirement,
  type KeyRequirement,
  type LeafRequirement,
  type Requirement,
  type SigstoreRequirement,
} from './requirement.ts';
import { ageOf } from './statement-age.ts';
import { counted } from './words.ts';

/** How far evidence came: the farther, the more telling is the reason why it came no farther. */
export type Stage = 'kind' | 'signer' | 'proofs' | 'content';

export type Counted =
  | {
      readonly counts: true;
      /** What does not hold and is only to be told. */
      readonly warnings?: readonly string[];
      /** Milliseconds since the epoch; infinite for most. */ readonly until: number;
    }
  | {
      readonly counts: false;
      readonly stage: Stage;
      readonly because: string;
      /** It may count once somebody answers who is out of reach. */
      readonly unreachable?: true;
    };

/** How long an answer stays that rests on a rule which looks at the clock. Milliseconds. */
const CLOCK_RULE_LASTS = 3_600_000;

/**
 * Whether evidence counts for a leaf. Thresholds are met by one signature or not at all: they never add up over several.
 * @param now milliseconds since the epoch.
 */
export function count(
  leaf: Exclude<LeafRequirement, NotationPolicyRequirement>,
  evidence: Evidence,
  now: number,
): Counted {
  switch (leaf.kind) {
    case 'key':
      return evidence.statement === undefined
        ? untilExpiry(countKey(leaf, evidence), evidence, now)
        : notOfKind('an attestation');
    case 'sigstore':
      return evidence.statement === undefined
        ? untilExpiry(countCertificate(leaf, evidence, now), evidence, now)
        : notOfKind('an attestation');
    case 'notation':
      return countNotation(leaf, evidence);
    case 'attestation':
      return untilExpiry(countAttestation(leaf, evidence, now), evidence, now);
  }
}

function notOfKind(what: string): Counted {
  return { counts: false, stage: 'kind', because: `found ${what} only` };
}

/** Whoever limited his own word is taken by it. */
function untilExpiry(answer: Counted, { expires }: Evidence, now: number): Counted {
  if (!answer.counts || expires === undefined) return answer;
  if (expires === 'unreadable') {
    return failed(
      'content',
      'the approval has an expiry that cannot be read: it counts as expired',
    );
  }
  if (expires > now) return { ...answer, until: Math.min(answer.until, expires) };
  return failed('content', `the approval expired at ${new Date(expires).toISOString()}`);
}

function countKey(leaf: KeyRequirement, evidence: Evidence): Counted {
  const { signer, logs, times } = evidence;
  if (signer.kind !== 'key' || signer.trustRoot !== leaf.trustRoot)
    return someoneElse(leaf, evidence);
  return (
    tooFewLogs(logs, leaf.logsFrom, leaf.transparencyLog) ??
    tooFewTimes(times, leaf.logsFrom, leaf.timestamps) ?? { counts: true, until: Infinity }
  );
}

function countNotation(leaf: NotationRequirement, { signer }: Evidence): Counted {
  if (signer.kind !== 'notation' || signer.trustRoot !== leaf.trustRoot) {
    return notOfKind(`a signature by ${describeSigner(signer)}`);
  }
  const { facts } = signer;
  const judgement = judgeNotation(leaf, facts);
  if (judgement.satisfied) {
    const { warnings } = judgement;
    return { counts: true, until: facts.until ?? Infinity, warnings };
  }
  const { check, reason, unreachable } = judgement;
  if (check === 'authenticity' || check === 'identity') {
    return failed('signer', `signed by someone else (${check}): ${reason}`);
  }
  const because = `${check}: ${reason}`;
  return unreachable === undefined
    ? failed('proofs', because)
    : { counts: false, stage: 'proofs', because, unreachable };
}

function countCertificate(leaf: SigstoreRequirement, evidence: Evidence, now: number): Counted {
  const { signer, logs, times, certificateLogs, validUntil } = evidence;
  const { trustRoot } = leaf;
  if (signer.kind !== 'certificate' || signer.trustRoot !== trustRoot || !isMeant(leaf, signer)) {
    return someoneElse(leaf, evidence);
  }
  const missing =
    tooFewLogs(logs, trustRoot, leaf.transparencyLog) ??
    tooFew('certificate log', leaf.certificateTransparency, new Set(certificateLogs)) ??
    tooFewTimes(times, trustRoot, leaf.timestamps);
  if (missing !== undefined) return missing;
  if (validUntil === undefined && times.some((time) => time.trustRoot === trustRoot)) {
    return { counts: true, until: Infinity };
  }
  // Nothing proves that the signature is as old as its certificate, so the certificate must be valid this moment.
  if (validUntil === undefined || validUntil <= now) {
    return failed(
      'proofs',
      'the certificate has expired and nothing proves that it was valid when used',
    );
  }
  return { counts: true, until: validUntil };
}

/** Whether a leaf of the requirement asks for this signer, whatever else it asks for. */
export function isMeantBy(requirement: Requirement, signer: Signer): boolean {
  return leavesOf(requirement)
    .map(signatureOf)
    .some((leaf) => {
      if (leaf.kind !== 'sigstore') {
        return signer.kind === leaf.kind && signer.trustRoot === leaf.trustRoot;
      }
      return (
        signer.kind === 'certificate' &&
        signer.trustRoot === leaf.trustRoot &&
        isMeant(leaf, signer)
      );
    });
}

function isMeant(leaf: SigstoreRequirement, signer: CertificateSigner): boolean {
  return leaf.identities.some((identity) => matchesIdentity(identity, signer));
}

const kept = new WeakMap<
  AttestationRequirement,
  WeakMap<Evidence, Counted & { readonly at: number }>
>();

/** The content of an attestation may be long and its rule costly, and a search evaluates again after every find. */
function countAttestation(leaf: AttestationRequirement, evidence: Evidence, now: number): Counted {
  const answers = kept.get(leaf) ?? new WeakMap<Evidence, Counted & { readonly at: number }>();
  kept.set(leaf, answers);
  const known = answers.get(evidence);
  if (known?.at === now) return known;
  const answer = { ...countStatement(leaf, evidence, now), at: now };
  answers.set(evidence, answer);
  return answer;
}

function countStatement(leaf: AttestationRequirement, evidence: Evidence, now: number): Counted {
  const { statement } = evidence;
  const { type, by, maxAge, schema, rule } = leaf;
  if (statement === undefined) return notOfKind('a signature without a statement');
  // CVE-2022-35929: a statement of another type says nothing about this one.
  if (!isPredicateType(type, statement.predicateType)) {
    return failed('kind', `found an attestation of type ${statement.predicateType}`);
  }
  const signed = by.kind === 'key' ? countKey(by, evidence) : countCertificate(by, evidence, now);
  if (!signed.counts) return signed;
  let { until } = signed;
  if (maxAge !== undefined) {
    const age = ageOf(evidence, statement, maxAge, now);
    if (!age.fresh) return failed('content', age.because);
    until = Math.min(until, age.until);
  }
  const { predicate } = statement.json;
  // Most keywords are about objects and hold for anything else (JSON Schema 2020-12 core §7.6.1).
  if (schema !== undefined && !isJsonObject(predicate)) {
    return failed('content', 'schema: /predicate must be an object');
  }
  const unlike = schema?.check(predicate);
  if (unlike !== undefined) return failed('content', unlike);
  if (rule !== undefined) {
    const refused = rule.check(expressionInput(evidence, statement.json, now));
    if (refused !== undefined) return failed('content', refused);
    if (rule.usesNow) until = Math.min(until, now + CLOCK_RULE_LASTS);
  }
  return { counts: true, until };
}

function failed(stage: Stage, because: string): Counted {
  return { counts: false, stage, because };
}

function someoneElse(leaf: KeyRequirement | SigstoreRequirement, { signer }: Evidence): Counted {
  const found = `${describeSigner(signer)}${signer.kind === 'certificate' ? ` of ${signer.trustRoot}` : ''}`;
  return failed(
    'signer',
    `signed by someone else: found ${found}, expected ${describeSignature(leaf)}`,
  );
}

function tooFewLogs(
  logs: readonly LogInclusion[],
  trustRoot: string | undefined,
  required: number,
): Counted | undefined {
  const known = logs.filter((log) => log.trustRoot === trustRoot);
  // Two logs that one operator runs vouch for each other no more than one does.
  const independent = known.map(({ log, operator, name }) => [operator ?? log, name] as const);
  return tooFew('log', required, new Map(independent));
}

function tooFewTimes(
  times: readonly ProvenTime[],
  trustRoot: string | undefined,
  required: number,
): Counted | undefined {
  const known = times.filter((time) => time.trustRoot === trustRoot);
  return tooFew(
    'proven time',
    required,
    new Map(known.map(({ authority, name }) => [authority, name])),
  );
}

/** Distinct by key: two entries of one log are one log (CVE-2026-49834). */
function tooFew(
  what: string,
  required: number,
  found: ReadonlyMap<string, string> | ReadonlySet<string>,
): Counted | undefined {
  if (found.size >= required) return undefined;
  if (found.size === 0) return failed('proofs', `no ${what}: ${required} required`);
  const names = [...found.values()].join(', ');
  return failed('proofs', `${counted(required, what)} required, ${found.size} found (${names})`);
}
