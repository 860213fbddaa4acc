/** Leaves against evidence: who signed, proven by how many of whose logs and authorities, saying what. */
import t from 'tap';
import type { Evidence } from '../../src/policy/evidence.ts';
import { evaluate, type Evaluation } from '../../src/policy/evaluate.ts';
import { parseRequirement } from '../../src/policy/requirement.ts';
import type {
  AttestationSpec,
  KeySpec,
  RequirementSpec,
  SigstoreSpec,
} from '../../src/policy/requirement-spec.ts';
import {
  attestation,
  atTime,
  certificateSigner,
  DAY,
  evidence,
  HOUR,
  inLog,
  ISSUER,
  keySigner,
  NOW,
  SUBJECT,
} from './made-evidence.ts';

function evaluated(spec: RequirementSpec, ...found: Evidence[]): Evaluation {
  return evaluate(parseRequirement(spec), found, { complete: true, now: NOW });
}

const sigstore = (changes: Partial<SigstoreSpec> = {}): { readonly sigstore: SigstoreSpec } => ({
  sigstore: {
    trustRoot: 'sigstore',
    identities: [{ issuer: ISSUER, subject: SUBJECT }],
    ...changes,
  },
});
const key = (changes: Partial<KeySpec> = {}): RequirementSpec => ({
  key: { trustRoot: 'release', logsFrom: 'sigstore', ...changes },
});
const signer = keySigner('release');

