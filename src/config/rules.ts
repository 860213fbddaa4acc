/** The section `policies`: rules whose parts make sense together. */
import { canonicalRegistry, parseRepository } from '../oci/reference.ts';
import type { ReferenceConfig, RuleConfig, SignaturesConfig } from './config.ts';
import type { NodePath } from './problem.ts';
import type { RawRule } from './raw.ts';
import { readRequirement, type RootKinds } from './requirements.ts';
import type { Section } from './section.ts';
import { suggest } from './suggest.ts';
import { readTags } from './tags.ts';
import { parseDuration } from './units.ts';

/** What rules may refer to. */
export interface Surroundings {
  readonly roots: RootKinds;
  /** Canonical names. */
  readonly upstreams: ReadonlySet<string>;
}

/** Reads every rule; mistakes are reported. The grammar of patterns is the policy's own to check. */
export function readRules(
  section: Section,
  raw: readonly RawRule[],
  around: Surroundings,
): readonly RuleConfig[] {
  return raw.map((rule, index) => readRule(section, ['policies', index], rule, around));
}

function readRule(
  section: Section,
  path: NodePath,
  rule: RawRule,
  around: Surroundings,
): RuleConfig {
  const match = typeof rule.match === 'string' ? [rule.match] : rule.match;
  if (match.every((pattern) => pattern.startsWith('!'))) {
    section.report(
      [...path, 'match'],
      'expected at least one pattern that includes (a leading ! excludes)',
    );
  }
  const { name, insecureAcceptAnything, reject, require, signatures, tags, reverify, mode } = rule;
  return {
    name,
    match,
    insecureAcceptAnything,
    reject,
    require:
      require === undefined
        ? undefined
        : readRequirement(section, [...path, 'require'], require, around.roots),
    signatures: readSignatures(section, path, rule, signatures, around),
    tags: readTags(tags, rule),
    reverify: readReverify(section, [...path, 'reverify'], reverify),
    mode,
  };
}

/** Milliseconds. Each look asks the upstream. */
const SHORTEST_REVERIFY = 60_000;

function readReverify(section: Section, path: NodePath, text: string): number {
  const span = parseDuration(text);
  if (span < SHORTEST_REVERIFY) section.report(path, `expected at least 1m, got ${text}`);
  return span;
}

function readSignatures(
  section: Section,
  path: NodePath,
  rule: RawRule,
  signatures: RawRule['signatures'],
  around: Surroundings,
): SignaturesConfig | undefined {
  if (signatures === undefined) return undefined;
  const at = [...path, 'signatures'];
  if (rule.require === undefined) {
    section.report(at, '"signatures" has no meaning without "require"', 'key');
  }
  const { repository, reference } = signatures;
  if (repository !== undefined) {
    checkRepository(section, [...at, 'repository'], repository, around.upstreams);
  }
  if (reference !== undefined) checkReference(section, [...at, 'reference'], reference);
  return signatures;
}

/** A repository, or one with `/**` at its end, of a registry that may be asked. */
function checkRepository(
  section: Section,
  path: NodePath,
  text: string,
  upstreams: ReadonlySet<string>,
): void {
  const [first = '', ...rest] = text.replace(/\/\*\*$/, '').split('/');
  const registry = canonicalRegistry(first);
  try {
    // What takes the place of ** makes a name of what may be a registry alone.
    parseRepository(registry, [...rest, ...(text.endsWith('/**') ? ['name'] : [])].join('/'));
  } catch {
    section.report(
      path,
      `expected a repository such as registry.example/signatures or registry.example/signatures/**, got ${JSON.stringify(text)}`,
    );
    return;
  }
  if (upstreams.has(registry)) return;
  section.report(
    path,
    `the registry ${JSON.stringify(registry)} is no upstream${suggest(registry, upstreams)}`,
  );
}

function checkReference(section: Section, path: NodePath, reference: ReferenceConfig): void {
  if (typeof reference === 'string') return;
  for (const key of ['prefix', 'signedPrefix'] as const) {
    const text = reference.remap[key];
    const [first = '', ...rest] = text.split('/');
    try {
      parseRepository(first, [...rest, 'name'].join('/'));
    } catch {
      section.report(
        [...path, 'remap', key],
        `expected a registry or a registry with a path, such as registry.example/mirror, got ${JSON.stringify(text)}`,
      );
    }
  }
}
