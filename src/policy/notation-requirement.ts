/** What a rule demands of a Notation signature, and whether the facts of one meet it. */
import type { NotationFacts, NotationResult } from './notation-facts.ts';
import { parseLevel, type NotationLevel, type NotationLevelName } from './notation-level.ts';
import type { VerifyTimestamp } from './notation-trust-policy.ts';
import {
  matchesTrustedIdentity,
  parseTrustedIdentities,
  type TrustedIdentity,
} from './trusted-identity.ts';

/** As configuration spells it. */
export interface NotationSpec {
  readonly trustRoot: string;
  /** `*` alone, or `x509.subject: C=…, ST=…, O=…` each; absent where the trust root is Notation's own trust policy. */
  readonly identities?: readonly string[] | undefined;
  /** strict unless said. */
  readonly level?: NotationLevelName | undefined;
  readonly override?: Partial<NotationLevel> | undefined;
  /** always unless said. */
  readonly timestamps?: 'always' | 'afterCertificateExpiry' | undefined;
  /** User metadata that the signature has to carry. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export interface NotationRequirement {
  readonly kind: 'notation';
  readonly trustRoot: string;
  readonly identities: readonly TrustedIdentity[];
  readonly level: NotationLevel;
  readonly verifyTimestamp: VerifyTimestamp;
  readonly annotations: ReadonlyMap<string, string>;
  /** The statement of Notation's own trust policy that demands it. */
  readonly statement?: string;
}

/** What can fail; signatures that fail integrity never become facts. */
export type NotationCheck =
  | 'integrity'
  | 'authenticity'
  | 'authenticTimestamp'
  | 'expiry'
  | 'revocation'
  | 'identity'
  | 'annotations';

export type NotationJudgement =
  | {
      readonly satisfied: true;
      /** Checks that failed and are only to be told: `expiry: …`. */
      readonly warnings: readonly string[];
    }
  | {
      readonly satisfied: false;
      readonly check: NotationCheck;
      readonly reason: string;
      /** Everything else holds, and it was somebody out of reach who could not be asked. */
      readonly unreachable?: true;
    };

const MAX_ANNOTATIONS = 64;
/** signature-specification.md: keys that belong to the specification itself. */
const RESERVED = 'io.cncf.notary';

/**
 * Reads a requirement.
 * @throws {SyntaxError} for identities that are none, overlap, or of which nobody could be, for an unknown level or
 * override, and for annotations that no user may set.
 */
export function parseNotation(spec: NotationSpec): NotationRequirement {
  const identities = parseTrustedIdentities(spec.identities ?? []);
  const foreign = identities.find(({ kind }) => kind === 'foreign');
  if (foreign !== undefined) {
    throw new SyntaxError(
      `expected "*" or "x509.subject: …", got ${JSON.stringify(foreign.text.slice(0, 80))}: nobody could be meant`,
    );
  }
  return {
    kind: 'notation',
    trustRoot: spec.trustRoot,
    identities,
    level: parseLevel(spec.level ?? 'strict', spec.override),
    verifyTimestamp: spec.timestamps === 'afterCertificateExpiry' ? 'afterCertExpiry' : 'always',
    annotations: parseAnnotations(spec),
  };
}

/** @throws {SyntaxError} for keys that no user may set. */
export function parseAnnotations(spec: NotationSpec): ReadonlyMap<string, string> {
  const annotations = new Map(Object.entries(spec.annotations ?? {}));
  if (annotations.size > MAX_ANNOTATIONS) {
    throw new SyntaxError(`expected at most ${MAX_ANNOTATIONS} annotations`);
  }
  const reserved = [...annotations.keys()].find((key) => key.startsWith(RESERVED));
  if (reserved !== undefined) {
    throw new SyntaxError(`expected annotations of your own, got the reserved ${reserved}`);
  }
  return annotations;
}

/** How many identities a message names. */
const TOLD = 2;

/** `notation by x509.subject: C=DE, ST=BY, O=Vendor of vendor-notation` */
export function describeNotation(requirement: NotationRequirement): string {
  const { trustRoot, identities, statement } = requirement;
  const told = identities
    .slice(0, TOLD)
    .map(({ kind, text }) => (kind === 'any' ? 'anybody' : text))
    .join(' or ');
  const more = identities.length > TOLD ? ` or ${identities.length - TOLD} others` : '';
  const by = `notation by ${told}${more} of ${trustRoot}`;
  return statement === undefined ? by : `${by} (statement ${JSON.stringify(statement)})`;
}

/**
 * Compares the facts of one signature with the requirement: what is enforced fails it, what is logged leaves a warning.
 * User metadata has no level: it is demanded or it is not. The facts have to be of a check under the requirement's root.
 */
export function judgeNotation(
  requirement: NotationRequirement,
  facts: NotationFacts,
): NotationJudgement {
  const { level, verifyTimestamp } = requirement;
  const findings: readonly (readonly [
    NotationCheck,
    'enforce' | 'log' | 'skip',
    NotationResult,
  ])[] = [
    ['authenticity', level.authenticity, facts.authenticity],
    // A part of authenticity, and under its level.
    ['identity', level.authenticity, identityOf(requirement, facts)],
    ['expiry', level.expiry, facts.expiry],
    ['authenticTimestamp', level.authenticTimestamp, facts.timestamp[verifyTimestamp]],
    ['revocation', level.revocation, revocationOf(facts)],
    ['annotations', 'enforce', annotationsOf(requirement, facts)],
  ];
  const warnings: string[] = [];
  let unanswered: NotationJudgement | undefined;
  for (const [check, action, result] of findings) {
    if (result.ok || action === 'skip') continue;
    const { reason, unreachable } = result;
    if (action === 'log') {
      warnings.push(`${check}: ${reason}`);
    } else if (unreachable === undefined) {
      return { satisfied: false, check, reason };
    } else {
      unanswered ??= { satisfied: false, check, reason, unreachable };
    }
  }
  return unanswered ?? { satisfied: true, warnings };
}

function identityOf(
  { identities }: NotationRequirement,
  { subject, subjectText }: NotationFacts,
): NotationResult {
  if (identities.some((identity) => matchesTrustedIdentity(identity, subject))) return { ok: true };
  return { ok: false, reason: `signed by ${subjectText}, who is none of the trusted identities` };
}

function revocationOf({ revocation }: NotationFacts): NotationResult {
  return revocation === 'not-checked'
    ? { ok: false, reason: 'nobody was asked whether a certificate of the chain is revoked' }
    : revocation;
}

function annotationsOf({ annotations }: NotationRequirement, facts: NotationFacts): NotationResult {
  for (const [key, value] of annotations) {
    const signed = facts.annotations.get(key);
    if (signed === value) continue;
    return {
      ok: false,
      reason: `expected the signed annotation ${JSON.stringify(key)} to be ${JSON.stringify(value)}, got ${signed === undefined ? 'none' : JSON.stringify(signed.slice(0, 80))}`,
    };
  }
  return { ok: true };
}
