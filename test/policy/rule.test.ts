/** Rules: the first that matches decides, and a decision's key names everything it rests on. */
import t from 'tap';
import { parseRepository } from '../../src/oci/reference.ts';
import {
  describeAction,
  findRule,
  parsePolicy,
  type RuleSpec,
  type TrustRootFacts,
  type TrustRoots,
} from '../../src/policy/rule.ts';
import type {
  AttestationSpec,
  RequirementSpec,
  SigstoreSpec,
} from '../../src/policy/requirement-spec.ts';
import { REVERIFY, TAG_RULE } from '../helpers/tag-rule.ts';

const root = (id: string, ...fingerprints: string[]): TrustRootFacts => ({
  id,
  kind: 'public-keys',
  keys: fingerprints.map((fingerprint) => ({ fingerprint })),
});
const ROOTS: TrustRoots = new Map<string, TrustRootFacts>([
  ['a', root('id-a', 'one')],
  ['b', root('id-b', 'two')],
  ['c', root('id-c', 'three', 'four')],
  ['ab', root('id-ab', 'one', 'two')],
  ['s', { id: 'id-s', kind: 'sigstore' }],
  ['s2', { id: 'id-s2', kind: 'sigstore' }],
]);
const key = (trustRoot: string): RequirementSpec => ({ key: { trustRoot } });
const keyless = (changes: Partial<SigstoreSpec> = {}): { readonly sigstore: SigstoreSpec } => ({
  sigstore: { trustRoot: 's', identities: [{ issuer: 'https://i', subject: 'a' }], ...changes },
});
const attested = (changes: Partial<AttestationSpec> = {}): RequirementSpec => ({
  attestation: { type: 'vuln', by: keyless(), ...changes },
});
const BASE: RuleSpec = {
  name: 'releases',
  match: ['ghcr.io/**'],
  require: key('a'),
  tags: TAG_RULE,
  reverify: REVERIFY,
  mode: 'enforce',
};

function keyOf(changes: Partial<RuleSpec>, roots = ROOTS): string | undefined {
  return parsePolicy([{ ...BASE, ...changes }], roots).rules[0]?.key;
}

t.test('the first rule that matches decides, none is none', (t) => {
  const specs = [
    { ...BASE, name: 'never', match: ['ghcr.io/evil/**'], require: undefined, reject: 'withdrawn' },
    { ...BASE, name: 'team', match: ['ghcr.io/**', '!ghcr.io/open/**'] },
    {
      ...BASE,
      name: 'rest',
      match: ['ghcr.io/**', 'docker.io/alpine'],
      require: undefined,
      insecureAcceptAnything: true as const,
    },
    { ...BASE, name: 'late', match: ['**/evil/**', 'quay.io/**'] },
  ];
  const policy = parsePolicy(specs, ROOTS);
  const name = (registry: string, path: string) =>
    findRule(policy, parseRepository(registry, path))?.name;
  t.equal(name('ghcr.io', 'evil/app'), 'never');
  t.equal(name('ghcr.io', 'team/app'), 'team');
  t.equal(name('ghcr.io', 'open/app'), 'rest');
  t.equal(name('index.docker.io', 'alpine'), 'rest');
  t.equal(name('quay.io', 'x'), 'late');
  t.equal(name('docker.io', 'debian'), undefined);
  t.equal(findRule(parsePolicy([], ROOTS), parseRepository('ghcr.io', 'x')), undefined);
  t.end();
});

t.test('a rule is exactly one of require, reject and insecureAcceptAnything', (t) => {
  const parse = (changes: Partial<RuleSpec>) =>
    parsePolicy([{ ...BASE, ...changes }], ROOTS).rules[0]?.action;
  t.match(parse({}), { kind: 'require' });
  t.same(parse({ require: undefined, reject: 'no' }), { kind: 'reject', reason: 'no' });
  t.same(parse({ require: undefined, reject: '' }), { kind: 'reject', reason: '' });
  t.same(parse({ require: undefined, insecureAcceptAnything: true }), { kind: 'accept-anything' });
  for (const changes of [
    { require: undefined },
    { reject: 'no' },
    { insecureAcceptAnything: true as const },
    { require: undefined, reject: 'no', insecureAcceptAnything: true as const },
  ]) {
    t.throws(() => parse(changes), {
      name: 'SyntaxError',
      message: /^rule "releases": expected exactly one/,
    });
  }
  t.end();
});

