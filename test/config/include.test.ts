/** Configurations in several files: what is put together, and what is said about mistakes in each. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig, type LoadOptions } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problem.ts';
import { loadText, rawProblemsOf } from '../helpers/config-file.ts';
import { testdir } from '../helpers/testdir.ts';

const rule = (name: string, registry = 'a.example'): string =>
  `policies: [ { name: ${name}, match: ${registry}/**, reject: no } ]`;

/** Problems as `FILE:LINE path: message`; the file is left out where it is the one that was asked for. */
function problems(
  t: Test,
  yaml: string,
  files: Readonly<Record<string, string>>,
  options: Partial<LoadOptions> = {},
): readonly string[] {
  return rawProblemsOf(t, yaml, { files, ...options }).map(
    ({ file, line, path, message }) =>
      `${file === undefined ? '' : basename(file)}:${line} ${path}: ${message.replace(/\/\S*\//g, '…/')}`,
  );
}

t.test('rules of included files come after, file by file in the order of names', async (t) => {
  const { policies, included, upstreams } = loadText(
    t,
    `include: [ "./rules/*.yaml", ./first.yaml ]\n${rule('own')}`,
    {
      files: {
        'first.yaml': rule('named'),
        'rules/b.yaml': rule('b'),
        'rules/a.yaml': `upstreams: { quay.io: {} }\n${rule('a')}`,
        'rules/.hidden.yaml': rule('hidden'),
        'rules/note.txt': 'no YAML',
        'rules/deeper/c.yaml': rule('c'),
      },
    },
  );
  t.strictSame(
    policies.map(({ name }) => name),
    ['own', 'a', 'b', 'named'],
  );
  t.strictSame(
    included.map((file) => basename(file)),
    ['a.yaml', 'b.yaml', 'first.yaml'],
  );
  t.strictSame(
    upstreams.map(({ name }) => name),
    ['quay.io'],
  );
});

t.test('a file that is named twice is read once', async (t) => {
  const files = { 'a.yaml': rule('a') };
  const { policies } = loadText(t, 'include: [ ./a.yaml, ./a*.yaml, a.yaml ]', { files });
  t.equal(policies.length, 1);
});

t.test('files may be links, as Kubernetes mounts them', async (t) => {
  const folder = testdir(t, {});
  mkdirSync(join(folder, '..data'));
  writeFileSync(join(folder, '..data/a.yml'), rule('a'));
  symlinkSync('..data/a.yml', join(folder, 'a.yml'));
  writeFileSync(join(folder, 'main.yaml'), 'include: [ "*.yml" ]');
  t.equal(loadConfig(join(folder, 'main.yaml'), { env: {} }).policies.length, 1);
});

t.test('files that an included file names lie beside it', async (t) => {
  const { trustRoots } = loadText(t, 'include: [ rules/a.yaml ]', {
    files: {
      'rules/a.yaml': 'trustRoots: { ours: { publicKeys: [ ./a.pub ] } }',
      'rules/a.pub': 'the text',
    },
  });
  t.match(trustRoots, [{ files: [{ text: 'the text' }] }]);
});

t.test('rules of one file may name trust roots of another', async (t) => {
  const { policies } = loadText(
    t,
    'include: [ a.yaml ]\ntrustRoots: { ours: { publicKeys: [ a.pub ] } }',
    {
      files: {
        'a.pub': 'pem',
        'a.yaml':
          'policies: [ { name: a, match: a.example/**, require: { key: { trustRoot: ours } } } ]',
      },
    },
  );
  t.equal(policies.length, 1);
});

t.test('the same name may be said twice in the same way', async (t) => {
  const shared = 'upstreams: { ghcr.io: {} }\ntrustRoots: { public: { sigstore: public-good } }';
  const { upstreams, trustRoots } = loadText(t, `include: [ "*.yml" ]\n${shared}`, {
    files: { 'a.yml': shared, 'b.yml': shared },
  });
  t.strictSame([upstreams.length, trustRoots.length], [1, 1]);
});

t.test('an included file that says no more than a name leaves the rest to the other', async (t) => {
  const { upstreams, trustRoots } = loadText(
    t,
    `
include: [ a.yml ]
upstreams: { ghcr.io: { default: true, privateHosts: [ 10.0.0.1 ] } }
trustRoots: { public: { sigstore: { instance: public-good, refresh: never } } }`,
    {
      files: {
        'a.yml': 'upstreams: { ghcr.io: {} }\ntrustRoots: { public: { sigstore: public-good } }',
      },
    },
  );
  t.match(upstreams, [{ default: true, privateHosts: ['10.0.0.1'] }]);
  t.match(trustRoots, [{ refresh: undefined }]);
});

