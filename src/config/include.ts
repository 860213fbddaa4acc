/** `include`: which files an including file means. */
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { describeFileError, type Section } from './section.ts';

/** Files that one configuration may include. */
const MAX_INCLUDED = 64;

/**
 * The files that the patterns name, each once: pattern by pattern, those of one pattern in the order of their names.
 * `*` stands for any text in the name of a file and never for a leading dot. What is wrong is reported.
 */
export function findIncluded(section: Section, patterns: readonly string[]): readonly string[] {
  const found = new Set<string>();
  for (const [index, pattern] of patterns.entries()) {
    const files = expand(section, ['include', index], pattern);
    for (const file of files) found.add(file);
  }
  if (found.size > MAX_INCLUDED) {
    section.report(
      ['include'],
      `expected at most ${MAX_INCLUDED} included files, got ${found.size}`,
    );
  }
  return [...found].slice(0, MAX_INCLUDED);
}

function expand(
  section: Section,
  path: readonly (string | number)[],
  pattern: string,
): readonly string[] {
  const name = basename(pattern);
  const folder = resolve(section.folder, dirname(pattern));
  if (dirname(pattern).includes('*')) {
    section.report(path, 'expected * in the name of the file only');
    return [];
  }
  if (!name.includes('*')) return [join(folder, name)];
  const files = listFiles(folder).filter((file) => matchesName(name, file));
  if (files.length === 0) section.report(path, `no file matches ${join(folder, name)}`);
  return files.toSorted().map((file) => join(folder, file));
}

/** Files, links to files included: Kubernetes mounts configuration as links. */
function listFiles(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter(
      (file) => statSync(join(folder, file), { throwIfNoEntry: false })?.isFile() === true,
    );
  } catch (error) {
    // A folder that is not there holds no file that matches; describing needs a code, so others are thrown.
    if (describeFileError(error) === 'unreadable') throw error;
    return [];
  }
}

function matchesName(pattern: string, name: string): boolean {
  if (name.startsWith('.') && !pattern.startsWith('.')) return false;
  const parts = pattern.split('*').map((part) => part.replace(/[^A-Za-z0-9_]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(name);
}
