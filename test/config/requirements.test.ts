/** Requirements and signatures of rules: their defaults, and what is said about mistakes. */
import t from 'tap';
import type { RuleSpec } from '../../src/policy/rule.ts';
import { loadText, problemsOf } from '../helpers/config-file.ts';

const files = {
  'k.pub': 'pem',
  'schema.json': '{ "type": "object" }',
  'bad.json': '[',
  'list.json': '[]',
};
const ROOTS = 'trustRoots: { keys: { publicKeys: [ k.pub ] }, public: { sigstore: public-good } }';
const IDENTITY = '{ issuer: https://i.example, subject: a@i.example }';
const yamlOf = (requirement: string, roots = ROOTS): string =>
  `${roots}\nupstreams: { corp.example: {} }\npolicies:\n  - name: a\n    match: corp.example/**\n    require: ${requirement}`;

t.test('thresholds have safe defaults', async (t) => {
  const requirement = `{ allOf: [ { key: { trustRoot: keys } }, { sigstore: { trustRoot: public, identities: [ ${IDENTITY} ] } } ] }`;
  const { policies } = loadText(t, yamlOf(requirement), { files });
  t.strictSame(policies[0]?.require, {
    allOf: [
      { key: { trustRoot: 'keys', transparencyLog: 0, timestamps: 0 } },
      {
        sigstore: {
          trustRoot: 'public',
          identities: [{ issuer: 'https://i.example', subject: 'a@i.example' }],
          transparencyLog: 1,
          certificateTransparency: 1,
          timestamps: 1,
        },
      },
    ],
  });
});

t.test('the logs of a key are those of the only sigstore root, unless said', async (t) => {
  const key = (more: string, roots = ROOTS) =>
    loadText(t, yamlOf(`{ key: { trustRoot: keys, ${more} } }`, roots), { files }).policies[0]
      ?.require;
  t.match(key('transparencyLog: 2'), { key: { transparencyLog: 2, logsFrom: 'public' } });
  t.match(key('timestamps: 1'), { key: { timestamps: 1, logsFrom: 'public' } });
  const two = ROOTS.replace(/ }$/, ', other: { sigstore: github } }');
  t.match(key('timestamps: 1, logsFrom: other', two), { key: { logsFrom: 'other' } });
});

t.test(
  'an attestation has its schema from the file or in place, and its age in milliseconds',
  async (t) => {
    const read = (more: string) =>
      loadText(
        t,
        yamlOf(`{ attestation: { type: vuln, by: { key: { trustRoot: keys } }, ${more} } }`),
        {
          files,
        },
      ).policies[0]?.require;
    t.strictSame(read('schemaFile: schema.json, maxAge: 7d, rule: "true"'), {
      attestation: {
        type: 'vuln',
        by: { key: { trustRoot: 'keys', transparencyLog: 0, timestamps: 0 } },
        schema: { type: 'object' },
        rule: 'true',
        maxAge: 7 * 24 * 3_600_000,
      },
    });
    t.match(read('schema: { required: [ scanner ] }'), {
      attestation: { schema: { required: ['scanner'] } },
    });
  },
);

const sigstore = (identity: string): string =>
  `{ sigstore: { trustRoot: public, identities: [ ${identity} ] } }`;
const attestation = (more: string): string =>
  `{ attestation: { type: vuln, by: { key: { trustRoot: keys } }, ${more} } }`;
