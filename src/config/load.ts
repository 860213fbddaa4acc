/** From a YAML file and what it includes to one frozen, checked {@link Config}, or to every mistake with its line. */
import { resolve } from 'node:path';
import type { Config } from './config.ts';
import { findIncluded } from './include.ts';
import { merge, type Merged } from './merge.ts';
import { ConfigError, type Finding, type Problem } from './problem.ts';
import type { RawConfig } from './raw.ts';
import { readableFile, type Section } from './section.ts';
import { inOrder, readIncluded, readMain } from './source.ts';
import { parseSize } from './units.ts';

export interface LoadOptions {
  /** Where `${NAME}` is looked up. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What `cache.path` is relative to; the process's working directory unless told. */
  readonly cwd?: string;
  /** Checks that need other rooms, such as reading keys; what it finds is reported with path and line. */
  readonly inspect?: (config: Config) => readonly Finding[];
}

/**
 * Reads a configuration. Files that it names are relative to the folder of the file that names them; `cache.path`, which
 * the program writes, is relative to the working directory.
 * @throws {ConfigError} with every mistake that could be found.
 */
export function loadConfig(file: string, options: LoadOptions): Config {
  const problems: Problem[] = [];
  const { env } = options;
  const main = readMain(file, env, problems);
  const included = findIncluded(main.section, main.raw.include)
    .map((name) => readIncluded(name, env, problems))
    .filter((source) => source !== undefined);
  // What a file that could not be read would have defined is not missing.
  if (problems.length > 0) throw new ConfigError(file, inOrder(problems));
  const merged = merge(main, included);
  const config = build(main.section, main.raw, merged, file, options.cwd ?? process.cwd());
  if (problems.length === 0) {
    for (const finding of options.inspect?.(config) ?? []) merged.report(finding);
  }
  if (problems.length > 0) throw new ConfigError(file, inOrder(problems));
  return deepFreeze(config);
}

function build(
  section: Section,
  raw: RawConfig,
  merged: Merged,
  file: string,
  cwd: string,
): Config {
  const { listen, admin, cache } = raw;
  if (listen.port !== 0 && listen.port === admin.port) {
    section.report(['admin', 'port'], `expected another port than listen.port, ${listen.port}`);
  }
  return {
    file: resolve(file),
    included: merged.included,
    listen: { ...listen, tls: readTls(section, listen.tls) },
    admin: { host: admin.host, port: admin.port },
    cache: {
      path: resolve(cwd, cache.path),
      maxSize: parseSize(cache.maxSize),
      keep: cache.keep,
      prefetch: cache.prefetch,
    },
    offline: raw.offline,
    imports: readImports(section, raw.imports, merged),
    upstreams: merged.upstreams,
    trustRoots: merged.trustRoots,
    policies: merged.policies,
    exceptions: merged.exceptions,
    log: { level: raw.log.level },
  };
}

function readImports(
  section: Section,
  { require }: RawConfig['imports'],
  { trustRoots }: Merged,
): Config['imports'] {
  if (require === undefined) return {};
  const { trustRoot } = require;
  const path = ['imports', 'require', 'trustRoot'];
  const found = trustRoots.find(({ name }) => name === trustRoot);
  if (found === undefined) {
    section.report(path, `unknown trust root ${JSON.stringify(trustRoot)}`);
  } else if (found.kind !== 'public-keys') {
    section.report(path, `expected a trust root of publicKeys, got one of ${found.kind}`);
  }
  return { sealedBy: trustRoot };
}

function readTls(section: Section, tls: RawConfig['listen']['tls']): Config['listen']['tls'] {
  if (tls === undefined) return undefined;
  return {
    certFile: readableFile(section, ['listen', 'tls', 'certFile'], tls.certFile),
    keyFile: readableFile(section, ['listen', 'tls', 'keyFile'], tls.keyFile),
  };
}

function deepFreeze<T>(value: T): T {
  // The content of a file: an array of bytes cannot be frozen, and Object.freeze throws.
  if (ArrayBuffer.isView(value)) return value;
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
