/** Requirements as the configuration spells them: none of them demands nothing. */
import t from 'tap';
import {
  describeRequirement,
  leavesOf,
  parseRequirement,
  signatureOf,
  trustRootsOf,
  wantsAttestations,
  type RequirementSpec,
} from '../../src/policy/requirement.ts';

const key = (trustRoot: string): RequirementSpec => ({ key: { trustRoot } });

t.test('reads leaves and combinations, nested as one likes', (t) => {
  t.same(parseRequirement(key('a')), {
    kind: 'key',
    trustRoot: 'a',
    transparencyLog: 0,
    timestamps: 0,
  });
  const requirement = parseRequirement({
    allOf: [
      key('a'),
      { anyOf: [key('b'), { atLeast: { count: 2, of: [key('c'), key('d'), key('a')] } }] },
    ],
  });
  t.match(requirement, {
    kind: 'allOf',
    count: 2,
    of: [{ kind: 'key' }, { kind: 'anyOf', count: 1, of: [{}, { kind: 'atLeast', count: 2 }] }],
  });
  t.same(
    leavesOf(requirement).map((leaf) => signatureOf(leaf).trustRoot),
    ['a', 'b', 'c', 'd', 'a'],
  );
  t.equal(
    describeRequirement(requirement),
    'all of (key a, any of (key b, 2 of (key c, key d, key a)))',
  );
  t.end();
});

t.test('refuses a combination that demands nothing or what cannot be', (t) => {
  const of = [key('a'), key('b')];
  const wrong: readonly RequirementSpec[] = [
    { allOf: [] },
    { anyOf: [] },
    { atLeast: { count: 1, of: [] } },
    ...[0, -1, 3, 1.5, NaN, Infinity].map((count) => ({ atLeast: { count, of } })),
    { anyOf: [key('a'), { allOf: [] }] },
  ];
  for (const spec of wrong)
    t.throws(() => parseRequirement(spec), SyntaxError, JSON.stringify(spec));
  t.end();
});

const by = { sigstore: { trustRoot: 's', identities: [{ issuer: 'https://i', subject: 'a' }] } };

t.test('fills in the safe thresholds', (t) => {
  t.match(parseRequirement(by), {
    kind: 'sigstore',
    trustRoot: 's',
    transparencyLog: 1,
    certificateTransparency: 1,
    timestamps: 1,
  });
  const none = { transparencyLog: 0, certificateTransparency: 0, timestamps: 0 };
  t.match(parseRequirement({ sigstore: { ...by.sigstore, ...none } }), none);
  t.same(parseRequirement({ key: { trustRoot: 'a', logsFrom: 's' } }), parseRequirement(key('a')));
  t.match(parseRequirement({ key: { trustRoot: 'a', transparencyLog: 1, logsFrom: 's' } }), {
    transparencyLog: 1,
    timestamps: 0,
    logsFrom: 's',
  });
  t.match(parseRequirement({ attestation: { type: 'vuln', by, maxAge: 1000, rule: 'true' } }), {
    kind: 'attestation',
    type: { uri: 'https://cosign.sigstore.dev/attestation/vuln/v1' },
    by: { kind: 'sigstore' },
    maxAge: 1000,
    rule: { text: 'true' },
  });
  t.end();
});

t.test('refuses leaves that demand too little or what cannot be', (t) => {
  const attestation = (changes: object): RequirementSpec => ({
    attestation: { type: 'vuln', by, ...changes },
  });
  const wrong: readonly (readonly [RequirementSpec, RegExp])[] = [
    [{ sigstore: { trustRoot: 's', identities: [] } }, /at least one identity/],
    [{ key: { trustRoot: 'a', transparencyLog: 1 } }, /expected logsFrom/],
    [{ key: { trustRoot: 'a', timestamps: 1 } }, /expected logsFrom/],
    [{ key: { trustRoot: 'a', timestamps: -1, logsFrom: 's' } }, /timestamps to be from 0 to 16/],
    [{ sigstore: { ...by.sigstore, transparencyLog: 1.5 } }, /transparencyLog to be from/],
    [{ sigstore: { ...by.sigstore, certificateTransparency: NaN } }, /certificateTransparency/],
    [{ sigstore: { ...by.sigstore, timestamps: 17 } }, /timestamps to be from 0 to 16, got 17/],
    [attestation({ maxAge: 0 }), /maxAge to be a time above zero/],
    [attestation({ maxAge: Infinity }), /maxAge/],
    [attestation({ type: 'nonsense' }), /predicate type/],
    [attestation({ rule: '1' }), /CEL rule/],
    [attestation({ schema: { typ: 'object' } }), /JSON Schema/],
    [attestation({ by: { sigstore: { trustRoot: 's', identities: [] } } }), /identity/],
  ];
  for (const [spec, message] of wrong) {
    t.throws(() => parseRequirement(spec), { name: 'SyntaxError', message }, JSON.stringify(spec));
  }
  t.end();
});

t.test('names every trust root once, and whether attestations matter', (t) => {
  const logged = { key: { trustRoot: 'a', transparencyLog: 1, logsFrom: 's' } };
  const requirement = parseRequirement({
    allOf: [
      logged,
      key('a'),
      { anyOf: [by, { attestation: { type: 'spdx', by: key('b') as typeof logged } }] },
    ],
  });
  t.same(trustRootsOf(requirement), ['a', 's', 'b']);
  t.equal(wantsAttestations(requirement), true);
  t.equal(wantsAttestations(parseRequirement({ allOf: [logged, by] })), false);
  t.end();
});

t.test('says in words what is demanded', (t) => {
  const describe = (spec: RequirementSpec): string => describeRequirement(parseRequirement(spec));
  t.equal(describe(by), 'keyless by a (issuer https://i) of s');
  t.equal(
    describe({ attestation: { type: 'slsaprovenance1', by, maxAge: 7 * 86_400_000 } }),
    'attestation slsaprovenance1 by a (issuer https://i) of s, 7 days old at most',
  );
  t.equal(
    describe({ attestation: { type: 'vuln', by: { key: { trustRoot: 'k' } } } }),
    'attestation vuln by key k',
  );
  const identities = ['a', 'b', 'c', 'd'].map((subject) => ({ issuer: 'i', subject }));
  t.equal(
    describe({ sigstore: { trustRoot: 's', identities } }),
    'keyless by a (issuer i) or b (issuer i) or 2 more of s',
  );
  t.end();
});