const cases: readonly (readonly [requirement: string, place: string, message: string])[] = [
  ['{ sigstore: { trustRoot: public } }', '.sigstore', 'expected a key "identities"'],
  [
    '{ sigstore: { trustRoot: public, identities: [] } }',
    '.sigstore.identities',
    'expected at least one entry, got an empty list',
  ],
  [
    sigstore('{ subject: a@i.example }'),
    '.sigstore.identities[0]',
    'expected exactly one of issuer, issuerPattern; got none',
  ],
  [
    sigstore('{ issuer: a, subject: b, subjectPattern: c }'),
    '.sigstore.identities[0]',
    'expected exactly one of subject, subjectPattern; got subject and subjectPattern',
  ],
  [
    sigstore('{ issuer: a, subject: "" }'),
    '.sigstore.identities[0].subject',
    'expected text, got an empty string',
  ],
  [
    sigstore('{ issuer: a, subject: b, subjetPattern: c }'),
    '.sigstore.identities[0].subjetPattern',
    'unknown key "subjetPattern", did you mean "subjectPattern"?',
  ],
  [
    sigstore(
      '{ issuer: a, subject: b, extensions: { sourceRepositoryURI: { pattern: c, flags: i } } }',
    ),
    '.sigstore.identities[0].extensions.sourceRepositoryURI.flags',
    'unknown key "flags"',
  ],
  [
    `{ sigstore: { trustRoot: public, identities: [ ${IDENTITY} ], transparencyLog: 9 } }`,
    '.sigstore.transparencyLog',
    'expected a number from 0 to 8, got 9',
  ],
  [
    `{ sigstore: { trustRoot: keys, identities: [ ${IDENTITY} ] } }`,
    '.sigstore.trustRoot',
    'trust root "keys" holds public keys, expected one of sigstore: such as public',
  ],
  [
    '{ key: { trustRoot: public } }',
    '.key.trustRoot',
    'trust root "public" holds sigstore, expected one of public keys: such as keys',
  ],
  [
    `{ sigstore: { trustRoot: pubilc, identities: [ ${IDENTITY} ] } }`,
    '.sigstore.trustRoot',
    'unknown trust root "pubilc", did you mean "public"?',
  ],
  [
    '{ key: { trustRoot: keys, logsFrom: public } }',
    '.key.logsFrom',
    'expected transparencyLog or timestamps above 0 beside logsFrom',
  ],
  [
    '{ key: { trustRoot: keys, transparencyLog: 1, logsFrom: keys } }',
    '.key.logsFrom',
    'trust root "keys" holds public keys, expected one of sigstore: such as public',
  ],
  [
    '{ attestation: { type: vuln, by: { key: { trustRoot: gone } } } }',
    '.attestation.by.key.trustRoot',
    'unknown trust root "gone"',
  ],
  [
    '{ attestation: { type: vuln, by: {} } }',
    '.attestation.by',
    'expected exactly one of key, sigstore; got none',
  ],
  [
    attestation('schema: {}, schemaFile: schema.json'),
    '.attestation.schemaFile',
    'expected schema or schemaFile, got both',
  ],
  [attestation('maxAge: 0s'), '.attestation.maxAge', 'expected a duration above 0s'],
  [attestation('schemaFile: bad.json'), '.attestation.schemaFile', 'expected JSON in …/bad.json'],
  [
    attestation('schemaFile: list.json'),
    '.attestation.schemaFile',
    'expected a JSON object in …/list.json',
  ],
];
for (const [requirement, place, message] of cases) {
  t.test(`says of ${requirement}: ${message}`, async (t) => {
    t.strictSame(
      problemsOf(t, yamlOf(requirement), { files }).map((text) => text.replace(/\/\S*\//, '…/')),
      [`6 policies[0].require${place}: ${message}`],
    );
  });
}

t.test('says which trust root to add where a log is demanded of a key', async (t) => {
  const requirement = '{ key: { trustRoot: keys, transparencyLog: 1 } }';
  const none = 'trustRoots: { keys: { publicKeys: [ k.pub ] } }';
  t.strictSame(problemsOf(t, yamlOf(requirement, none), { files }), [
    '6 policies[0].require.key: transparencyLog and timestamps need a sigstore trust root that knows logs and authorities, such as sigstore-public: { sigstore: public-good }',
  ]);
  const two = ROOTS.replace(/ }$/, ', other: { sigstore: github } }');
  t.strictSame(problemsOf(t, yamlOf(requirement, two), { files }), [
    '6 policies[0].require.key: expected a key "logsFrom" that says whose logs and authorities count: public, other',
  ]);
});

t.test('signatures may be kept elsewhere and bound to a name', async (t) => {
  const rule = (signatures: string) =>
    `${yamlOf('{ key: { trustRoot: keys } }')}\n    signatures: ${signatures}`;
  const read = (signatures: string) =>
    loadText(t, rule(signatures), { files }).policies[0]?.signatures;
  t.strictSame(read('{ repository: corp.example/signatures }'), {
    repository: 'corp.example/signatures',
  });
  t.strictSame(read('{ repository: corp.example/**, reference: exact }'), {
    repository: 'corp.example/**',
    reference: 'exact',
  });
  const remap = '{ remap: { prefix: corp.example/hub, signedPrefix: docker.io } }';
  t.match(read(`{ reference: ${remap} }`), { reference: { remap: { signedPrefix: 'docker.io' } } });

  const at = '7 policies[0].signatures';
  const form =
    'expected a repository such as registry.example/signatures or registry.example/signatures/**';
  for (const [signatures, ...expected] of [
    ['{}', `${at}: expected exactly one of repository, buildkit, reference; got none`],
    ['{ repository: ghcr.io/x }', `${at}.repository: the registry "ghcr.io" is no upstream`],
    [
      '{ repository: corp.exampel/x }',
      `${at}.repository: the registry "corp.exampel" is no upstream, did you mean "corp.example"?`,
    ],
    ['{ repository: corp.example }', `${at}.repository: ${form}, got "corp.example"`],
    ['{ repository: corp.example/x:tag }', `${at}.repository: ${form}, got "corp.example/x:tag"`],
    ['{ repository: "corp.example/*/x" }', `${at}.repository: ${form}, got "corp.example/*/x"`],
    [
      '{ reference: tag }',
      `${at}.reference: expected exact, repository or a mapping with remap, got "tag"`,
    ],
    ['{ reference: {} }', `${at}.reference: expected a key "remap"`],
    [
      '{ reference: { remap: { prefix: corp.example/, signedPrefix: x.example } } }',
      `${at}.reference.remap.prefix: expected a registry or a registry with a path, such as registry.example/mirror, got "corp.example/"`,
    ],
  ] as const) {
    t.strictSame(problemsOf(t, rule(signatures), { files }), expected);
  }
  const pointless =
    'policies: [ { name: a, match: a.example/**, reject: no, signatures: { reference: exact } } ]';
  t.strictSame(problemsOf(t, pointless), [
    '1 policies[0].signatures: "signatures" has no meaning without "require"',
  ]);
});

t.test('requirements arrive in the shape that policy parses', async (t) => {
  const { policies } = loadText(t, yamlOf(attestation('maxAge: 1h')), { files });
  const specs: readonly RuleSpec[] = policies;
  t.equal(specs.length, 1);
});
