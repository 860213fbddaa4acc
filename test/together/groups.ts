/** Which test files run together in one process: to start Node, tap and the proxy's libraries costs more than most test. */
import { globSync } from 'node:fs';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';

export const TESTS = join(import.meta.dirname, '..');
/** Milliseconds that one test may take, however many there are in the process. */
const TEST_TIMEOUT = 480_000;

interface Group {
  /** Globs below `test/`, without `.test.ts`. */
  readonly files: readonly string[];
  readonly except?: readonly string[];
}

/** About equally long; each has a file of its name here, which is what tap runs. */
export const GROUPS = {
  'attacks-a-h': { files: ['attacks/[a-h]*'], except: ['attacks/faulty-*'] },
  'attacks-i-m': { files: ['attacks/[i-m]*'], except: ['attacks/kill-*'] },
  'attacks-notation': { files: ['attacks/n*'] },
  'attacks-o-z': { files: ['attacks/[o-z]*'] },
  admission: { files: ['admission/*', 'admin/*', 'app/*'] },
  carry: { files: ['carry/*', 'layout/*'] },
  edges: { files: ['http/*', 'upstream/*', 'trust/*', 'cli/*', 'signing/*'] },
  notation: { files: ['verify/notation/**/*'] },
  sigstore: { files: ['verify/sigstore/**/*'] },
  store: { files: ['store/*'], except: ['store/*.property'] },
  values: { files: ['*', 'oci/*', 'policy/*', 'config/*', 'observe/*'] },
  verify: { files: ['verify/*', 'verify/simple-signing/*'] },
} satisfies Record<string, Group>;

/** Files whose tests take long, or change the process: each runs in its own. */
export const ALONE = ['attacks/faulty-*', 'attacks/kill-*', 'store/*.property'];

/** Paths below `test/`, in the order of their names. */
export function filesOf({ files, except = [] }: Group): readonly string[] {
  return find(files, except);
}

/** @param except globs, as `patterns` are, of what is left out. */
export function find(patterns: readonly string[], except: readonly string[] = []): string[] {
  const complete = (pattern: string): string => `${pattern}.test.ts`;
  return globSync(patterns.map(complete), { cwd: TESTS, exclude: except.map(complete) })
    .map((file) => file.split(sep).join('/'))
    .sort();
}

/** Runs the files of a group one after the other. */
export async function runTogether(name: keyof typeof GROUPS): Promise<void> {
  t.on('subtestEnd', () => {
    t.setTimeout(TEST_TIMEOUT);
  });
  for (const file of filesOf(GROUPS[name])) {
    t.comment(file);
    await import(pathToFileURL(join(TESTS, file)).href);
  }
}
