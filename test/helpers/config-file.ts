/** Configuration files in a folder of the test's own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import type { Config } from '../../src/config/config.ts';
import { loadConfig, type LoadOptions } from '../../src/config/load.ts';
import { ConfigError, type Problem } from '../../src/config/problem.ts';
import { testdir } from './testdir.ts';

/** Writes files into the test's folder and returns the path of the first. */
export function writeFiles(t: Test, files: Readonly<Record<string, string>>): string {
  const folder = testdir(t, {});
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return join(folder, Object.keys(files)[0] ?? '');
}

/** Loads YAML text; `files` lie beside it. */
export function loadText(
  t: Test,
  yaml: string,
  options: Partial<LoadOptions> & { readonly files?: Readonly<Record<string, string>> } = {},
): Config {
  const { files, ...rest } = options;
  return loadConfig(writeFiles(t, { 'countersign.yaml': yaml, ...files }), { env: {}, ...rest });
}

/** The problems of YAML text as `LINE path: message`, in order. */
export function problemsOf(
  t: Test,
  yaml: string,
  options: Parameters<typeof loadText>[2] = {},
): readonly string[] {
  return rawProblemsOf(t, yaml, options).map(
    ({ line, path, message }) => `${line} ${path}: ${message}`,
  );
}

/** The problems of YAML text. */
export function rawProblemsOf(
  t: Test,
  yaml: string,
  options: Parameters<typeof loadText>[2] = {},
): readonly Problem[] {
  try {
    loadText(t, yaml, options);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
