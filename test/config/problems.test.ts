/** What is said about a configuration file with mistakes, and on which line. */
import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigError, describeProblems } from '../../src/config/problem.ts';
import { loadText, problemsOf, rawProblemsOf } from '../helpers/config-file.ts';
import { testdir } from '../helpers/testdir.ts';

/** One mistake each: YAML, then what is said about it. */
const cases: readonly (readonly [title: string, yaml: string, ...problems: string[]])[] = [
  [
    'an unknown key, with the known one that is near',
    'listen: { port: 5050 }\npolices: []',
    '2 polices: unknown key "polices", did you mean "policies"?',
  ],
  [
    'an unknown key that is near nothing',
    'upstreams:\n  ghcr.io:\n    proxy: yes',
    '3 upstreams["ghcr.io"].proxy: unknown key "proxy"',
  ],
  [
    'a mirror without a url',
    `upstreams:
  ghcr.io:
    mirrors:
      - { insecureHttp: true }`,
    '4 upstreams["ghcr.io"].mirrors[0]: expected a key "url"',
  ],
  [
    'mirrors that are no places of their own',
    `upstreams:
  ghcr.io:
    mirrors:
      - http://mirror.example
      - https://mirror.example/v2/
      - { url: https://u:p@one.example }
      - ghcr.example
      - { url: https://ghcr.io }
      - https://two.example
      - { url: "https://two.example:443" }
      - { url: https://three.example, privateHosts: [ "https://x" ] }`,
    '4 upstreams["ghcr.io"].mirrors[0]: expected https; plain HTTP needs insecureHttp: true',
    '5 upstreams["ghcr.io"].mirrors[1]: expected scheme, host and port only, as in https://registry.example:8443',
    '6 upstreams["ghcr.io"].mirrors[2].url: expected no user name or password in the url: they belong under credentials',
    '7 upstreams["ghcr.io"].mirrors[3]: expected a URL such as https://registry.example:8443',
    '8 upstreams["ghcr.io"].mirrors[4]: https://ghcr.io is asked already',
    '10 upstreams["ghcr.io"].mirrors[6]: https://two.example is asked already',
    '11 upstreams["ghcr.io"].mirrors[7].privateHosts[0]: expected a host or host:port in lower case, got "https://x"',
  ],
  [
    'a duration without a unit',
    'policies:\n  - name: a\n    match: a.example/**\n    reject: no\n    tags: { refresh: 5 min }',
    '5 policies[0].tags.refresh: expected a duration such as 30s, 5m, 1h, got "5 min"',
  ],
  [
    'a number where a string belongs',
    'cache:\n  path: 7\n  maxSize: 20',
    '2 cache.path: expected a string, got a number (put it in quotes)',
    '3 cache.maxSize: expected a string, got a number (put it in quotes)',
  ],
  [
    'a size of an unknown unit',
    'cache: { maxSize: 20GB }',
    '1 cache.maxSize: expected a size such as 512MiB, 20GiB, got "20GB"',
  ],
  [
    'a port out of range, and no coercion of text',
    'listen: { port: 70000 }\nadmin: { port: "5051" }',
    '1 listen.port: expected a number from 0 to 65535, got 70000',
    '2 admin.port: expected a whole number, got a string',
  ],
  ...[
    '/internal/blobs',
    'internal/blobs/',
    '/',
    '//blobs/',
    '/internal/../blobs/',
    '/internal/blobs/?x/',
    '/in ternal/',
    '/int%65rnal/',
    '/v2/blobs/',
  ].map(
    (prefix) =>
      [
        `an internal location of another form: ${prefix}`,
        `listen: { accelRedirect: "${prefix}" }`,
        `1 listen.accelRedirect: expected a path such as /internal/blobs/, of letters, digits, "-", "_", "~" and "." between slashes, and not below /v2/, got "${prefix}"`,
      ] as const,
  ),
  [
    'an upstream with nothing in it',
    'upstreams:\n  ghcr.io:\n  quay.io: {}',
    '2 upstreams["ghcr.io"]: expected a mapping, got nothing ({} stands for the defaults)',
  ],
  [
    'a rule that says nothing',
    'policies:\n  - { name: a, match: a.example/** }',
    '2 policies[0]: expected exactly one of require, reject, insecureAcceptAnything; got none',
  ],
  [
    'a rule that says two things',
    'policies:\n  - { name: a, match: a.example/**, reject: no, insecureAcceptAnything: true }',
    '2 policies[0]: expected exactly one of require, reject, insecureAcceptAnything; got reject and insecureAcceptAnything',
  ],
  [
    'a misspelt requirement, once',
    'policies:\n  - name: a\n    match: a.example/**\n    requires: {}',
    '4 policies[0].requires: unknown key "requires", did you mean "require"?',
  ],
  [
    'a rule without name and match',
    'policies: [ { reject: no } ]',
    '1 policies[0]: expected a key "name"',
    '1 policies[0]: expected a key "match"',
  ],
  [
    'insecureAcceptAnything that is not true',
    'policies: [ { name: a, match: a.example/**, insecureAcceptAnything: false } ]',
    '1 policies[0].insecureAcceptAnything: expected true, or no such key',
  ],
  [
    'a mode that does not exist',
    'policies: [ { name: a, match: a.example/**, reject: no, mode: audti } ]',
    '1 policies[0].mode: expected one of enforce, audit, got "audti", did you mean "audit"?',
  ],
  [
    'an empty requirement',
    'policies: [ { name: a, match: a.example/**, require: {} } ]',
    '1 policies[0].require: expected exactly one of key, sigstore, notation, attestation, allOf, anyOf, atLeast; got none',
  ],
  [
    'an empty combination, which would demand nothing',
    'policies:\n- { name: a, match: a.example/**, require: { allOf: [] } }\n- { name: b, match: b.example/**, require: { anyOf: [ allOf: [] ] } }',
    '2 policies[0].require.allOf: expected at least one entry, got an empty list',
    '3 policies[1].require.anyOf[0].allOf: expected at least one entry, got an empty list',
  ],
  [
    'two kinds of requirement in one place',
    'trustRoots: {}\npolicies: [ { name: a, match: a.example/**, require: { key: { trustRoot: x }, anyOf: [ key: { trustRoot: x } ] } } ]',
    '2 policies[0].require: expected exactly one of key, sigstore, notation, attestation, allOf, anyOf, atLeast; got key and anyOf',
  ],
  [
    'a notation trust root with which nobody could sign',
    'trustRoots: { vendor: { notation: { privateHosts: [ocsp.example] } } }',
    '1 trustRoots.vendor.notation: expected certificates under ca or signingAuthority, or a configDir: nobody could sign',
  ],
  [
    'a notation requirement on a trust root of another kind',
    `trustRoots: { ours: { sigstore: public-good } }
policies:
  - name: a
    match: a.example/**
    require:
      anyOf:
        - notation: { trustRoot: ours }`,
    '7 policies[0].require.anyOf[0].notation.trustRoot: trust root "ours" holds sigstore, expected one of notation: there is none',
  ],
  [
    'an empty trust root',
    'trustRoots: { ours: {} }',
    '1 trustRoots.ours: expected exactly one of publicKeys, sigstore, notation; got none',
  ],
  [
    'credentials that are incomplete or of two kinds',
    `upstreams:
  a.example: { credentials: { username: bot } }
  b.example: { credentials: { username: bot, passwordFile: x, dockerConfigFile: y } }`,
    '2 upstreams["a.example"].credentials: expected exactly one of username with password, username with passwordFile, dockerConfigFile; got username',
    '3 upstreams["b.example"].credentials: expected exactly one of username with password, username with passwordFile, dockerConfigFile; got username and passwordFile and dockerConfigFile',
  ],
  [
    'two rules of one name',
    'policies:\n  - { name: a, match: a.example/**, reject: no }\n  - { name: a, match: b.example/**, reject: no }',
    '3 policies[1].name: policies[0] has the same name',
  ],
  [
    'a match that only excludes',
    'policies:\n  - { name: a, match: [ "!a.example/**" ], reject: no }\n  - { name: b, match: "!a.example/**", reject: no }',
    '3 policies[1].match: expected a pattern that includes (a leading ! only excludes, in a list), got "!a.example/**"',
  ],
  [
    'a list of matches that only excludes',
    'policies:\n  - { name: a, match: [ "!a.example/**" ], reject: no }',
    '2 policies[0].match: expected at least one pattern that includes (a leading ! excludes)',
  ],
  [
    'a trust root that does not exist',
    'policies:\n  - name: a\n    match: a.example/**\n    require:\n      key: { trustRoot: ours }',
    '5 policies[0].require.key.trustRoot: unknown trust root "ours": the section trustRoots is empty',
  ],
  [
    'more than one default upstream',
    'upstreams:\n  docker.io: { default: true }\n  ghcr.io: { default: true }',
    '3 upstreams["ghcr.io"].default: only one upstream can be the default, and "docker.io" is',
  ],
  [
    'names that are not canonical, and two that are one',
    'upstreams:\n  GHCR.io: {}\n  docker.io: {}\n  index.docker.io: {}',
    '2 upstreams["GHCR.io"]: expected the canonical name "ghcr.io"',
    '4 upstreams["index.docker.io"]: is the same registry as "docker.io"',
  ],
  [
    'names that are no registry',
    'upstreams:\n  "https://ghcr.io": {}\n  ghcr.io/team: {}',
    '2 upstreams["https://ghcr.io"]: expected a registry host such as ghcr.io or registry.example:5000',
    '3 upstreams["ghcr.io/team"]: expected a registry host such as ghcr.io or registry.example:5000',
  ],
  [
    'urls with more than an origin',
    `upstreams:
  a.example: { url: "https://a.example/v2/" }
  b.example: { url: "https://b.example?x=1" }
  c.example: { url: "ftp://c.example" }
  d.example: { url: d.example }`,
    '2 upstreams["a.example"].url: expected scheme, host and port only, as in https://registry.example:8443',
    '3 upstreams["b.example"].url: expected scheme, host and port only, as in https://registry.example:8443',
    '4 upstreams["c.example"].url: expected a URL such as https://registry.example:8443',
    '5 upstreams["d.example"].url: expected a URL such as https://registry.example:8443',
  ],
  [
    'plain HTTP that nobody asked for, and the reverse',
    `upstreams:
  a.example: { url: "http://a.example" }
  b.example: { insecureHttp: true }`,
    '2 upstreams["a.example"].url: expected https; plain HTTP needs insecureHttp: true',
    '3 upstreams["b.example"].insecureHttp: expected a url that begins with http:// where insecureHttp is true',
  ],
  [
    'private hosts that are no hosts',
    'upstreams:\n  a.example: { privateHosts: [ 10.0.0.1, "http://10.0.0.2" ] }',
    '2 upstreams["a.example"].privateHosts[1]: expected a host or host:port in lower case, got "http://10.0.0.2"',
  ],
  [
    'both surfaces on one port',
    'listen: { port: 5000 }\nadmin: { port: 5000 }',
    '2 admin.port: expected another port than listen.port, 5000',
  ],
  [
    'a user name that Basic authentication cannot carry',
    'upstreams: { a.example: { credentials: { username: "a:b", password: "${SET}" } } }',
    '1 upstreams["a.example"].credentials.username: expected a user name without a colon',
  ],
  [
    'a trust root that does not exist, however deep',
    `policies:
  - name: a
    match: a.example/**
    require:
      anyOf:
        - allOf:
            - key: { trustRoot: ours }`,
    '7 policies[0].require.anyOf[0].allOf[0].key.trustRoot: unknown trust root "ours": the section trustRoots is empty',
  ],
  [
    'mistakes in the order of their lines',
    'policies: [ { name: a, match: a.example/**, require: { key: { trustRoot: x } } } ]\nadmin: { port: 1 }\nlisten: { port: 1 }',
    '1 policies[0].require.key.trustRoot: unknown trust root "x": the section trustRoots is empty',
    '2 admin.port: expected another port than listen.port, 1',
  ],
  [
    'mistakes of the schema in the order of their lines',
    'listen: { port: x }\npolices: []',
    '1 listen.port: expected a whole number, got a string',
    '2 polices: unknown key "polices", did you mean "policies"?',
  ],
  [
    'keys that are no text',
    'listen: {}\n? [ admin ]\n: {}',
    '2 : with stringKeys, all keys must be strings',
  ],
  ['a duplicate key', 'listen: {}\nlisten: {}', '2 : map keys must be unique'],
  [
    'a second document',
    'listen: {}\n---\nadmin: {}',
    '2 : source contains multiple documents; please use YAML.parseAllDocuments()',
  ],
  ['a list instead of a mapping', '- listen', '1 : expected a mapping, got a list'],
];

