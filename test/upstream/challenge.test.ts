/** WWW-Authenticate as registries write it, and as nobody should. */
import fc from 'fast-check';
import t from 'tap';
import { parseChallenges } from '../../src/upstream/challenge.ts';

function parsed(header: string | string[] | undefined): unknown {
  return parseChallenges(header).map(({ scheme, parameters }) => [
    scheme,
    Object.fromEntries(parameters),
  ]);
}

t.test('reads what registries send', (t) => {
  t.same(
    parsed(
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull"',
    ),
    [
      [
        'bearer',
        {
          realm: 'https://auth.docker.io/token',
          service: 'registry.docker.io',
          scope: 'repository:library/alpine:pull',
        },
      ],
    ],
  );
  t.same(parsed('Basic realm="Sonatype Nexus Repository Manager"'), [
    ['basic', { realm: 'Sonatype Nexus Repository Manager' }],
  ]);
  t.same(parsed('BEARER Realm=https, Service = x'), [['bearer', { realm: 'https', service: 'x' }]]);
  t.end();
});

t.test('keeps commas, quotes and schemes inside quoted strings', (t) => {
  t.same(parsed('Bearer scope="repository:a:pull,push", realm="say \\"Basic realm=x\\", please"'), [
    ['bearer', { scope: 'repository:a:pull,push', realm: 'say "Basic realm=x", please' }],
  ]);
  t.end();
});

t.test('tells several challenges apart, in one header or in several', (t) => {
  const expected = [
    ['negotiate', {}],
    ['basic', { realm: 'a' }],
    ['bearer', { realm: 'b', service: 'c' }],
  ];
  t.same(parsed('Negotiate, Basic realm="a", Bearer realm="b", service="c"'), expected);
  t.same(parsed(['Negotiate', 'Basic realm="a"', 'Bearer realm="b",service="c"']), expected);
  t.same(parsed('Negotiate YWJj==, Basic realm="a" , ,Bearer realm="b",service="c",'), expected);
  t.end();
});

t.test('of a parameter given twice the first counts', (t) => {
  t.same(parsed('Bearer realm="a", realm="b"'), [['bearer', { realm: 'a' }]]);
  t.end();
});

t.test('stops where the grammar breaks', (t) => {
  t.same(parsed(undefined), []);
  t.same(parsed(''), []);
  t.same(parsed('"Bearer"'), []);
  t.same(parsed('Bearer realm="open'), []);
  t.same(parsed('Basic realm="a", Bearer realm="b" service="c"'), [['basic', { realm: 'a' }]]);
  t.same(parsed(`Bearer realm="${'a'.repeat(10_000)}"`), []);
  t.end();
});

t.test('reads back any parameters that were quoted properly', (t) => {
  const name = fc.stringMatching(/^[a-z]{1,8}$/);
  const quote = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
  fc.assert(
    fc.property(fc.dictionary(name, fc.string(), { minKeys: 1 }), (wanted) => {
      const pairs = Object.entries(wanted).map(([key, value]) => `${key}=${quote(value)}`);
      t.same(parsed(`Bearer ${pairs.join(', ')}, Basic realm="x"`), [
        ['bearer', wanted],
        ['basic', { realm: 'x' }],
      ]);
    }),
    { numRuns: 50 },
  );
  t.end();
});

t.test('any text comes to an end', (t) => {
  const alphabet = fc.constantFrom(
    'a',
    '=',
    ',',
    '"',
    '\\',
    ' ',
    ';',
    '\t',
    '/',
    'Bearer ',
    'realm="',
  );
  fc.assert(
    fc.property(fc.string({ unit: alphabet, maxLength: 200 }), (text) => {
      parseChallenges(text);
    }),
    { numRuns: 2000 },
  );
  t.end();
});
