/** A threshold counts signers: one signature that fits two alternatives counts once. */
import fc from 'fast-check';
import t from 'tap';
import { latestUntil, type Standing } from '../../src/policy/distinct-signers.ts';
import type { Evidence } from '../../src/policy/evidence.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import { parseRequirement, type RequirementSpec } from '../../src/policy/requirement.ts';
import {
  attestation,
  certificateSigner,
  evidence,
  ISSUER,
  keySigner,
  NOW,
} from './made-evidence.ts';

const who = (subjectPattern: string): RequirementSpec & object => ({
  sigstore: { trustRoot: 'sigstore', identities: [{ issuer: ISSUER, subjectPattern }] },
});
const by = (...subjects: string[]): Evidence =>
  evidence({
    signer: certificateSigner({ subjects: subjects.map((value) => ({ type: 'uri', value })) }),
  });
const outcome = (spec: RequirementSpec, ...found: Evidence[]): string =>
  evaluate(parseRequirement(spec), found, { complete: true, now: NOW }).outcome;
const atLeast = (count: number, ...of: RequirementSpec[]): RequirementSpec => ({
  atLeast: { count, of },
});

t.test('alternatives that overlap need a signer each', (t) => {
  const two = atLeast(2, who('a|b'), who('b|c'));
  t.equal(outcome(two, by('b')), 'failed', 'one signature that fits both');
  t.equal(outcome(two, by('b'), by('b')), 'failed', 'two signatures of one signer');
  t.equal(outcome(two, by('a'), by('b')), 'satisfied');
  t.equal(outcome(two, by('b'), by('c')), 'satisfied', 'whatever order they come in');
  t.equal(outcome(two, by('a', 'c')), 'failed', 'two names of one certificate');
  t.equal(outcome(atLeast(2, who('b'), who('b')), by('b')), 'failed');
  t.equal(outcome(atLeast(1, who('b'), who('b')), by('b')), 'satisfied');
  t.equal(
    outcome({ allOf: [who('b'), who('b')] }, by('b')),
    'satisfied',
    'allOf demands, it does not count',
  );
  t.equal(
    outcome(atLeast(3, who('a|b|c'), who('a'), who('b')), by('a'), by('b'), by('c')),
    'satisfied',
  );
  t.equal(outcome(atLeast(3, who('a|b|c'), who('a'), who('b')), by('a'), by('b')), 'failed');
  const { because } = evaluate(parseRequirement(two), [by('b')], { complete: true, now: NOW });
  t.equal(because, '2 alternatives hold, but not 2 with a signer of its own');
  t.end();
});

t.test('nested alternatives are counted by whom they rest on', (t) => {
  t.equal(outcome(atLeast(2, { anyOf: [who('a'), who('b')] }, who('b')), by('b')), 'failed');
  t.equal(
    outcome(atLeast(2, { anyOf: [who('a'), who('b')] }, who('b')), by('a'), by('b')),
    'satisfied',
  );
  t.equal(outcome(atLeast(2, { allOf: [who('b'), who('b|c')] }, who('b')), by('b')), 'failed');
  t.equal(outcome(atLeast(2, atLeast(1, who('b')), who('b')), by('b')), 'failed');
  t.end();
});

t.test('attestations count for what they say, but stand for nobody', (t) => {
  const attested = (type: string): RequirementSpec => ({
    attestation: { type, by: who('b') as { readonly sigstore: never } },
  });
  const { signer } = by('b');
  const spdx = attestation('https://spdx.dev/Document', {}, { signer });
  const link = attestation('https://in-toto.io/Link/v1', {}, { signer });
  t.equal(outcome(atLeast(2, attested('spdx'), attested('link')), spdx, link), 'satisfied');
  t.equal(outcome(atLeast(2, attested('spdx'), attested('link')), spdx), 'failed');
  t.equal(outcome(atLeast(2, attested('spdx'), who('b')), spdx, by('b')), 'satisfied');
  t.equal(
    outcome(atLeast(2, { allOf: [attested('spdx'), who('b')] }, who('b')), spdx, by('b')),
    'failed',
    'an attestation beside a signature lends it no second signer',
  );
  t.end();
});

t.test('keys are told apart by what they are, not by what they are called', (t) => {
  const key = (trustRoot: string): RequirementSpec => ({ key: { trustRoot } });
  const one = evidence({ signer: keySigner('same', 'a') });
  const two = evidence({ signer: keySigner('same', 'b') });
  t.equal(outcome(atLeast(2, key('a'), key('b')), one, two), 'failed');
  t.equal(
    outcome(atLeast(2, key('a'), key('b')), one, evidence({ signer: keySigner('other', 'b') })),
    'satisfied',
  );
  t.end();
});

t.test('finds the latest time as trying every way does', (t) => {
  const standing = fc
    .dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom(1, 2, 3, Infinity), {
      minKeys: 1,
    })
    .map((record): Standing => new Map(Object.entries(record)));
  fc.assert(
    fc.property(
      fc.array(standing, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 4 }),
      (all, count) => {
        t.equal(latestUntil(all, count), bruteForce(all, count, new Set(), Infinity));
      },
    ),
    { numRuns: 300 },
  );
  t.end();
});

/** Tries every signer for every alternative, and leaving it out. */
function bruteForce(
  [first, ...rest]: readonly Standing[],
  count: number,
  used: ReadonlySet<string | symbol>,
  until: number,
): number | undefined {
  if (count <= 0) return until;
  if (first === undefined) return undefined;
  const ways = [...first]
    .filter(([id]) => !used.has(id))
    .map(([id, each]) =>
      bruteForce(rest, count - 1, new Set([...used, id]), Math.min(until, each)),
    );
  const found = [bruteForce(rest, count, used, until), ...ways].filter((way) => way !== undefined);
  return found.length === 0 ? undefined : Math.max(...found);
}
