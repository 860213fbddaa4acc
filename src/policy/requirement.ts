/** What a rule demands of an image: leaves that name a trust root, combined by allOf, anyOf and atLeast. */
import { parseExpression, type Expression } from './expression.ts';
import { describeIdentity, parseIdentity, type Identity } from './identity.ts';
import {
  describeNotationPolicy,
  parseNotationPolicy,
  type NotationPolicyRequirement,
} from './notation-policy-requirement.ts';
import {
  describeNotation,
  parseNotation,
  type NotationRequirement,
} from './notation-requirement.ts';
import { parsePredicateSchema, type PredicateSchema } from './predicate-schema.ts';
import { parsePredicateType, type PredicateType } from './predicate-type.ts';
import type {
  AttestationSpec,
  KeySpec,
  RequirementSpec,
  SignatureSpec,
  SigstoreSpec,
} from './requirement-spec.ts';
import { describeDuration } from './words.ts';

export type { RequirementSpec } from './requirement-spec.ts';

/** A signature by one of the keys of a trust root. */
export interface KeyRequirement {
  readonly kind: 'key';
  readonly trustRoot: string;
  /** Distinct logs of `logsFrom` that must hold the signature. */
  readonly transparencyLog: number;
  /** Distinct sources of time of `logsFrom` that must vouch for it. */
  readonly timestamps: number;
  /** Present where a threshold is above 0. */
  readonly logsFrom?: string;
}

/** A signature by one of the identities, under a certificate of the trust root. */
export interface SigstoreRequirement {
  readonly kind: 'sigstore';
  readonly trustRoot: string;
  readonly identities: readonly Identity[];
  readonly transparencyLog: number;
  readonly certificateTransparency: number;
  readonly timestamps: number;
}

export type SignatureRequirement = KeyRequirement | SigstoreRequirement;

/** An attestation: who signed it, what it says and how old it may be. */
export interface AttestationRequirement {
  readonly kind: 'attestation';
  readonly type: PredicateType;
  readonly by: SignatureRequirement;
  readonly schema?: PredicateSchema;
  readonly rule?: Expression;
  /** Milliseconds. */
  readonly maxAge?: number;
}

/** A Notation signature: as the rule says, or as a trust policy of Notation's own does. */
export type AnyNotationRequirement = NotationRequirement | NotationPolicyRequirement;

export type LeafRequirement =
  SignatureRequirement | AnyNotationRequirement | AttestationRequirement;

/** `count` of the alternatives; allOf is all of them, anyOf is one. */
export interface CombinedRequirement {
  readonly kind: 'allOf' | 'anyOf' | 'atLeast';
  readonly count: number;
  readonly of: readonly Requirement[];
}

export type Requirement = LeafRequirement | CombinedRequirement;

/** More logs or authorities than any trust root has. */
const MAX_THRESHOLD = 16;

/**
 * Reads a requirement.
 * @throws {SyntaxError} for an empty combination, which would demand nothing, for a count that cannot be met, and for
 * identities, patterns, types, schemas and rules that are wrong.
 */
export function parseRequirement(spec: RequirementSpec): Requirement {
  if ('key' in spec || 'sigstore' in spec) return parseSignature(spec);
  if ('notation' in spec) {
    const { notation } = spec;
    return notation.identities === undefined
      ? parseNotationPolicy(notation)
      : parseNotation(notation);
  }
  if ('attestation' in spec) return parseAttestation(spec.attestation);
  if ('allOf' in spec) return combined('allOf', spec.allOf, spec.allOf.length);
  if ('anyOf' in spec) return combined('anyOf', spec.anyOf, 1);
  return combined('atLeast', spec.atLeast.of, spec.atLeast.count);
}

function parseSignature(spec: SignatureSpec): SignatureRequirement {
  return 'key' in spec ? parseKey(spec.key) : parseSigstore(spec.sigstore);
}

function parseKey(spec: KeySpec): KeyRequirement {
  const transparencyLog = threshold('transparencyLog', spec.transparencyLog, 0);
  const timestamps = threshold('timestamps', spec.timestamps, 0);
  const counted = transparencyLog > 0 || timestamps > 0;
  if (counted && spec.logsFrom === undefined) {
    throw new SyntaxError('expected logsFrom to name the sigstore trust root whose logs count');
  }
  return {
    kind: 'key',
    trustRoot: spec.trustRoot,
    transparencyLog,
    timestamps,
    ...(counted && spec.logsFrom !== undefined ? { logsFrom: spec.logsFrom } : {}),
  };
}

