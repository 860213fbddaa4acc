/** The rooms of the house and the doors between them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import t from 'tap';
import { findViolations, readSource, type Rooms } from './helpers/architecture.ts';

/** Rooms that hold values and rules; they touch neither disk nor network. */
const PURE = ['node:crypto'];

const CORE = ['oci', 'policy', 'trust', 'verify', 'admission'];
const CARRIED = ['layout', 'carry'];
const OTHERS = ['signing', 'upstream', 'store', 'http', 'admin', 'config', 'observe'];
const PARTS = [...CORE, ...OTHERS, ...CARRIED];

/** Who may import whom; what is not here is forbidden. */
const ROOMS: Rooms = {
  oci: { rooms: [], outside: PURE },
  policy: {
    rooms: ['oci'],
    outside: [...PURE, 're2js', 'ajv', 'ajv/dist/2020.js', '@marcbachmann/cel-js'],
  },
  trust: { rooms: ['oci', 'policy'] },
  verify: { rooms: ['oci', 'policy', 'trust'] },
  admission: { rooms: ['oci', 'policy', 'trust', 'verify'], types: ['upstream', 'store'] },
  upstream: { rooms: ['oci'] },
  store: { rooms: ['oci'] },
  signing: { rooms: ['oci', 'trust', 'verify'] },
  layout: { rooms: ['oci', 'upstream'] },
  // What a client of the proxy has to know of registries the room that asks them knows already.
  carry: { rooms: [...CORE, 'upstream', 'layout'], types: ['store'] },
  config: { rooms: ['oci'] },
  observe: { rooms: ['oci'] },
  http: { rooms: ['oci', 'policy', 'admission'], types: ['store'] },
  admin: { rooms: ['oci'] },
  // The commands say what they need as types; the composition makes it, and knows no command.
  app: { rooms: PARTS, types: ['cli'] },
  serve: { rooms: [...PARTS, 'app'] },
  cli: { rooms: PARTS },
  main: { rooms: [...PARTS, 'app', 'serve', 'cli'] },
};

const MAX_LINES = 300;

t.test('src keeps the rules of the house', async (t) => {
  const root = join(import.meta.dirname, '../src');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const sources = new Map(
    files
      .filter((file) => file.endsWith('.ts'))
      .map((file) => [file.split(sep).join('/'), readFileSync(join(root, file), 'utf8')]),
  );
  t.ok(sources.size > 50, 'the sources were found');
  t.strictSame(findViolations(sources, ROOMS, MAX_LINES), []);
});

/** The violations of small made-up sources, each of which opens with a sentence. */
function violations(files: Readonly<Record<string, string>>): readonly string[] {
  const sources = Object.entries(files).map(
    ([file, text]) => [file, `/** ${file} */\n${text}\n`] as const,
  );
  return findViolations(new Map(sources), ROOMS, MAX_LINES);
}

t.test('a room may look left and at itself', async (t) => {
  t.strictSame(
    violations({
      'oci/digest.ts': `import { createHash } from 'node:crypto';`,
      'oci/reference.ts': `import { x } from './digest.ts';`,
      'policy/rule.ts': `import { x } from '../oci/reference.ts';`,
      'store/records.ts': `import fs from 'node:fs';`,
      'admission/judge.ts': `import type { Records } from '../store/records.ts';\nimport { r } from '../policy/rule.ts';`,
      'app.ts': `import { judge } from './admission/judge.ts';\nimport { r } from './store/records.ts';`,
      'main.ts': `import { app } from './app.ts';`,
    }),
    [],
  );
});

const forbidden: readonly (readonly [title: string, source: string])[] = [
  ['import', `import { x } from '../store/disk.ts';`],
  ['import for its effects', `import '../store/disk.ts';`],
  ['re-export', `export { x } from '../store/disk.ts';`],
  ['dynamic import', `const x = await import('../store/disk.ts');`],
  ['dynamic import of a template', 'const x = await import(`../store/disk.ts`);'],
  ['import type', `import type { X } from '../store/disk.ts';`],
  ['type of an import', `let x: import('../store/disk.ts').X;`],
];
for (const [title, source] of forbidden) {
  t.test(`names a forbidden ${title}`, async (t) => {
    t.strictSame(violations({ 'verify/key.ts': `\n${source}`, 'store/disk.ts': '' }), [
      'verify/key.ts:3: verify must not import store (store/disk.ts)',
    ]);
  });
}