t.test('keyless: everything that is demanded, by one signature, under one trust root', (t) => {
  const other = 'other-sigstore';
  const cases: readonly (readonly [
    what: string,
    SigstoreSpec | object,
    Partial<Evidence>,
    because: RegExp | undefined,
  ])[] = [
    ['all there', {}, {}, undefined],
    [
      'a key',
      {},
      { signer },
      /signed by someone else: found key release\.pub of release .* expected https:.*of sigstore$/,
    ],
    [
      'another root',
      {},
      { signer: certificateSigner({ trustRoot: other }) },
      /of other-sigstore, expected/,
    ],
    [
      'another subject',
      {},
      { signer: certificateSigner({ subjects: [{ type: 'uri', value: 'x' }] }) },
      /signed by someone else: found x \(/,
    ],
    [
      'an attestation',
      {},
      { statement: { predicateType: 'https://a.example/t', json: {} } },
      /^no signature: found an attestation only$/,
    ],
    ['no log', {}, { logs: [] }, /^no log: 1 required$/],
    ["another root's log", {}, { logs: [inLog('rekor', other)] }, /^no log: 1 required$/],
    ['one log of two', { transparencyLog: 2 }, {}, /^2 logs required, 1 found \(rekor\.example\)$/],
    [
      'two entries of one log',
      { transparencyLog: 2 },
      { logs: [inLog('rekor', 'sigstore', '1'), inLog('rekor', 'sigstore', '2')] },
      /^2 logs required, 1 found/,
    ],
    ['two logs', { transparencyLog: 2 }, { logs: [inLog('rekor'), inLog('rekor2')] }, undefined],
    [
      'two logs of one operator',
      { transparencyLog: 2 },
      { logs: [inLog('rekor'), inLog('rekor2')].map((log) => ({ ...log, operator: 'one' })) },
      /^2 logs required, 1 found/,
    ],
    ['no log demanded', { transparencyLog: 0 }, { logs: [] }, undefined],
    [
      'no promise of a certificate log',
      {},
      { certificateLogs: [] },
      /^no certificate log: 1 required$/,
    ],
    [
      'one certificate log twice',
      { certificateTransparency: 2 },
      { certificateLogs: ['ct', 'ct'] },
      /^2 certificate logs required, 1 found \(ct\)$/,
    ],
    ['none demanded', { certificateTransparency: 0 }, { certificateLogs: [] }, undefined],
    ['no time', {}, { times: [] }, /^no proven time: 1 required$/],
    [
      'no time, certificate valid now',
      {},
      { times: [], validUntil: NOW + 1 },
      /^no proven time: 1 required$/,
    ],
    ["another root's time", {}, { times: [atTime('tsa', other)] }, /^no proven time: 1 required$/],
    [
      'one authority twice',
      { timestamps: 2 },
      { times: [atTime('tsa'), atTime('tsa', 'sigstore', NOW)] },
      /^2 proven times required, 1 found \(tsa\.example\)$/,
    ],
    ['two authorities', { timestamps: 2 }, { times: [atTime('tsa'), atTime('rekor')] }, undefined],
    ['no time demanded, none proven', { timestamps: 0 }, { times: [] }, /certificate has expired/],
    [
      'no time demanded, expired now',
      { timestamps: 0 },
      { times: [], validUntil: NOW },
      /certificate has expired/,
    ],
    [
      "no time demanded, another root's",
      { timestamps: 0 },
      { times: [atTime('tsa', other)] },
      /certificate has expired/,
    ],
    ['no time demanded, one proven', { timestamps: 0 }, {}, undefined],
    [
      'no time demanded, valid now',
      { timestamps: 0 },
      { times: [], validUntil: NOW + 1 },
      undefined,
    ],
  ];
  for (const [what, spec, found, because] of cases) {
    const { outcome, because: why } = evaluated(sigstore(spec), evidence(found));
    t.equal(outcome, because === undefined ? 'satisfied' : 'failed', what);
    if (because === undefined) t.equal(why, undefined, what);
    else t.match(why, because, what);
  }
  t.end();
});

t.test('thresholds never add up over signatures', (t) => {
  const two = sigstore({ transparencyLog: 2, timestamps: 2 });
  const one = evidence({ logs: [inLog('a')], times: [atTime('a')] });
  const other = evidence({ logs: [inLog('b')], times: [atTime('b')] });
  t.equal(evaluated(two, one, other).outcome, 'failed');
  const logged = evidence({ logs: [inLog('a'), inLog('b')], times: [] });
  const timed = evidence({ logs: [], times: [atTime('a'), atTime('b')] });
  t.equal(evaluated(two, logged, timed).outcome, 'failed');
  t.end();
});

t.test('by key: the root, and the logs and times of the root that is named for them', (t) => {
  const bare = { signer, logs: [], times: [], certificateLogs: [] };
  t.equal(evaluated(key(), evidence(bare)).outcome, 'satisfied');
  t.equal(
    evaluated(key(), evidence({ ...bare, signer: keySigner('release', 'other') })).outcome,
    'failed',
  );
  t.equal(
    evaluated(key(), evidence({ signer: certificateSigner({ trustRoot: 'release' }) })).outcome,
    'failed',
    'a certificate is no key',
  );
  t.match(evaluated(key({ transparencyLog: 1 }), evidence(bare)).because, /^no log: 1 required$/);
  t.match(evaluated(key({ timestamps: 1 }), evidence(bare)).because, /^no proven time/);
  t.match(
    evaluated(key({ transparencyLog: 1 }), evidence({ signer, logs: [inLog('a', 'release')] }))
      .because,
    /no log/,
  );
  t.match(
    evaluated(key({ transparencyLog: 2 }), evidence({ signer, logs: [inLog('a'), inLog('a')] }))
      .because,
    /2 logs required, 1 found/,
  );
  t.match(
    evaluated(key({ timestamps: 1 }), evidence({ signer, times: [atTime('a', 'x')] })).because,
    /no proven time/,
  );
  t.equal(
    evaluated(key({ transparencyLog: 1, timestamps: 1 }), evidence({ signer })).outcome,
    'satisfied',
  );
  t.equal(
    evaluated(key(), attestation('https://a.example/t', {}, { signer })).outcome,
    'failed',
    'an attestation is no signature',
  );
  t.end();
});

const attested = (changes: Partial<AttestationSpec> = {}): RequirementSpec => ({
  attestation: { type: 'vuln', by: sigstore(), ...changes },
});
const VULN = 'https://cosign.sigstore.dev/attestation/vuln/v1';
const scan = (changes: object = {}, about: Partial<Evidence> = {}): Evidence =>
  attestation(
    VULN,
    { metadata: { scanFinishedOn: new Date(NOW - DAY).toISOString() }, ...changes },
    about,
  );

t.test('one attestation does not count twice', (t) => {
  const twice = { atLeast: { count: 2, of: [attested({ maxAge: DAY * 9 }), attested()] } };
  t.equal(evaluated(twice, scan()).outcome, 'failed');
  t.equal(evaluated(twice, scan(), scan()).outcome, 'failed', 'nor two of one signer and type');
  const other = { ...sigstore().sigstore, identities: [{ issuer: ISSUER, subject: 'bob' }] };
  const two = { atLeast: { count: 2, of: [attested(), attested({ by: { sigstore: other } })] } };
  const bob = {
    signer: { ...certificateSigner(), subjects: [{ type: 'uri', value: 'bob' }] },
  } as const;
  t.equal(evaluated(two, scan(), scan({}, bob)).outcome, 'satisfied');
  t.end();
});

t.test('an attestation: of its type, by its signer, with its content', (t) => {
  const cases: readonly (readonly [
    what: string,
    Partial<AttestationSpec>,
    Evidence,
    because: RegExp | undefined,
  ])[] = [
    ['there', {}, scan(), undefined],
    [
      'a plain signature',
      {},
      evidence(),
      /^no vuln attestation: found a signature without a statement only$/,
    ],
    [
      'another type',
      {},
      attestation('https://spdx.dev/Document', {}),
      /^no vuln attestation: found an attestation of type https:\/\/spdx/,
    ],
    ['someone else', {}, scan({}, { signer }), /^signed by someone else/],
    ['not logged', {}, scan({}, { logs: [] }), /^no log/],
    ['young enough', { maxAge: 2 * DAY }, scan(), undefined],
    ['too old', { maxAge: HOUR }, scan(), /^it is 1 day old, the limit is 1 hour$/],
    [
      'no object, of which a schema says nothing',
      { schema: { required: ['x'] } },
      { ...scan(), statement: { predicateType: VULN, json: { predicate: ['metadata'] } } },
      /must be an object/,
    ],
    ['of the schema', { schema: { required: ['metadata'] } }, scan(), undefined],
    [
      'not of the schema',
      { schema: { required: ['x'] } },
      scan(),
      /^schema: \/predicate must have/,
    ],
    ['the rule holds', { rule: 'predicate.n == 0' }, scan({ n: 0 }), undefined],
    ['the rule does not', { rule: 'predicate.n == 0' }, scan({ n: 1 }), /^the rule is false$/],
    [
      'the rule fails',
      { rule: 'predicate.n == 0' },
      scan(),
      /^the rule cannot be evaluated: No such key: n$/,
    ],
  ];
  for (const [what, spec, found, because] of cases) {
    const { outcome, because: why } = evaluated(attested(spec), found);
    t.equal(outcome, because === undefined ? 'satisfied' : 'failed', what);
    if (because !== undefined) t.match(why, because, what);
  }
  t.end();
});

t.test('tells the reason of what came farthest, and nothing where nothing is', (t) => {
  const old = scan({ metadata: { scanFinishedOn: new Date(NOW - 9 * DAY).toISOString() } });
  const found = [evidence(), attestation('https://a.example/t', {}), scan({}, { signer }), old];
  t.match(
    evaluated(attested({ maxAge: DAY }), ...found).because,
    /^it is 9 days old, the limit is 1 day$/,
  );
  t.match(evaluated(attested(), ...found.slice(0, 3)).because, /^signed by someone else/);
  t.match(
    evaluated(attested(), ...found.slice(0, 2)).because,
    /without a statement only; found an attestation of type/,
  );
  t.equal(evaluated(attested()).because, 'no vuln attestation that holds was found');
  t.equal(evaluated(sigstore()).because, 'no signature that holds was found');
  t.end();
});

t.test('says how long the answer stays', (t) => {
  const until = (spec: RequirementSpec, ...found: Evidence[]): number | undefined => {
    const { until: at } = evaluated(spec, ...found);
    return at === undefined ? undefined : at - NOW;
  };
  t.equal(until(sigstore(), evidence()), undefined);
  t.equal(until(key(), evidence({ signer })), undefined);
  const untimed = sigstore({ timestamps: 0 });
  const expires = (at: number) => evidence({ times: [], validUntil: NOW + at });
  t.equal(until(untimed, expires(5)), 5);
  t.equal(until(untimed, expires(5), expires(9), expires(7)), 9, 'the best of several');
  t.equal(until(untimed, expires(5), evidence()), undefined);
  t.equal(until(attested({ maxAge: 3 * DAY }), scan()), 2 * DAY);
  t.equal(until(attested({ rule: 'now > timestamp("2020-01-01T00:00:00Z")' }), scan()), HOUR);
  t.equal(
    until(attested({ rule: 'signedAt < now', maxAge: DAY + 5 }), scan()),
    5,
    'the first to end',
  );
  t.equal(until({ allOf: [untimed, attested({ maxAge: 3 * DAY })] }, expires(5), scan()), 5);
  t.equal(until({ anyOf: [untimed, attested({ maxAge: 3 * DAY })] }, expires(5), scan()), 2 * DAY);
  t.equal(until({ anyOf: [untimed, key()] }, expires(5), evidence({ signer })), undefined);
  t.equal(
    until(
      { atLeast: { count: 2, of: [untimed, key(), attested({ maxAge: 3 * DAY })] } },
      expires(5),
      evidence({ signer }),
      scan(),
    ),
    2 * DAY,
  );
  t.equal(until(untimed, evidence({ logs: [] })), undefined, 'nothing that fails has an end');
  t.end();
});

t.test('asked again at another time, an attestation is judged anew', (t) => {
  const requirement = parseRequirement(attested({ maxAge: 2 * DAY }));
  const found = [scan()];
  const at = (now: number) => evaluate(requirement, found, { complete: true, now }).outcome;
  t.equal(at(NOW), 'satisfied');
  t.equal(at(NOW + DAY), 'satisfied');
  t.equal(at(NOW + DAY + 1), 'failed');
  t.equal(at(NOW), 'satisfied');
  t.end();
});

t.test('whoever limited his own word is taken by it, with a key or a certificate', async (t) => {
  const byKey: RequirementSpec = { key: { trustRoot: 'release' } };
  for (const [spec, changes] of [
    [byKey, { signer }],
    [sigstore(), {}],
  ] as const) {
    const limited = (expires: Evidence['expires'], more: Partial<Evidence> = {}) =>
      evidence({ ...changes, ...more, ...(expires === undefined ? {} : { expires }) });
    t.match(evaluated(spec, limited(undefined)), { outcome: 'satisfied', until: undefined });
    t.match(evaluated(spec, limited(NOW + 1)), { outcome: 'satisfied', until: NOW + 1 });
    const over = {
      outcome: 'failed',
      because: `the approval expired at ${new Date(NOW).toISOString()}`,
    };
    t.match(evaluated(spec, limited(NOW)), over);
    t.match(evaluated(spec, limited('unreadable')), {
      outcome: 'failed',
      because: /cannot be read: it counts as expired/,
    });
    t.match(evaluated(spec, limited(NOW), limited(NOW + DAY)), {
      outcome: 'satisfied',
      until: NOW + DAY,
    });
    t.match(evaluated(spec, limited(NOW + DAY), limited(undefined)), { until: undefined });
  }
});

t.test('what a limited signature states beside it is limited as well', (t) => {
  t.match(evaluated(attested(), scan({}, { expires: NOW + 1 })), { until: NOW + 1 });
  t.match(evaluated(attested(), scan({}, { expires: NOW })), { outcome: 'failed' });
  t.match(evaluated(attested(), scan({}, { expires: 'unreadable' })), { outcome: 'failed' });
  t.end();
});

t.test('what needs an approval beside another signature ends with the approval', async (t) => {
  const ours = evidence({ signer: keySigner('ours'), expires: NOW + HOUR });
  const both: RequirementSpec = {
    allOf: [{ key: { trustRoot: 'release' } }, { key: { trustRoot: 'ours' } }],
  };
  t.match(evaluated(both, evidence({ signer }), ours), { outcome: 'satisfied', until: NOW + HOUR });
  t.match(evaluated(both, evidence({ signer })), { outcome: 'failed' });
  t.match(evaluated({ anyOf: both.allOf }, evidence({ signer }), ours), { until: undefined });
  const each: RequirementSpec = { atLeast: { count: 2, of: both.allOf } };
  t.match(evaluated(each, evidence({ signer }), ours), { until: NOW + HOUR });
});
