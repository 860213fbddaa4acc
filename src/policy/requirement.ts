/** What a rule demands of an image: leaves that name a trust root, combined by allOf, anyOf and atLeast. */

/** A signature by one of the keys of a trust root. */
export interface KeyRequirement {
  readonly kind: 'key';
  readonly trustRoot: string;
}

/** `count` of the alternatives; allOf is all of them, anyOf is one. */
export interface CombinedRequirement {
  readonly kind: 'allOf' | 'anyOf' | 'atLeast';
  readonly count: number;
  readonly of: readonly Requirement[];
}

export type Requirement = KeyRequirement | CombinedRequirement;

/** A requirement as the configuration spells it: an object with one member. */
export type RequirementSpec =
  | { readonly key: { readonly trustRoot: string } }
  | { readonly allOf: readonly RequirementSpec[] }
  | { readonly anyOf: readonly RequirementSpec[] }
  | { readonly atLeast: { readonly count: number; readonly of: readonly RequirementSpec[] } };

/**
 * Reads a requirement.
 * @throws {SyntaxError} for an empty combination, which would demand nothing, and for a count that cannot be met.
 */
export function parseRequirement(spec: RequirementSpec): Requirement {
  if ('key' in spec) return { kind: 'key', trustRoot: spec.key.trustRoot };
  if ('allOf' in spec) return combined('allOf', spec.allOf, spec.allOf.length);
  if ('anyOf' in spec) return combined('anyOf', spec.anyOf, 1);
  return combined('atLeast', spec.atLeast.of, spec.atLeast.count);
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

/** The leaves in the order they are written. */
export function leavesOf(requirement: Requirement): readonly KeyRequirement[] {
  return requirement.kind === 'key' ? [requirement] : requirement.of.flatMap(leavesOf);
}

/** `key release-keys`, `2 of (key a, key b, key c)`: for messages. */
export function describeRequirement(requirement: Requirement): string {
  if (requirement.kind === 'key') return `key ${requirement.trustRoot}`;
  const parts = requirement.of.map(describeRequirement).join(', ');
  if (requirement.kind === 'atLeast') return `${requirement.count} of (${parts})`;
  return `${requirement.kind === 'allOf' ? 'all' : 'any'} of (${parts})`;
}