t.test('where only types may be imported, values may not', async (t) => {
  for (const source of [
    `import { x } from '../store/disk.ts';`,
    `import { type X } from '../store/disk.ts';`,
    `import '../store/disk.ts';`,
  ]) {
    t.strictSame(violations({ 'admission/judge.ts': source, 'store/disk.ts': '' }), [
      'admission/judge.ts:2: admission may import only types from store (store/disk.ts)',
    ]);
  }
});

t.test('nobody but the composition sees config and observe, nobody sees main', async (t) => {
  t.strictSame(
    violations({
      'observe/logger.ts': '',
      'config/config.ts': '',
      'main.ts': '',
      'http/server.ts': `import type { L } from '../observe/logger.ts';`,
      'upstream/dispatcher.ts': `import type { C } from '../config/config.ts';`,
      'cli/verify.ts': `import { m } from '../main.ts';`,
      'app.ts': `import { c } from './cli/verify.ts';`,
    }),
    [
      'http/server.ts:2: http must not import observe (observe/logger.ts)',
      'upstream/dispatcher.ts:2: upstream must not import config (config/config.ts)',
      'cli/verify.ts:2: cli must not import main (main.ts)',
      'app.ts:2: app may import only types from cli (cli/verify.ts)',
    ],
  );
});

t.test('rooms without input and output import neither modules nor packages for it', async (t) => {
  t.strictSame(
    violations({
      'oci/digest.ts': `import { readFile } from 'node:fs/promises';`,
      'policy/rule.ts': `import { fetch } from 'undici';`,
    }),
    [
      'oci/digest.ts:2: oci must not import node:fs/promises',
      'policy/rule.ts:2: policy must not import undici',
    ],
  );
});

t.test('names a circle once, one of types included', async (t) => {
  t.strictSame(
    violations({
      'oci/a.ts': `import { b } from './b.ts';`,
      'oci/b.ts': `import type { C } from './c.ts';`,
      'oci/c.ts': `import { a } from './a.ts';`,
      'oci/d.ts': `import { b } from './b.ts';`,
    }),
    ['a circle: oci/a.ts → oci/b.ts → oci/c.ts → oci/a.ts'],
  );
});

t.test('names default exports, barrels, long files, unknown rooms and missing files', async (t) => {
  t.strictSame(
    violations({
      'oci/one.ts': 'export default 1;',
      'oci/two.ts': 'export default function two() {}',
      'oci/three.ts': 'const x = 1;\nexport { x as default };',
      'oci/index.ts': '',
      'oci/all.ts': `export * from './one.ts';`,
      'oci/long.ts': '\n'.repeat(MAX_LINES),
      'utils/misc.ts': '',
      'oci/lost.ts': `import { x } from './gone.ts';\nawait import(name);`,
    }).toSorted(),
    [
      'oci/all.ts:2: export * makes a barrel',
      'oci/index.ts: a barrel file',
      `oci/long.ts: ${MAX_LINES + 2} lines, expected at most ${MAX_LINES}`,
      'oci/lost.ts:2: there is no oci/gone.ts',
      'oci/lost.ts:3: an import whose target only the running program knows',
      'oci/one.ts:2: a default export',
      'oci/three.ts:3: a default export',
      'oci/two.ts:2: a default export',
      'utils/misc.ts: in no known room',
    ],
  );
  t.strictSame(findViolations(new Map([['oci/mute.ts', 'export {};\n']]), ROOMS, MAX_LINES), [
    'oci/mute.ts: expected a first sentence that says what the file is for',
  ]);
});

t.test('imports in comments and strings are none', async (t) => {
  const text = `// import '../store/disk.ts';\nconst s = "import '../store/disk.ts'";`;
  t.strictSame(readSource('oci/a.ts', text), { imports: [], findings: [] });
});
