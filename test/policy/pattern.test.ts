/** Patterns over canonical names: a table of what they match, and how long the worst of them takes. */
import fc from 'fast-check';
import t from 'tap';
import { parseRepository } from '../../src/oci/reference.ts';
import { matchesRepository, parseMatch, parsePattern } from '../../src/policy/pattern.ts';

/** `registry/path` as a repository. */
function repository(name: string): ReturnType<typeof parseRepository> {
  const slash = name.indexOf('/');
  return parseRepository(name.slice(0, slash), name.slice(slash + 1));
}

t.test('matches what the table says', (t) => {
  const table: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    [
      'ghcr.io/team/app',
      ['ghcr.io/team/app'],
      ['ghcr.io/team/app2', 'ghcr.io/team', 'ghcr.io/team/app/x'],
    ],
    ['ghcr.io/*', ['ghcr.io/app'], ['ghcr.io/team/app', 'ghcr.io.evil.test/app']],
    [
      'ghcr.io/team/*',
      ['ghcr.io/team/app'],
      ['ghcr.io/team', 'ghcr.io/team/a/b', 'ghcr.io/team2/app'],
    ],
    ['ghcr.io/team/app-*', ['ghcr.io/team/app-x'], ['ghcr.io/team/app', 'ghcr.io/team/app-x/y']],
    ['ghcr.io/*/app', ['ghcr.io/a/app'], ['ghcr.io/app', 'ghcr.io/a/b/app']],
    [
      'ghcr.io/**',
      ['ghcr.io/a', 'ghcr.io/a/b/c'],
      ['ghcr.io.evil/a', 'xghcr.io/a', 'ghcr.io:5000/a'],
    ],
    [
      'ghcr.io/**/app',
      ['ghcr.io/app', 'ghcr.io/a/app', 'ghcr.io/a/b/app'],
      ['ghcr.io/a/app/b', 'ghcr.io/xapp'],
    ],
    [
      'ghcr.io/a/**/b/**',
      ['ghcr.io/a/b/c', 'ghcr.io/a/x/y/b/c/d'],
      ['ghcr.io/a/b', 'ghcr.io/a/x/y'],
    ],
    [
      'ghcr.io/team/**',
      ['ghcr.io/team/a', 'ghcr.io/team/a/b'],
      ['ghcr.io/team', 'ghcr.io/teamster/a'],
    ],
    ['ghcr.io/**/**', ['ghcr.io/a', 'ghcr.io/a/b'], ['docker.io/a']],
    ['**', ['ghcr.io/a', 'docker.io/alpine', 'localhost:5000/x/y'], []],
    ['**/app', ['ghcr.io/app', 'ghcr.io/a/app'], ['ghcr.io/a']],
    ['*/app', ['ghcr.io/app'], ['ghcr.io/a/app', 'docker.io/app']],
    ['*.corp.test/**', ['a.corp.test/x', 'a.b.corp.test/x'], ['corp.test/x', 'a.corp.test.evil/x']],
    ['localhost:5000/**', ['localhost:5000/a'], ['localhost:5001/a', 'localhost/a']],
    ['ghcr.io/a*b*c', ['ghcr.io/abc', 'ghcr.io/axxbxxbxc'], ['ghcr.io/ab', 'ghcr.io/abcx']],
    ['ghcr.io/a.c', ['ghcr.io/a.c'], ['ghcr.io/abc']],
    ['docker.io/alpine', ['docker.io/library/alpine', 'docker.io/alpine'], ['docker.io/x/alpine']],
    ['docker.io/library/alpine', ['docker.io/alpine'], ['docker.io/alpine2']],
    ['index.docker.io/alpine', ['docker.io/alpine'], []],
    ['Docker.IO/alpine', ['docker.io/alpine'], []],
    ['docker.io/*', ['docker.io/alpine'], ['docker.io/user/app']],
    ['docker.io/al*', ['docker.io/alpine'], ['docker.io/user/alpine', 'docker.io/debian']],
    ['docker.io/**', ['docker.io/alpine', 'docker.io/user/app'], ['ghcr.io/alpine']],
    ['docker.io/user/*', ['docker.io/user/app'], ['docker.io/alpine']],
  ];
  for (const [pattern, yes, no] of table) {
    const parsed = parsePattern(pattern);
    for (const name of yes) t.ok(parsed.matches(repository(name)), `${pattern} matches ${name}`);
    for (const name of no)
      t.notOk(parsed.matches(repository(name)), `${pattern} does not match ${name}`);
  }
  t.end();
});