for (const [title, yaml, ...problems] of cases) {
  t.test(`names ${title}`, async (t) => {
    t.strictSame(problemsOf(t, yaml, { env: { SET: 'x' } }), problems);
  });
}

t.test('names a trust root that is one slip away', async (t) => {
  const yaml = `
trustRoots: { release-keys: { publicKeys: [ a.pub ] } }
policies:
  - name: a
    match: a.example/**
    require:
      atLeast:
        count: 3
        of:
          - key: { trustRoot: release-keys }
          - key: { trustRoot: relaese-keys }
`;
  t.strictSame(problemsOf(t, yaml, { files: { 'a.pub': 'pem' } }), [
    '8 policies[0].require.atLeast.count: expected a count from 1 to 2, the number of alternatives, got 3',
    '11 policies[0].require.atLeast.of[1].key.trustRoot: unknown trust root "relaese-keys", did you mean "release-keys"?',
  ]);
});

t.test('names files that cannot be read', async (t) => {
  const folder = testdir(t, { folder: {} });
  const file = join(folder, 'countersign.yaml');
  writeFileSync(
    file,
    `
listen: { tls: { certFile: no-cert.pem, keyFile: folder } }
upstreams:
  a.example:
    tls: { caFile: no-ca.pem }
    credentials: { username: bot, passwordFile: no-password }
  b.example:
    credentials: { dockerConfigFile: no-config.json }
trustRoots:
  ours: { publicKeys: [ no-key.pub ] }
`,
  );
  t.throws(() => loadConfig(file, { env: {} }), {
    message: [
      `${file}:2:28 listen.tls.certFile: cannot read ${folder}/no-cert.pem: no such file`,
      `${file}:2:50 listen.tls.keyFile: cannot read ${folder}/folder: it is not a regular file`,
      `${file}:5:20 upstreams["a.example"].tls.caFile: cannot read ${folder}/no-ca.pem: no such file`,
      `${file}:6:49 upstreams["a.example"].credentials.passwordFile: cannot read ${folder}/no-password: no such file`,
      `${file}:8:38 upstreams["b.example"].credentials.dockerConfigFile: cannot read ${folder}/no-config.json: no such file`,
      `${file}:10:25 trustRoots.ours.publicKeys[0]: cannot read ${folder}/no-key.pub: no such file`,
    ].join('\n'),
  });
});

