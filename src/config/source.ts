/** One file of a configuration: its text read, checked against the schema, and a place for its mistakes. */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isJsonObject } from '../oci/json.ts';
import { MAX_CONFIG_BYTES, parseConfigDocument } from './document.ts';
import { ConfigError, type NodePath, type Problem } from './problem.ts';
import type { RawConfig, RawShared } from './raw.ts';
import { describeSchemaErrors } from './schema-message.ts';
import { configSections, validateConfig } from './schema.ts';
import { describeFileError, type Section } from './section.ts';

export interface Source<Raw extends RawShared = RawShared> {
  /** As it was named. */
  readonly file: string;
  readonly raw: Raw;
  readonly section: Section;
  /** `FILE:LINE` of the part at a path. */
  placeOf(path: NodePath): string;
}

/** What an included file may hold. */
const SHARED: readonly string[] = ['upstreams', 'trustRoots', 'policies', 'exceptions'];

/**
 * Reads the file that was asked for.
 * @throws {ConfigError} where its text or its shape is wrong.
 */
export function readMain(
  file: string,
  env: Section['env'],
  problems: Problem[],
): Source<RawConfig> {
  const source = readSource(file, env, (problem) => void problems.push(problem));
  if (source === undefined) throw new ConfigError(file, inOrder(problems));
  return source;
}

/** Reads an included file; its mistakes carry its name, and leave undefined. */
export function readIncluded(
  file: string,
  env: Section['env'],
  problems: Problem[],
): Source | undefined {
  const take = (problem: Problem): void => void problems.push({ ...problem, file });
  try {
    return readSource(file, env, take, SHARED);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    error.problems.forEach(take);
    return undefined;
  }
}

/** In the order of lines within a file, and of files as they were read. */
export function inOrder(problems: readonly Problem[]): readonly Problem[] {
  const files = [...new Set([undefined, ...problems.map(({ file }) => file)])];
  return problems.toSorted(
    (a, b) =>
      files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}

/** @param only the sections that the file may have; all of them unless told. */
function readSource(
  file: string,
  env: Section['env'],
  take: (problem: Problem) => void,
  only?: readonly string[],
): Source<RawConfig> | undefined {
  const document = parseConfigDocument(readText(file), file);
  const report: Section['report'] = (path, message, at) => {
    take(document.problem(path, message, at));
  };
  const { value } = document;
  const foreign =
    only === undefined || !isJsonObject(value)
      ? []
      : configSections().filter((key) => Object.hasOwn(value, key) && !only.includes(key));
  for (const key of foreign) {
    report([key], `an included file has ${only?.join(', ') ?? ''} only, not "${key}"`, 'key');
  }
  const result = validateConfig(value);
  if (!result.ok) {
    for (const { path, message, at } of describeSchemaErrors(result.errors, value)) {
      report(path, message, at);
    }
  }
  if (!result.ok || foreign.length > 0) return undefined;
  return {
    file,
    raw: result.raw,
    section: { folder: dirname(resolve(file)), env, report },
    placeOf: (path) => `${file}:${document.problem(path, '', 'key').line}`,
  };
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