t.test('refuses patterns that could not mean what they say', (t) => {
  const wrong = [
    '',
    '*',
    'ghcr.io',
    'ghcr.io/',
    '/app',
    'ghcr.io//app',
    'ghcr.io/App',
    'ghcr.io/app:v1',
    'ghcr.io/app@sha256:x',
    'ghcr.io/app**',
    'ghcr.io/**app',
    'ghcr.io/***',
    'gh**/app',
    'ghcr.io/a?',
    'ghcr.io/[a] b',
    'ghcr.io/a\n',
    'ghcr.io/(a|b)',
    '!ghcr.io/app',
  ];
  for (const text of wrong) t.throws(() => parsePattern(text), SyntaxError, JSON.stringify(text));
  t.end();
});

t.test('exclusions take away from what is included, whatever their order', (t) => {
  const lists = [
    ['ghcr.io/**', '!ghcr.io/evil/**', '!docker.io/alpine'],
    ['!docker.io/alpine', '!ghcr.io/evil/**', 'ghcr.io/**'],
  ];
  for (const list of lists) {
    const match = parseMatch([...list, 'docker.io/**']);
    t.ok(matchesRepository(match, repository('ghcr.io/team/app')));
    t.ok(matchesRepository(match, repository('docker.io/debian')));
    t.notOk(matchesRepository(match, repository('ghcr.io/evil/app')));
    t.notOk(matchesRepository(match, repository('docker.io/library/alpine')));
    t.notOk(matchesRepository(match, repository('quay.io/app')));
  }
  t.throws(() => parseMatch([]), SyntaxError);
  t.throws(() => parseMatch(['!ghcr.io/**']), { message: /at least one pattern that includes/ });
  t.throws(() => parseMatch(['ghcr.io/**', '!']), SyntaxError);
  t.throws(() => parseMatch(['ghcr.io/**', '!!ghcr.io/a']), SyntaxError);
  t.end();
});

t.test('the worst pattern comes to an end at once', (t) => {
  const started = performance.now();
  const long = { registry: 'ghcr.io', path: 'a'.repeat(255) };
  const deep = { registry: 'ghcr.io', path: Array.from({ length: 127 }, () => 'a').join('/') };
  t.notOk(parsePattern(`ghcr.io/${'a*'.repeat(200)}b`).matches(long));
  t.notOk(parsePattern(`ghcr.io/${'*'.repeat(1)}${'a*'.repeat(120)}b`).matches(long));
  t.notOk(parsePattern(`**/${'**/a/'.repeat(60)}b`).matches(deep));
  t.notOk(parsePattern(`${'**/'.repeat(200)}b`).matches(deep));
  t.notOk(parsePattern(`ghcr.io/${'**/*a*/'.repeat(50)}b`).matches(deep));
  t.ok(performance.now() - started < 30_000, 'a backtracking one takes for ever');
  t.end();
});

t.test('every name matches itself, its own pattern of stars, and a rule for everything', (t) => {
  const component = fc.stringMatching(/^[a-z0-9]{1,5}(?:[._-][a-z0-9]{1,5})?$/);
  const names = fc.array(component, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(names, fc.constantFrom('docker.io', 'ghcr.io', 'localhost:5000'), (parts, host) => {
      const name = parseRepository(host, parts.join('/'));
      const text = `${name.registry}/${name.path}`;
      const stars = [name.registry, ...name.path.split('/').map(() => '*')].join('/');
      t.ok(parsePattern(text).matches(name));
      t.ok(parsePattern(stars).matches(name));
      t.ok(parsePattern(`${host}/**`).matches(name));
      t.notOk(parsePattern(`${stars}/*`).matches(name));
      t.notOk(parsePattern(`${text}x`).matches(name));
    }),
    { numRuns: 200 },
  );
  t.end();
});
