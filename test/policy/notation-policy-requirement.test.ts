/** Requirements that leave it to Notation's own trust policy: read without a rule's words, settled by the repository. */
import t from 'tap';
import { parseRepository } from '../../src/oci/reference.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import {
  parseNotationPolicy,
  underStatement,
  type NotationPolicyRequirement,
} from '../../src/policy/notation-policy-requirement.ts';
import { parseTrustPolicy, selectStatement } from '../../src/policy/notation-trust-policy.ts';
import {
  describeRequirement,
  parseRequirement,
  type Requirement,
} from '../../src/policy/requirement.ts';
import { policyText, skipping, STATEMENT } from '../helpers/notation/folder.ts';
import { evidence } from './made-evidence.ts';

const repository = parseRepository('reg.example:5000', 'team/app');
const requirement = parseNotationPolicy({ trustRoot: 'corp' });

function under(
  wanted: NotationPolicyRequirement,
  ...statements: readonly object[]
): ReturnType<typeof underStatement> {
  const document = parseTrustPolicy(Buffer.from(policyText(...statements)));
  const statement = selectStatement(document, 'reg.example:5000/team/app');
  return underStatement(wanted, statement, repository);
}

t.test('identities are not asked for, and nothing that a policy says may be said', (t) => {
  t.match(requirement, { kind: 'notation-policy', trustRoot: 'corp', annotations: new Map() });
  t.same(parseRequirement({ notation: { trustRoot: 'corp' } }), requirement);
  t.equal(describeRequirement(requirement), 'notation under the trust policy of corp');
  const said = { level: 'audit', override: { expiry: 'log' }, timestamps: 'always' } as const;
  for (const [key, value] of Object.entries(said)) {
    t.throws(() => parseNotationPolicy({ trustRoot: 'corp', [key]: value }), {
      name: 'SyntaxError',
      message: `expected identities beside ${key}`,
    });
  }
  const annotations = { 'io.cncf.notary.expiry': 'x' };
  t.throws(() => parseNotationPolicy({ trustRoot: 'corp', annotations }), /reserved/);
  t.throws(
    () => parseRequirement({ notation: { trustRoot: 'corp', identities: [] } }),
    /at least one/,
  );
  t.end();
});

t.test('a statement makes a requirement like any of a rule', (t) => {
  const wanted = parseNotationPolicy({ trustRoot: 'corp', annotations: { stage: 'production' } });
  const made = under(wanted, {
    ...STATEMENT,
    signatureVerification: { level: 'permissive', verifyTimestamp: 'afterCertExpiry' },
  });
  t.match(made, {
    kind: 'notation',
    trustRoot: 'corp',
    identities: [{ kind: 'any' }],
    level: { authenticity: 'enforce', revocation: 'log' },
    verifyTimestamp: 'afterCertExpiry',
    annotations: new Map([['stage', 'production']]),
  });
  t.equal(describeRequirement(made), 'notation by anybody of corp (statement "all")');
  t.end();
});

t.test('without a statement, and before any was asked for, nobody satisfies it', (t) => {
  const refused = [
    [requirement, /the trust policy of corp was not asked/],
    [
      under(requirement, { ...STATEMENT, registryScopes: ['reg.example/team/app'] }),
      /^no statement of the trust policy of corp applies to reg\.example:5000\/team\/app/,
    ],
  ] as const;
  for (const [wanted, because] of refused) {
    for (const complete of [true, false]) {
      const result = evaluate(wanted, [evidence()], { complete, now: 0 });
      t.match(result, { outcome: 'failed', because, note: because, by: [] });
    }
  }
  t.end();
});

t.test('an outage leaves open only what a signature could still change', (t) => {
  const refused = under(requirement, { ...STATEMENT, registryScopes: ['reg.example/other'] });
  const key = parseRequirement({ key: { trustRoot: 'keys' } });
  const outcome = (kind: 'anyOf' | 'allOf' | 'atLeast', count: number, of: Requirement[]): string =>
    evaluate({ kind, count, of }, [], { complete: false, now: 0 }).outcome;
  t.equal(outcome('allOf', 2, [refused, key]), 'failed');
  t.equal(outcome('atLeast', 2, [refused, key, refused]), 'failed');
  t.equal(outcome('anyOf', 1, [refused, key]), 'undetermined');
  t.equal(outcome('atLeast', 2, [refused, key, key]), 'undetermined');
  t.end();
});

t.test('what is skipped is satisfied by nobody', (t) => {
  const skipped = under(requirement, skipping('reg.example:5000/team/app'));
  t.equal(
    describeRequirement(skipped),
    'notation under the trust policy of corp (statement "unsigned")',
  );
  const result = evaluate(skipped, [evidence()], { complete: false, now: 0 });
  t.match(result, { outcome: 'satisfied', by: [], note: /^accepted without verification: / });
  t.notOk('until' in result);
  const outcome = (kind: 'anyOf' | 'allOf' | 'atLeast', count: number, of: number): string =>
    evaluate({ kind, count, of: Array<typeof skipped>(of).fill(skipped) }, [], {
      complete: true,
      now: 0,
    }).outcome;
  t.equal(outcome('anyOf', 1, 2), 'satisfied');
  t.equal(outcome('allOf', 2, 2), 'satisfied');
  t.equal(outcome('atLeast', 1, 2), 'satisfied');
  t.equal(outcome('atLeast', 2, 3), 'failed', 'a threshold counts signers');
  t.end();
});
