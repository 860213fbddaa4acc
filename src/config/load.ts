/** From a YAML file to one frozen, checked {@link Config}, or to every mistake with its line. */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Config, TrustRootConfig } from './config.ts';
import { MAX_CONFIG_BYTES, parseConfigDocument } from './document.ts';
import { ConfigError, type Finding, type Problem } from './problem.ts';
import type { RawConfig, RawTrustRoot } from './raw.ts';
import { readRules } from './rules.ts';
import { describeSchemaErrors } from './schema-message.ts';
import { validateConfig } from './schema.ts';
import { describeFileError, readableFile, textFile, type Section } from './section.ts';
import { parseSize } from './units.ts';
import { readUpstreams } from './upstreams.ts';

export interface LoadOptions {
  /** Where `${NAME}` is looked up. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What `cache.path` is relative to; the process's working directory unless told. */
  readonly cwd?: string;
  /** Checks that need other rooms, such as reading keys; what it finds is reported with path and line. */
  readonly inspect?: (config: Config) => readonly Finding[];
}

/**
 * Reads a configuration. Files that it names are relative to its own folder; `cache.path`, which the program writes,
 * is relative to the working directory.
 * @throws {ConfigError} with every mistake that could be found.
 */
export function loadConfig(file: string, options: LoadOptions): Config {
  const document = parseConfigDocument(readText(file), file);
  const problems: Problem[] = [];
  const report: Section['report'] = (path, message, at) => {
    problems.push(document.problem(path, message, at));
  };
  const reportAll = (findings: readonly Finding[]): void => {
    for (const { path, message, at } of findings) report(path, message, at);
  };

  const result = validateConfig(document.value);
  if (!result.ok) {
    reportAll(describeSchemaErrors(result.errors, document.value));
    throw new ConfigError(file, inOrder(problems));
  }
  const section: Section = { folder: dirname(resolve(file)), env: options.env, report };
  const config = build(section, result.raw, file, options.cwd ?? process.cwd());
  if (problems.length === 0) reportAll(options.inspect?.(config) ?? []);
  if (problems.length > 0) throw new ConfigError(file, inOrder(problems));
  return deepFreeze(config);
}

function readText(file: string): string {
  const refuse = (message: string): ConfigError =>
    new ConfigError(file, [{ path: '', line: 1, column: 1, message }]);
  let bytes: Buffer;
  try {
    if (statSync(file).size > MAX_CONFIG_BYTES) throw refuse('expected at most 1MiB');
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw refuse(`cannot be read: ${describeFileError(error)}`);
  }
  if (bytes.length > MAX_CONFIG_BYTES) throw refuse('expected at most 1MiB');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse('expected UTF-8 text');
  }
}

function build(section: Section, raw: RawConfig, file: string, cwd: string): Config {
  const { listen, admin, cache } = raw;
  if (listen.port !== 0 && listen.port === admin.port) {
    section.report(['admin', 'port'], `expected another port than listen.port, ${listen.port}`);
  }
  return {
    file: resolve(file),
    listen: { host: listen.host, port: listen.port, tls: readTls(section, listen.tls) },
    admin: { host: admin.host, port: admin.port },
    cache: { path: resolve(cwd, cache.path), maxSize: parseSize(cache.maxSize) },
    upstreams: readUpstreams(section, raw.upstreams),
    trustRoots: Object.entries(raw.trustRoots).map(([name, root]) =>
      readTrustRoot(section, name, root),
    ),
    policies: readRules(section, raw.policies, Object.keys(raw.trustRoots)),
    log: { level: raw.log.level },
  };
}

function readTls(section: Section, tls: RawConfig['listen']['tls']): Config['listen']['tls'] {
  if (tls === undefined) return undefined;
  return {
    certFile: readableFile(section, ['listen', 'tls', 'certFile'], tls.certFile),
    keyFile: readableFile(section, ['listen', 'tls', 'keyFile'], tls.keyFile),
  };
}

function readTrustRoot(section: Section, name: string, raw: RawTrustRoot): TrustRootConfig {
  const files = raw.publicKeys.map((key, index) =>
    textFile(section, ['trustRoots', name, 'publicKeys', index], key),
  );
  return { name, kind: 'public-keys', files };
}

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