const a = (text: string): Readonly<Record<string, string>> => ({ 'a.yml': text, 'x.pub': 'pem' });
const cases: readonly (readonly [
  title: string,
  yaml: string,
  files: Readonly<Record<string, string>>,
  ...problems: string[],
])[] = [
  [
    'a rule whose name another file has',
    `include: [ a.yml ]\n${rule('one')}`,
    a(`#\n${rule('one')}`),
    'a.yml:2 policies[0].name: policies[0] at …/countersign.yaml:2 has the same name',
  ],
  [
    'an upstream that is said in two ways',
    'include: [ a.yml ]\nupstreams:\n  ghcr.io: {}',
    a('upstreams:\n  ghcr.io: { url: "https://elsewhere.example" }'),
    'a.yml:2 upstreams["ghcr.io"]: is said in another way at …/countersign.yaml:3',
  ],
  [
    'an upstream that another file has offline',
    'include: [ a.yml ]\nupstreams:\n  ghcr.io: {}',
    a('upstreams:\n  ghcr.io: { offline: true }'),
    'a.yml:2 upstreams["ghcr.io"]: is said in another way at …/countersign.yaml:3',
  ],
  [
    'a trust root that is said in two ways',
    'include: [ a.yml ]\ntrustRoots:\n  public: { sigstore: { trustedRootFile: x.pub } }',
    a('trustRoots: { public: { sigstore: public-good } }'),
    'a.yml:1 trustRoots.public: is said in another way at …/countersign.yaml:3',
  ],
  [
    'an included file that puts other keys under a known name',
    'include: [ a.yml ]\ntrustRoots: { ours: { publicKeys: [ x.pub ] } }',
    { ...a('trustRoots: { ours: { publicKeys: [ y.pub ] } }'), 'y.pub': 'other' },
    'a.yml:1 trustRoots.ours: is said in another way at …/countersign.yaml:2',
  ],
  [
    'two defaults',
    'include: [ a.yml ]\nupstreams: { docker.io: { default: true } }',
    a('upstreams:\n  ghcr.io: { default: true }'),
    'a.yml:2 upstreams["ghcr.io"].default: only one upstream can be the default, and "docker.io" is',
  ],
  [
    'an included file that includes, or has what is for the main file',
    'include: [ a.yml ]',
    a('include: []\nlisten: { port: 1 }'),
    'a.yml:1 include: an included file has upstreams, trustRoots, policies, exceptions only, not "include"',
    'a.yml:2 listen: an included file has upstreams, trustRoots, policies, exceptions only, not "listen"',
  ],
  [
    'mistakes of every kind in every file, with their lines',
    'include: [ "*.yml" ]',
    { 'b.yml': '\npolices: []', 'c.yml': 'policies: {', 'd.yml': 'upstreams: { ghcr.io: 7 }' },
    'b.yml:2 polices: unknown key "polices", did you mean "policies"?',
    'c.yml:1 : flow map in block collection must be sufficiently indented and end with a }',
    'd.yml:1 upstreams["ghcr.io"]: expected a mapping, got a number',
  ],
  [
    'a rule of an included file whose trust root does not exist',
    `include: [ a.yml ]\n${rule('own')}`,
    a(
      'policies:\n  - name: a\n    match: a.example/**\n    require: { key: { trustRoot: nobody } }',
    ),
    'a.yml:4 policies[0].require.key.trustRoot: unknown trust root "nobody": the section trustRoots is empty',
  ],
  [
    'files that are not there',
    'include:\n  - b.yml\n  - "*.yaml.d"\n  - "gone/*.yml"\n  - "*/a.yml"',
    a(''),
    ':3 include[1]: no file matches …/*.yaml.d',
    ':4 include[2]: no file matches …/*.yml',
    ':5 include[3]: expected * in the name of the file only',
    'b.yml:1 : cannot be read: no such file',
  ],
];
for (const [title, yaml, files, ...expected] of cases) {
  t.test(`names ${title}`, async (t) => {
    const found = problems(t, yaml, files);
    t.strictSame(
      found.filter((text) => !text.startsWith('c.yml')),
      expected.filter((text) => !text.startsWith('c.yml')),
    );
    t.equal(found.length, expected.length);
  });
}

t.test('what an inspection finds is shown in the file that has it', async (t) => {
  const inspect: LoadOptions['inspect'] = () => [
    { path: ['policies', 1, 'match'], message: 'one' },
    { path: ['trustRoots', 'public', 'sigstore'], message: 'two' },
    { path: ['upstreams', 'ghcr.io'], message: 'three' },
    { path: ['listen'], message: 'four' },
  ];
  const files = {
    'a.yml': `upstreams: { ghcr.io: {} }\n${rule('a')}`,
    'b.yml': '\ntrustRoots: { public: { sigstore: github } }',
  };
  t.strictSame(
    problems(t, `include: [ "*.yml" ]\n${rule('own')}`, files, { inspect }),
    [
      ':1 listen: four',
      'a.yml:2 policies[0].match: one',
      'b.yml:2 trustRoots.public.sigstore: two',
      'a.yml:1 upstreams["ghcr.io"]: three',
    ].toSorted(),
  );
});

t.test('the report of all mistakes names each file', async (t) => {
  const files = { 'a.yml': 'nonsense: 1' };
  try {
    loadText(t, 'include: [ a.yml ]', { files });
    t.fail('expected a refusal');
  } catch (error) {
    t.ok(error instanceof ConfigError);
    t.match(String(error), /\/a\.yml:1:1 nonsense: unknown key "nonsense"/);
  }
});

t.test('there is a bound on files', async (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 65 }, (_, index) => [`f${index}.yml`, rule(`r${index}`)]),
  );
  t.strictSame(problems(t, 'include: [ "*.yml" ]', files), [
    ':1 include: expected at most 64 included files, got 65',
  ]);
});
