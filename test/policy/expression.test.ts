/** Rules in CEL: what their authors expect, mistakes at load, and no cost that a statement could run up. */
import t from 'tap';
import { expressionInput } from '../../src/policy/expression-input.ts';
import { parseExpression } from '../../src/policy/expression.ts';
import { attestation, atTime, certificateSigner, DAY, keySigner, NOW } from './made-evidence.ts';
import type { Evidence } from '../../src/policy/evidence.ts';

function check(
  rule: string,
  predicate: unknown,
  changes: Partial<Evidence> = {},
): string | undefined {
  const evidence = attestation('https://a.example/t', predicate, changes);
  return parseExpression(rule).check(
    expressionInput(evidence, evidence.statement?.json ?? {}, NOW),
  );
}

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at);

t.test('a rule that is true is satisfied', (t) => {
  const predicate = {
    zero: 0,
    score: 8,
    half: 7.5,
    name: 'acme',
    built: '2026-05-31T00:00:00Z',
    list: [{ severity: 'LOW' }, { severity: 'HIGH' }],
    map: { a: 1, b: 1 },
    nested: { yes: true, nothing: null },
    big: 2 ** 53,
  };
  for (const rule of [
    'predicate.zero == 0',
    'predicate.zero == 0.0',
    'predicate.score >= 7.5 && predicate.half >= 7',
    'predicate.score + 1 == 9',
    'double(predicate.score) + 0.5 == 8.5',
    'predicate.list[predicate.zero].severity == "LOW"',
    'predicate.name in ["acme", "other"]',
    '!(predicate.name in ["other"])',
    'predicate.list.all(v, v.severity != "CRITICAL")',
    'predicate.list.exists(v, v.severity == "HIGH")',
    'predicate.list.exists_one(v, v.severity == "HIGH")',
    'predicate.list.filter(v, v.severity == "HIGH").size() == 1',
    'predicate.list.map(v, v.severity) == ["LOW", "HIGH"]',
    'predicate.list.map(v, v.severity == "LOW", v.severity).join(",") == "LOW"',
    'predicate.map.all(key, predicate.map[key] == 1)',
    "predicate.map == {'b': 1, 'a': 1}",
    '"a" in predicate.map',
    'has(predicate.nested.yes) && !has(predicate.nested.no)',
    'predicate.nested.nothing == null',
    'predicate.nested.yes',
    'predicate.zero > 5 ? false : predicate.nested.yes',
    'size(predicate.list) == 2 && predicate.list.size() == 2',
    'predicate.name.startsWith("ac") && predicate.name.upperAscii() == "ACME"',
    'predicate.name.matches("^a[a-z]+$") && predicate.name.matches("cm")',
    'now - timestamp(predicate.built) <= duration("24h")',
    'cel.bind(n, predicate.score, n * n == 64)',
    'type(predicate.big) == double',
    '-predicate.half < -7.0 && predicate.half != 7.0',
    'statement.predicateType == "https://a.example/t"',
    'subject[0].name == "app" && subject.exists(s, s.digest.sha256.size() == 64)',
  ]) {
    t.equal(check(rule, predicate), undefined, rule);
  }
  t.end();
});

t.test('anything but true is not satisfied, and says why', (t) => {
  const cases: readonly (readonly [rule: string, predicate: unknown, because: RegExp])[] = [
    ['predicate.x == 0', { x: 1 }, /^the rule is false$/],
    ['predicate.x == 0', { x: '0' }, /^the rule is false$/],
    ['predicate.x == 0', {}, /cannot be evaluated: No such key: x$/],
    ['predicate.x', { x: 1 }, /neither true nor false/],
    ['predicate.x', { x: 'true' }, /neither true nor false/],
    ['predicate.x', { x: [] }, /neither true nor false/],
    ['predicate', {}, /neither true nor false/],
    ['predicate.x < 1', { x: 'a' }, /cannot be evaluated/],
    ['predicate.x + 0.5 > 1.0', { x: 1 }, /cannot be evaluated: no such overload/],
    ['predicate.x.all(v, v > 0)', { x: 'abc' }, /cannot be evaluated/],
    ['predicate.x.all(v, v.y > 0)', { x: [{ y: 1 }, {}] }, /cannot be evaluated/],
    ['predicate[3] == 1', [1], /cannot be evaluated/],
    ['timestamp(predicate.x) < now', { x: 'yesterday or so, I think' }, /cannot be evaluated/],
    ['predicate.x / 0 == 1', { x: 1 }, /division by zero/],
    ['signedAt > now', {}, /the rule is false/],
  ];
  for (const [rule, predicate, because] of cases) t.match(check(rule, predicate), because, rule);
  t.match(
    check('signedAt < now', {}, { times: [] }),
    /cannot be evaluated/,
    'no proven time is null',
  );
  t.end();
});