t.test('a password in the file is refused and never shown', async (t) => {
  const secret = 'hunter2-hunter2';
  for (const text of [secret, `\${EMPTY}${secret}`, `${secret}\${EMPTY}`]) {
    const yaml = `upstreams:\n  a.example:\n    credentials:\n      username: bot\n      password: "${text}"`;
    const problems = rawProblemsOf(t, yaml, { env: { EMPTY: '' } });
    t.match(problems, [{ line: 5, path: 'upstreams["a.example"].credentials.password' }]);
    t.notMatch(JSON.stringify(problems), secret);
  }
  const url = `upstreams: { a.example: { url: "https://bot:${secret}@a.example" } }`;
  t.match(rawProblemsOf(t, url), [{ message: /no user name or password in the url/ }]);
  t.notMatch(JSON.stringify(rawProblemsOf(t, url)), secret);
});

t.test('environment variables must be there, and only credentials have them', async (t) => {
  const yaml = `upstreams:
  a.example: { credentials: { username: "\${WHO}", password: "\${SECRET}" } }
  b.example: { credentials: { username: "\${wrong-name}", password: "\${SET}" } }
  c.example: { url: "https://\${HOST}" }`;
  t.strictSame(problemsOf(t, yaml, { env: { SECRET: '', SET: 'x', HOST: 'c.example' } }), [
    '2 upstreams["a.example"].credentials.username: environment variable WHO is not set',
    '2 upstreams["a.example"].credentials.password: environment variable SECRET is empty',
    '3 upstreams["b.example"].credentials.username: expected environment variables to be written ${NAME}',
    '4 upstreams["c.example"].url: expected a URL such as https://registry.example:8443',
  ]);
});

