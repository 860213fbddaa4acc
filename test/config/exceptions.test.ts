/** The section `exceptions`: until when, under which rule, and mistakes that are named. */
import t, { type Test } from 'tap';
import type { Config } from '../../src/config/config.ts';
import { loadText, problemsOf, rawProblemsOf } from '../helpers/config-file.ts';
import { createSigner } from '../helpers/signer.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const RULES = `
trustRoots: { release: { publicKeys: [./release.pub] } }
policies:
  - { name: releases, match: ghcr.io/team/**, require: { key: { trustRoot: release } } }
  - { name: never, match: ghcr.io/evil/**, reject: no }
  - { name: scratch, match: ghcr.io/scratch/**, insecureAcceptAnything: true }
exceptions:
`;
const files = { 'release.pub': createSigner().publicPem };

function yaml(change: Readonly<Record<string, unknown>>): string {
  const whole = {
    digest: DIGEST,
    rule: 'releases',
    reason: 'why',
    expires: '2027-01-31',
    ...change,
  };
  return `${RULES}  - ${JSON.stringify(whole)}`;
}

function load(t: Test, change: Readonly<Record<string, unknown>> = {}): Config['exceptions'] {
  return loadText(t, yaml(change), { files }).exceptions;
}

/** What is said of a mistake, without its line. */
function mistake(t: Test, change: Readonly<Record<string, unknown>>): readonly string[] {
  return problemsOf(t, yaml(change), { files }).map((line) => line.replace(/^8 /, ''));
}

t.test('a day lasts to its end, a moment until it, wherever it is', async (t) => {
  const rest = { digest: DIGEST, rule: 'releases', reason: 'why' };
  t.strictSame(load(t), [{ ...rest, expires: Date.UTC(2027, 1, 1) }]);
  for (const [expires, end] of [
    ['2027-01-31T18:00:00Z', Date.UTC(2027, 0, 31, 18)],
    ['2027-01-31t18:00:00.250z', Date.UTC(2027, 0, 31, 18, 0, 0, 250)],
    ['2027-01-31T18:00:00+02:00', Date.UTC(2027, 0, 31, 16)],
    ['2028-02-29', Date.UTC(2028, 2, 1)],
  ] as const) {
    t.strictSame(load(t, { expires }), [{ ...rest, expires: end }], expires);
  }
});

t.test('one that is over loads', async (t) => {
  t.equal(load(t, { expires: '2020-01-01' }).length, 1);
});

t.test('no exceptions are none', async (t) => {
  t.strictSame(loadText(t, '{}').exceptions, []);
});

t.test('without an end, or with one that is no time, it is an error', async (t) => {
  for (const expires of [
    '2027-02-30',
    '2027-01-31T18:00:00',
    '2027-01-31T25:00:00Z',
    '2027-01-31 18:00:00Z',
    'never',
    '30d',
    '2027-1-31',
    '20270131',
  ]) {
    t.match(mistake(t, { expires }), [
      /^exceptions\[0\]\.expires: expected a day of the calendar or a time with its zone, such as .*, got "/,
    ]);
  }
  t.match(mistake(t, { expires: undefined }), [/^exceptions\[0\]: .*"expires"/]);
  t.match(mistake(t, { expires: 20270131 }), [
    /^exceptions\[0\]\.expires: expected a string, got a number/,
  ]);
});

t.test('the digest is whole, of a known kind and in lower case', async (t) => {
  for (const digest of [
    DIGEST.slice(0, -1),
    DIGEST.toUpperCase(),
    'latest',
    `md5:${'a'.repeat(32)}`,
  ]) {
    t.match(mistake(t, { digest }), [
      /^exceptions\[0\]\.digest: expected a whole digest, .*, got "/,
    ]);
  }
});

t.test('the rule is there, and requires something', async (t) => {
  t.strictSame(mistake(t, { rule: 'release' }), [
    'exceptions[0].rule: unknown rule "release", did you mean "releases"?',
  ]);
  t.match(mistake(t, { rule: 'never' }), [
    /^exceptions\[0\]\.rule: rule "never" rejects whatever it matches .* put a rule .* before it$/,
  ]);
  t.strictSame(mistake(t, { rule: 'scratch' }), [
    'exceptions[0].rule: rule "scratch" accepts anything, so it needs no exception',
  ]);
});

t.test('the reason says something, and not too much', async (t) => {
  t.match(mistake(t, { reason: '' }), [/^exceptions\[0\]\.reason: /]);
  t.strictSame(mistake(t, { reason: '  ' }), [
    'exceptions[0].reason: expected a reason, got only space',
  ]);
  t.match(mistake(t, { reason: 'x'.repeat(513) }), [/^exceptions\[0\]\.reason: .*512/]);
  t.match(mistake(t, { reason: undefined }), [/^exceptions\[0\]: .*"reason"/]);
  t.match(mistake(t, { resaon: 'x' }), [/^exceptions\[0\]\.resaon: unknown key "resaon"/]);
});

t.test('two of the same digest and rule are an error, in two files too', async (t) => {
  const twice = `${yaml({})}\n  - ${JSON.stringify({ digest: DIGEST, rule: 'releases', reason: 'b', expires: '2028-01-01' })}`;
  t.strictSame(problemsOf(t, twice, { files }), [
    '9 exceptions[1]: exceptions[0] is about the same digest under the same rule',
  ]);
  const other = `exceptions: [${JSON.stringify({ digest: DIGEST, rule: 'releases', reason: 'b', expires: '2028-01-01' })}]`;
  const [problem, ...more] = rawProblemsOf(t, `include: [./other.yaml]\n${yaml({})}`, {
    files: { ...files, 'other.yaml': other },
  });
  t.strictSame(more, []);
  t.match(problem, { file: /other\.yaml$/, line: 1, path: 'exceptions[0]' });
  t.match(problem?.message, /^exceptions\[0\] at \S+countersign\.yaml:9 is about the same digest/);
});

t.test('included files have them, for any rule of the whole', async (t) => {
  const own = {
    digest: `sha256:${'b'.repeat(64)}`,
    rule: 'releases',
    reason: 'b',
    expires: '2028-01-01',
  };
  const { exceptions } = loadText(t, `include: [./other.yaml]\n${yaml({})}`, {
    files: { ...files, 'other.yaml': `exceptions: [${JSON.stringify(own)}]` },
  });
  t.strictSame(
    exceptions.map(({ reason }) => reason),
    ['why', 'b'],
  );
  const problems = rawProblemsOf(t, `include: [./other.yaml]\n${yaml({})}`, {
    files: { ...files, 'other.yaml': `exceptions: [${JSON.stringify({ ...own, rule: 'none' })}]` },
  });
  t.match(problems, [{ file: /other\.yaml$/, line: 1, path: 'exceptions[0].rule' }]);
});