t.test('sees who signed and when', (t) => {
  const times = [atTime('b', 'sigstore', NOW - DAY), atTime('a', 'sigstore', NOW - 2 * DAY)];
  for (const rule of [
    'signer.kind == "certificate" && signer.trustRoot == "sigstore"',
    'signer.issuer == "https://token.actions.githubusercontent.com"',
    'signer.subjects.exists(s, s.startsWith("https://github.com/acme/"))',
    'signer.extensions.sourceRepositoryURI == "https://github.com/acme/app"',
    'signer.fingerprint.startsWith("sha256:")',
    'signedAt == now - duration("48h")',
  ]) {
    t.equal(check(rule, {}, { times }), undefined, rule);
  }
  const signer = keySigner('release');
  t.equal(
    check(
      'signer.kind == "key" && signer.issuer == "" && size(signer.subjects) == 0',
      {},
      { signer },
    ),
    undefined,
  );
  t.equal(check('signedAt == null', {}, { signer, times: [] }), undefined);
  t.match(check('signer.extensions.buildTrigger == "push"', {}), /No such key/);
  t.equal(
    check('signer.issuer == ""', {}, { signer: certificateSigner({ issuer: undefined }) }),
    undefined,
  );
  t.end();
});

t.test('names of the language around it are members like any other', (t) => {
  for (const rule of [
    'has(predicate.constructor)',
    'has(predicate.__proto__)',
    'has(predicate.toString)',
    '"constructor" in predicate',
    '"__proto__" in predicate',
    'has(signer.extensions.constructor)',
  ]) {
    t.match(check(rule, {}), /^the rule is false$/, rule);
  }
  t.match(check('predicate.constructor.name == "Map"', {}), /No such key/);
  t.match(check('predicate["constructor"] != null', {}), /No such key/);
  t.match(check('predicate.list["length"] == 1', { list: [1] }), /cannot be evaluated/);
  const named: unknown = JSON.parse('{"__proto__": 1, "constructor": "x", "hasOwnProperty": 2}');
  t.equal(
    check(
      'predicate["__proto__"] == 1 && predicate.constructor == "x" && predicate.hasOwnProperty == 2',
      named,
    ),
    undefined,
  );
  t.end();
});