t.test('what an inspection finds has path and line too', async (t) => {
  const yaml = 'policies:\n  - name: a\n    match: a.example\n    reject: no';
  const inspect = () => [{ path: ['policies', 0, 'match'], message: 'expected a repository' }];
  t.strictSame(problemsOf(t, yaml, { inspect }), ['3 policies[0].match: expected a repository']);
});

t.test('a problem inside an alias is shown where the content stands', async (t) => {
  const yaml = `policies:
  - { name: a, match: a.example/**, reject: no, tags: &often { refresh: 5x } }
  - { name: b, match: b.example/**, reject: no, tags: *often }
`;
  t.match(problemsOf(t, yaml), [
    /^2 policies\[0\]\.tags\.refresh/,
    /^2 policies\[1\]\.tags\.refresh/,
  ]);
});

t.test('a file of keys is small', async (t) => {
  const yaml = 'trustRoots: { ours: { publicKeys: [ a.pub ] } }';
  const files = { 'a.pub': 'x'.repeat(1024 * 1024 + 1) };
  t.match(problemsOf(t, yaml, { files }), [/cannot read .*a\.pub: it is larger than 1MiB$/]);
});

t.test('problems read as an editor and a terminal expect', async (t) => {
  const problems = [
    { path: 'listen.port', line: 3, column: 9, message: 'expected a number' },
    { path: '', line: 1, column: 1, message: 'cannot be read' },
  ];
  t.equal(
    describeProblems(problems, 'c.yaml'),
    'c.yaml:3:9 listen.port: expected a number\nc.yaml:1:1 cannot be read',
  );
});