function parseSigstore(spec: SigstoreSpec): SigstoreRequirement {
  if (spec.identities.length === 0) {
    throw new SyntaxError('expected at least one identity: without one anybody could sign');
  }
  return {
    kind: 'sigstore',
    trustRoot: spec.trustRoot,
    identities: spec.identities.map(parseIdentity),
    transparencyLog: threshold('transparencyLog', spec.transparencyLog, 1),
    certificateTransparency: threshold('certificateTransparency', spec.certificateTransparency, 1),
    timestamps: threshold('timestamps', spec.timestamps, 1),
  };
}

function parseAttestation(spec: AttestationSpec): AttestationRequirement {
  const { schema, rule, maxAge } = spec;
  if (maxAge !== undefined && !(Number.isSafeInteger(maxAge) && maxAge > 0)) {
    throw new SyntaxError(`expected maxAge to be a time above zero, got ${maxAge}`);
  }
  return {
    kind: 'attestation',
    type: parsePredicateType(spec.type),
    by: parseSignature(spec.by),
    ...(schema === undefined ? {} : { schema: parsePredicateSchema(schema) }),
    ...(rule === undefined ? {} : { rule: parseExpression(rule) }),
    ...(maxAge === undefined ? {} : { maxAge }),
  };
}

function threshold(what: string, given: number | undefined, byDefault: number): number {
  const value = given ?? byDefault;
  if (Number.isInteger(value) && value >= 0 && value <= MAX_THRESHOLD) return value;
  throw new SyntaxError(`expected ${what} to be from 0 to ${MAX_THRESHOLD}, got ${value}`);
}

function combined(
  kind: CombinedRequirement['kind'],
  of: readonly RequirementSpec[],
  count: number,
): CombinedRequirement {
  if (of.length === 0) throw new SyntaxError(`expected ${kind} to list requirements`);
  if (!Number.isInteger(count) || count < 1 || count > of.length) {
    throw new SyntaxError(`expected a count from 1 to ${of.length}, got ${count}`);
  }
  return { kind, count, of: of.map(parseRequirement) };
}

/** The requirement with other leaves in the place of its own. */
export function mapLeaves(
  requirement: Requirement,
  change: (leaf: LeafRequirement) => LeafRequirement,
): Requirement {
  if (!('of' in requirement)) return change(requirement);
  return { ...requirement, of: requirement.of.map((child) => mapLeaves(child, change)) };
}

/** The leaves in the order they are written. */
export function leavesOf(requirement: Requirement): readonly LeafRequirement[] {
  return 'of' in requirement ? requirement.of.flatMap(leavesOf) : [requirement];
}

/** The signature that a leaf demands: its own, or the one over the attestation. */
export function signatureOf(leaf: LeafRequirement): SignatureRequirement | AnyNotationRequirement {
  return leaf.kind === 'attestation' ? leaf.by : leaf;
}

/** Every trust root that the requirement names, once, those whose logs count included. */
export function trustRootsOf(requirement: Requirement): readonly string[] {
  const names = leavesOf(requirement)
    .map(signatureOf)
    .flatMap((leaf) =>
      leaf.kind === 'key' && leaf.logsFrom !== undefined
        ? [leaf.trustRoot, leaf.logsFrom]
        : [leaf.trustRoot],
    );
  return [...new Set(names)];
}

/** Whether attestations must be looked for at all. */
export function wantsAttestations(requirement: Requirement): boolean {
  return leavesOf(requirement).some((leaf) => leaf.kind === 'attestation');
}

/** `key release-keys`, `keyless by https://… (issuer https://…) of sigstore-public`, `2 of (key a, key b)`: for messages. */
export function describeRequirement(requirement: Requirement): string {
  switch (requirement.kind) {
    case 'key':
      return describeSignature(requirement);
    case 'notation':
      return describeNotation(requirement);
    case 'notation-policy':
      return describeNotationPolicy(requirement);
    case 'sigstore':
      return `keyless by ${describeSignature(requirement)}`;
    case 'attestation': {
      const { type, by, maxAge } = requirement;
      const age = maxAge === undefined ? '' : `, ${describeDuration(maxAge)} old at most`;
      return `attestation ${type.name} by ${describeSignature(by)}${age}`;
    }
    default: {
      const parts = requirement.of.map(describeRequirement).join(', ');
      if (requirement.kind === 'atLeast') return `${requirement.count} of (${parts})`;
      return `${requirement.kind === 'allOf' ? 'all' : 'any'} of (${parts})`;
    }
  }
}

/** How many identities a message names. */
const TOLD = 2;

/** Who is to sign: `key release-keys`, `https://… (issuer https://…) of sigstore-public`. */
export function describeSignature(requirement: SignatureRequirement): string {
  if (requirement.kind === 'key') return `key ${requirement.trustRoot}`;
  const { identities, trustRoot } = requirement;
  const more = identities.length - TOLD;
  const told = identities.slice(0, TOLD).map(describeIdentity).join(' or ');
  return `${more > 0 ? `${told} or ${more} more` : told} of ${trustRoot}`;
}