t.test('says at load what is wrong and where', (t) => {
  const wrong: readonly (readonly [rule: string, message: RegExp])[] = [
    ['', /expected a CEL rule/],
    ['1 +', /Unexpected token: EOF \(at character 4\)/],
    ['predicate.x == 1 &&& true', /at character/],
    ['predicat.x == 1', /Unknown variable: predicat \(at character 1\)/],
    ['true && signer.isuer == ""', /No such key: isuer \(at character/],
    ['1 + 1', /true or false, got one of type int/],
    ['"true"', /true or false, got one of type string/],
    ['predicate.list.map(v, v)', /true or false, got one of type list/],
    ['"a" + 1 == "b"', /no such overload/],
    ['nonsense(predicate)', /nonsense/],
    ['predicate.nonsense()', /nonsense/],
    ['predicate.x.matches(predicate.y)', /literal pattern/],
    ['predicate.x.matches("a" + "b")', /literal pattern/],
    ['predicate.x.matches("(?=a)")', /RE2/],
    ['predicate.x.matches("(a)\\\\1")', /RE2/],
    ['predicate.x.matches()', /./],
    ['now.getHours("Europe/Minsk") == 1', /no time zone/],
    ['meterStep(0)', /meterStep/],
    ['meterMatches("a", 0)', /meterMatches/],
    ['predicate.?x == 1', /./],
    ['a'.repeat(4097), /at most 4096 characters/],
    [`${'('.repeat(100)}true${')'.repeat(100)}`, /maxDepth/],
    [`${'true && '.repeat(600)}true`, /at most 4096|maxAstNodes/],
    [`${'!'.repeat(1000)}true`, /maxDepth|maxAstNodes/],
  ];
  for (const [rule, message] of wrong) {
    t.throws(() => parseExpression(rule), { name: 'SyntaxError', message }, rule.slice(0, 60));
  }
  t.end();
});

t.test('knows whether the clock matters', (t) => {
  t.equal(parseExpression('predicate.x == 1').usesNow, false);
  t.equal(parseExpression('signedAt < now').usesNow, true);
  t.equal(
    parseExpression('predicate.l.all(x, has(x.a) && [x.t].exists(y, timestamp(y) < now))').usesNow,
    true,
  );
  t.equal(parseExpression('predicate.now == "now"').usesNow, false);
  t.end();
});

t.test('two rules with patterns do not see each other', (t) => {
  const one = parseExpression('predicate.x.matches("^a$")');
  const two = parseExpression('predicate.x.matches("^b$") && predicate.y.matches("^c$")');
  const inputOf = (predicate: unknown) => {
    const evidence = attestation('https://a.example/t', predicate);
    return expressionInput(evidence, evidence.statement?.json ?? {}, NOW);
  };
  t.equal(one.check(inputOf({ x: 'a' })), undefined);
  t.equal(two.check(inputOf({ x: 'b', y: 'c' })), undefined);
  t.match(one.check(inputOf({ x: 'b' })), /false/);
  t.match(two.check(inputOf({ x: 'b', y: 'b' })), /false/);
  t.end();
});

/** Units of processor time that a hostile statement may take; generous, for machines that do other things too. */
const MICROSECONDS = 3_000_000;

t.test('a bomb is too costly, whatever stands beside it', (t) => {
  const list = { l: numbers(10_000) };
  const words = { l: numbers(2_000), s: 'x'.repeat(500_000) };
  const bombs: readonly (readonly [rule: string, predicate: unknown])[] = [
    ['predicate.l.all(a, predicate.l.all(b, predicate.l.all(c, a + b + c >= 0)))', list],
    ['predicate.l.all(a, predicate.l.exists(b, predicate.l.exists(c, a + b + c < 0)))', list],
    ['predicate.l.exists(a, predicate.l.all(b, a.x == b))', list],
    ['predicate.l.all(a, predicate.l.all(b, a.x == b.y)) || true', list],
    ['true && (predicate.l.exists(a, predicate.l.exists(b, a + b < 0)) || true)', list],
    ['!predicate.l.exists(a, predicate.l.exists(b, a + b < 0))', list],
    ['predicate.l.filter(a, predicate.l.exists_one(b, a == b)).size() > 0', list],
    ['predicate.l.map(a, predicate.l.map(b, a * b)).size() > 0', list],
    ['predicate.l.map(a, predicate.l).all(x, x == predicate.l)', list],
    ['predicate.l.exists(a, a.x.y == 1)', { l: numbers(300_000) }],
    ['predicate.l.map(a, predicate.s).join("") != ""', words],
    ['predicate.l.all(a, predicate.s + predicate.s != predicate.s)', words],
    ['predicate.l.all(a, predicate.s.contains("y") || true)', words],
    ['predicate.l.all(a, predicate.s.lowerAscii() == predicate.s)', words],
    ['predicate.l.all(a, predicate.s.split("").size() > 1)', words],
    ['predicate.l.all(a, predicate.s in [predicate.s, "x"])', words],
    ['predicate.s.matches("([a-z]+)*[0-9]") || true', { s: 'x'.repeat(1_000_000) }],
    [
      `cel.bind(s, predicate.s, ${'cel.bind(s, s + s, '.repeat(10)}size(s) > 0${')'.repeat(11)}`,
      words,
    ],
  ];
  for (const [rule, predicate] of bombs) {
    const started = process.cpuUsage();
    t.match(
      check(rule, predicate),
      /^the rule is too costly for this statement$/,
      rule.slice(0, 90),
    );
    const { user } = process.cpuUsage(started);
    t.ok(user < MICROSECONDS, `it took ${user} µs`);
  }
  t.end();
});

t.test('a rule over a real-sized report is not', (t) => {
  const report = {
    runs: numbers(20).map(() => ({
      results: numbers(300).map((at) => ({ level: 'note', id: `CVE-2026-${at}` })),
    })),
  };
  t.equal(
    check(
      'predicate.runs.all(r, r.results.all(x, x.level != "error" || x.id in ["CVE-1", "CVE-2"]))',
      report,
    ),
    undefined,
  );
  t.equal(check('predicate.l.all(a, a >= 0)', { l: numbers(10_000) }), undefined);
  t.end();
});