t.test('a file that is absent, too large, no text or no YAML is one clear problem', async (t) => {
  const folder = testdir(t, {});
  const file = join(folder, 'c.yaml');
  const messageFor = (bytes?: Buffer | string): string => {
    if (bytes !== undefined) writeFileSync(file, bytes);
    try {
      loadConfig(file, { env: {} });
    } catch (error) {
      if (error instanceof ConfigError) return error.message.replace(file, 'FILE');
    }
    return 'nothing';
  };
  t.equal(messageFor(), 'FILE:1:1 cannot be read: no such file');
  t.equal(messageFor(`#${'x'.repeat(1024 * 1024)}`), 'FILE:1:1 expected at most 1MiB');
  t.equal(messageFor(Buffer.from([0x61, 0xff, 0xfe])), 'FILE:1:1 expected UTF-8 text');
  t.match(messageFor('listen: { host: "x'), /^FILE:1:\d+ /);
  t.match(messageFor('listen: !secret x'), /unresolved tag/);
});

t.test('a small file cannot unfold into a huge one', async (t) => {
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
  for (const [name, before] of ['ba', 'cb', 'dc', 'ed', 'fe'].map((pair) => pair.split(/(?=.$)/))) {
    bomb.push(`${name}: &${name} [${Array(10).fill(`*${before}`).join(',')}]`);
  }
  t.strictSame(problemsOf(t, bomb.join('\n')), ['1 : too many aliases']);
  t.match(problemsOf(t, `policies: ${'['.repeat(50_000)}`).length, 1);
});

t.test('whatever the text, there is a configuration or a list of problems', async (t) => {
  const words = [
    'policies',
    'upstreams',
    'listen',
    ':',
    '-',
    ' ',
    '\n',
    '{',
    '}',
    '[',
    ']',
    '&a',
    '*a',
    '"',
    '!',
    'require',
    'key',
    '__proto__',
    'ghcr.io',
    '7',
    'null',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words), { maxLength: 30 }), (parts) => {
      try {
        loadText(t, parts.join(''));
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        if (error.problems.length === 0)
          throw new Error('a refusal without a reason', { cause: error });
        for (const { line, column, message } of error.problems) {
          if (line < 1 || column < 1 || message === '')
            throw new Error('a problem without place or words', { cause: error });
        }
      }
    }),
    { numRuns: 300 },
  );
});
