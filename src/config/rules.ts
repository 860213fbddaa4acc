/** The section `policies`: names that are unique, trust roots that exist, counts that can be met. */
import type { RequirementConfig, RuleConfig } from './config.ts';
import type { NodePath } from './problem.ts';
import type { RawRule } from './raw.ts';
import type { Section } from './section.ts';
import { suggest } from './suggest.ts';
import { parseDuration } from './units.ts';

/**
 * Reads every rule; mistakes are reported. The grammar of patterns is the policy's own to check.
 * @param roots names of the trust roots.
 */
export function readRules(
  section: Section,
  raw: readonly RawRule[],
  roots: readonly string[],
): readonly RuleConfig[] {
  const first = new Map<string, number>();
  return raw.map((rule, index) => {
    const path = ['policies', index];
    const twin = first.get(rule.name);
    if (twin === undefined) first.set(rule.name, index);
    else section.report([...path, 'name'], `policies[${twin}] has the same name`);
    const match = typeof rule.match === 'string' ? [rule.match] : rule.match;
    if (match.every((pattern) => pattern.startsWith('!'))) {
      section.report(
        [...path, 'match'],
        'expected at least one pattern that includes (a leading ! excludes)',
      );
    }
    if (rule.require !== undefined) {
      checkRequirement(section, [...path, 'require'], rule.require, roots);
    }
    return {
      name: rule.name,
      match,
      insecureAcceptAnything: rule.insecureAcceptAnything,
      reject: rule.reject,
      require: rule.require,
      tags: {
        refresh: parseDuration(rule.tags.refresh),
        maxStale: parseDuration(rule.tags.maxStale),
      },
      mode: rule.mode,
    };
  });
}

function checkRequirement(
  section: Section,
  path: NodePath,
  requirement: RequirementConfig,
  roots: readonly string[],
): void {
  if ('key' in requirement) {
    checkTrustRoot(section, [...path, 'key', 'trustRoot'], requirement.key.trustRoot, roots);
  } else if ('allOf' in requirement) {
    checkAll(section, [...path, 'allOf'], requirement.allOf, roots);
  } else if ('anyOf' in requirement) {
    checkAll(section, [...path, 'anyOf'], requirement.anyOf, roots);
  } else {
    const { count, of } = requirement.atLeast;
    if (count > of.length) {
      section.report(
        [...path, 'atLeast', 'count'],
        `expected a count from 1 to ${of.length}, the number of alternatives, got ${count}`,
      );
    }
    checkAll(section, [...path, 'atLeast', 'of'], of, roots);
  }
}

function checkAll(
  section: Section,
  path: NodePath,
  requirements: readonly RequirementConfig[],
  roots: readonly string[],
): void {
  for (const [index, requirement] of requirements.entries()) {
    checkRequirement(section, [...path, index], requirement, roots);
  }
}

function checkTrustRoot(
  section: Section,
  path: NodePath,
  name: string,
  roots: readonly string[],
): void {
  if (roots.includes(name)) return;
  const hint = roots.length === 0 ? ': the section trustRoots is empty' : suggest(name, roots);
  section.report(path, `unknown trust root ${JSON.stringify(name)}${hint}`);
}