t.test('names the rule whose pattern, requirement or trust root is wrong', (t) => {
  const wrong: readonly (readonly [Partial<RuleSpec>, RegExp])[] = [
    [{ match: ['ghcr.io'] }, /^rule "releases": expected a pattern/],
    [{ match: [] }, /^rule "releases": expected at least one pattern/],
    [{ require: { anyOf: [] } }, /^rule "releases": expected anyOf/],
    [{ require: key('nobody') }, /^rule "releases": unknown trust root "nobody"/],
    [{ require: { anyOf: [key('a'), key('nobody')] } }, /unknown trust root "nobody"/],
    [{ require: key('s') }, /key needs a trust root of public-keys, "s" is one of sigstore/],
    [{ require: keyless({ trustRoot: 'a' }) }, /sigstore needs a trust root of sigstore, "a"/],
    [{ require: attested({ by: { key: { trustRoot: 's' } } }) }, /key needs a trust root/],
    [{ require: attested({ by: keyless({ trustRoot: 'nobody' }) }) }, /unknown trust root/],
    [
      { require: { key: { trustRoot: 'a', timestamps: 1, logsFrom: 'b' } } },
      /logsFrom needs a trust root of sigstore, "b" is one of public-keys/,
    ],
    [
      { require: { key: { trustRoot: 'a', timestamps: 1, logsFrom: 'nobody' } } },
      /unknown trust root/,
    ],
    [{ require: attested({ rule: 'predicat' }) }, /^rule "releases": expected a CEL rule/],
    [{ signatures: { repository: 'nowhere' } }, /^rule "releases": expected a repository/],
  ];
  for (const [changes, message] of wrong) {
    t.throws(() => keyOf(changes), { name: 'SyntaxError', message });
  }
  t.end();
});

t.test('the key changes with whatever a decision rests on', (t) => {
  const keys = [
    keyOf({}),
    keyOf({ mode: 'audit' }),
    keyOf({ require: key('b') }),
    keyOf({ require: { anyOf: [key('a')] } }),
    keyOf({ require: { allOf: [key('a')] } }),
    keyOf({ require: { anyOf: [key('a'), key('b')] } }),
    keyOf({ require: { anyOf: [key('b'), key('a')] } }),
    keyOf({ require: { atLeast: { count: 1, of: [key('a'), key('b')] } } }),
    keyOf({ require: { atLeast: { count: 2, of: [key('a'), key('b')] } } }),
    keyOf({ require: undefined, reject: 'one' }),
    keyOf({ require: undefined, reject: 'two' }),
    keyOf({ require: undefined, insecureAcceptAnything: true }),
    keyOf({}, new Map([['a', root('another id', 'one')]])),
    keyOf({ require: { key: { trustRoot: 'a', transparencyLog: 1, logsFrom: 's' } } }),
    keyOf({ require: { key: { trustRoot: 'a', transparencyLog: 2, logsFrom: 's' } } }),
    keyOf({ require: { key: { trustRoot: 'a', timestamps: 1, logsFrom: 's' } } }),
    keyOf({ require: { key: { trustRoot: 'a', timestamps: 1, logsFrom: 's2' } } }),
    keyOf({ require: keyless() }),
    keyOf({ require: keyless({ trustRoot: 's2' }) }),
    keyOf({ require: keyless({ transparencyLog: 2 }) }),
    keyOf({ require: keyless({ certificateTransparency: 0 }) }),
    keyOf({ require: keyless({ timestamps: 0 }) }),
    keyOf({ require: keyless({ identities: [{ issuer: 'https://i', subject: 'b' }] }) }),
    keyOf({ require: keyless({ identities: [{ issuer: 'https://i', subjectPattern: 'a' }] }) }),
    keyOf({
      require: keyless({
        identities: [{ issuer: 'https://i', subject: 'a', extensions: { buildTrigger: 'push' } }],
      }),
    }),
    keyOf({ require: keyless() }, new Map([['s', { id: 'another id', kind: 'sigstore' }]])),
    keyOf({ require: attested() }),
    keyOf({ require: attested({ type: 'spdx' }) }),
    keyOf({ require: attested({ by: { key: { trustRoot: 'a' } } }) }),
    keyOf({ require: attested({ maxAge: 1 }) }),
    keyOf({ require: attested({ maxAge: 2 }) }),
    keyOf({ require: attested({ rule: 'predicate.a == 1' }) }),
    keyOf({ require: attested({ rule: 'predicate.a == 2' }) }),
    keyOf({ require: attested({ schema: { required: ['a'] } }) }),
    keyOf({ require: attested({ schema: { required: ['b'] } }) }),
    keyOf({ signatures: { repository: 'quay.io/signatures' } }),
    keyOf({ signatures: { repository: 'quay.io/signatures/**' } }),
    keyOf({ signatures: { reference: 'exact' } }),
    keyOf({ signatures: { reference: 'repository' } }),
    keyOf({ signatures: { reference: { remap: { prefix: 'a.io', signedPrefix: 'b.io' } } } }),
    keyOf({ signatures: { reference: { remap: { prefix: 'a.io', signedPrefix: 'c.io' } } } }),
  ];
  t.equal(new Set(keys).size, keys.length);
  for (const one of keys) t.match(one, /^[0-9a-f]{64}$/);
  t.end();
});

