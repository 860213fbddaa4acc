/** One set of upstreams, trust roots and rules out of several files, in which nothing is said in two ways. */
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ExceptionConfig, RuleConfig, TrustRootConfig } from './config.ts';
import type { UpstreamConfig } from './upstream-config.ts';
import type { Finding } from './problem.ts';
import type { RootKinds } from './requirements.ts';
import { readExceptions } from './exceptions.ts';
import { readRules } from './rules.ts';
import type { Source } from './source.ts';
import { isPlainInstance, readTrustRoot } from './trust-roots.ts';
import { isPlainUpstream, readUpstreams } from './upstreams.ts';

export interface Merged {
  /** Absolute paths of all files but the first. */
  readonly included: readonly string[];
  readonly upstreams: readonly UpstreamConfig[];
  readonly trustRoots: readonly TrustRootConfig[];
  /** Those of the first file first. */
  readonly policies: readonly RuleConfig[];
  readonly exceptions: readonly ExceptionConfig[];
  /** Reports what was found later, by its place in the whole, at the place where it was written. */
  report(finding: Finding): void;
}

/** Something with a name, and the file that has it. */
interface Owned<T> {
  readonly value: T;
  readonly source: Source;
}

/**
 * Reads the sections that all files may have; mistakes are reported to the file that has them.
 * @param others the included files, in the order of their rules.
 */
export function merge(main: Source, others: readonly Source[]): Merged {
  const sources = [main, ...others];
  const upstreams = mergeNamed(
    'upstreams',
    sources.map((source) => [source, readUpstreams(source.section, source.raw.upstreams)]),
    isPlainUpstream,
  );
  checkDefault([...upstreams.values()]);
  const trustRoots = mergeNamed(
    'trustRoots',
    sources.map((source) => [
      source,
      Object.entries(source.raw.trustRoots).map(([name, raw]) =>
        readTrustRoot(source.section, name, raw),
      ),
    ]),
    isPlainInstance,
    sameInstance,
  );
  const roots: RootKinds = new Map([...trustRoots].map(([name, { value }]) => [name, value.kind]));
  const around = { roots, upstreams: new Set(upstreams.keys()) };
  const rules = sources.flatMap((source) =>
    readRules(source.section, source.raw.policies, around).map((value, index) => ({
      value,
      source,
      index,
    })),
  );
  checkRuleNames(rules);
  const exceptions = readExceptions(
    sources,
    rules.map(({ value }) => value),
  );

  return {
    included: others.map(({ file }) => resolve(file)),
    upstreams: [...upstreams.values()].map(({ value }) => value),
    trustRoots: [...trustRoots.values()].map(({ value }) => value),
    policies: rules.map(({ value }) => value),
    exceptions,
    report({ path, message, at }) {
      const [section, key, ...rest] = path;
      if (section === 'policies' && typeof key === 'number') {
        const rule = rules[key];
        rule?.source.section.report(['policies', rule.index, ...rest], message, at);
        return;
      }
      const owner = section === 'trustRoots' ? trustRoots : upstreams;
      const source = typeof key === 'string' ? owner.get(key)?.source : undefined;
      (source ?? main).section.report(path, message, at);
    },
  };
}

/**
 * Each name once. The same name in two files must mean the same, except that the later one may say nothing but that
 * there is such a thing: then the earlier one stands.
 */
function mergeNamed<T extends { readonly name: string }>(
  section: 'upstreams' | 'trustRoots',
  parts: readonly (readonly [Source, readonly T[]])[],
  isPlain: (value: T) => boolean,
  mayStandFor: (first: T, plain: T) => boolean = () => true,
): ReadonlyMap<string, Owned<T>> {
  const found = new Map<string, Owned<T>>();
  for (const [source, values] of parts) {
    for (const value of values) {
      const first = found.get(value.name);
      if (first === undefined) {
        found.set(value.name, { value, source });
      } else if (
        !isDeepStrictEqual(first.value, value) &&
        !(isPlain(value) && mayStandFor(first.value, value))
      ) {
        const path = [section, value.name];
        source.section.report(
          path,
          `is said in another way at ${first.source.placeOf(path)}`,
          'key',
        );
      }
    }
  }
  return found;
}

/** Only the same instance, refreshed in another way, may stand for one that a file names in passing. */
function sameInstance(first: TrustRootConfig, plain: TrustRootConfig): boolean {
  return (
    first.kind === 'sigstore' &&
    plain.kind === 'sigstore' &&
    isDeepStrictEqual(first.source, plain.source)
  );
}

function checkDefault(upstreams: readonly Owned<UpstreamConfig>[]): void {
  const [first, ...others] = upstreams.filter(({ value }) => value.default);
  for (const { value, source } of others) {
    source.section.report(
      ['upstreams', value.name, 'default'],
      `only one upstream can be the default, and ${JSON.stringify(first?.value.name)} is`,
    );
  }
}

function checkRuleNames(rules: readonly (Owned<RuleConfig> & { readonly index: number })[]): void {
  const firsts = new Map<string, (typeof rules)[number]>();
  for (const rule of rules) {
    const twin = firsts.get(rule.value.name);
    if (twin === undefined) {
      firsts.set(rule.value.name, rule);
      continue;
    }
    const path = ['policies', twin.index, 'name'];
    const where =
      twin.source === rule.source
        ? `policies[${twin.index}]`
        : `policies[${twin.index}] at ${twin.source.placeOf(path)}`;
    rule.source.section.report(['policies', rule.index, 'name'], `${where} has the same name`);
  }
}