t.test('the key stays while nothing changes that a decision rests on', (t) => {
  const key = keyOf({});
  t.equal(keyOf({ name: 'another' }), key);
  t.equal(keyOf({ match: ['**'] }), key);
  t.equal(keyOf({ tags: { ...TAG_RULE, refresh: 9, onMove: 'hold' } }), key);
  t.equal(
    keyOf({}, new Map([...ROOTS, ['b', root('another id')]])),
    key,
    'a root it does not name',
  );
  t.equal(keyOf({}, new Map([['a', root('id-a', 'one')]])), key, 'whatever else is configured');
  t.end();
});

t.test('a threshold above one refuses a key that stands behind two alternatives', (t) => {
  const atLeast = (count: number, ...of: RequirementSpec[]): RequirementSpec => ({
    atLeast: { count, of },
  });
  const scanned = (trustRoot: string, type = 'vuln'): RequirementSpec =>
    attested({ type, by: { key: { trustRoot } } });
  const message = /atLeast counts signers, but one key stands behind two/;
  const wrong: readonly RequirementSpec[] = [
    atLeast(2, key('a'), key('ab')),
    atLeast(2, key('a'), key('a')),
    atLeast(2, key('c'), key('b'), key('ab')),
    atLeast(2, { anyOf: [key('a'), key('c')] }, { allOf: [key('ab'), key('b')] }),
    atLeast(2, key('c'), atLeast(1, key('c'))),
    atLeast(2, scanned('a'), scanned('ab')),
    { anyOf: [key('c'), { allOf: [atLeast(2, key('a'), key('ab'))] }] },
    atLeast(1, key('c'), atLeast(2, key('a'), key('ab'))),
  ];
  for (const spec of wrong)
    t.throws(() => keyOf({ require: spec }), { message }, JSON.stringify(spec));
  const right: readonly RequirementSpec[] = [
    atLeast(2, key('a'), key('b'), key('c')),
    atLeast(1, key('a'), key('ab')),
    atLeast(2, { anyOf: [key('a'), key('ab')] }, key('c')),
    { allOf: [key('a'), key('ab')] },
    { anyOf: [key('a'), key('ab')] },
    atLeast(2, scanned('a'), key('a')),
    atLeast(2, scanned('a'), scanned('a', 'spdx')),
    atLeast(2, keyless(), keyless()),
  ];
  for (const spec of right) t.doesNotThrow(() => keyOf({ require: spec }), JSON.stringify(spec));
  t.end();
});

t.test('describes its action in a few words', (t) => {
  const describe = (changes: Partial<RuleSpec>) => {
    const action = parsePolicy([{ ...BASE, ...changes }], ROOTS).rules[0]?.action;
    return action && describeAction(action);
  };
  t.equal(describe({}), 'key a');
  t.equal(describe({ require: keyless() }), 'keyless by a (issuer https://i) of s');
  t.equal(describe({ require: undefined, reject: 'withdrawn' }), 'reject: withdrawn');
  t.equal(describe({ require: undefined, insecureAcceptAnything: true }), 'accept anything');
  t.end();
});

t.test('carries where signatures are kept', (t) => {
  const signaturesOf = (changes: Partial<RuleSpec>) =>
    parsePolicy([{ ...BASE, ...changes }], ROOTS).rules[0]?.signatures;
  t.equal(signaturesOf({}), undefined);
  const signatures = { repository: 'quay.io/signatures', reference: 'exact' } as const;
  t.same(signaturesOf({ signatures }), signatures);
  t.end();
});
