/** Names: one canonical form, and nothing that is more than a name. */
import fc from 'fast-check';
import t from 'tap';
import {
  canonicalRegistry,
  formatReference,
  formatRepository,
  isRegistryName,
  isRepositoryPath,
  isTag,
  parseReference,
  parseReferenceIn,
  parseRepository,
} from '../../src/oci/reference.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

t.test('gives what people write its canonical name', (t) => {
  const table: Readonly<Record<string, string>> = {
    alpine: 'docker.io/library/alpine:latest',
    'alpine:3.20': 'docker.io/library/alpine:3.20',
    'library/alpine': 'docker.io/library/alpine:latest',
    'docker.io/alpine': 'docker.io/library/alpine:latest',
    'index.docker.io/alpine': 'docker.io/library/alpine:latest',
    'registry-1.docker.io/library/alpine': 'docker.io/library/alpine:latest',
    'Docker.IO/alpine': 'docker.io/library/alpine:latest',
    'user/app:v1': 'docker.io/user/app:v1',
    'ghcr.io/alpine': 'ghcr.io/alpine:latest',
    'GHCR.io/team/app:V1': 'ghcr.io/team/app:V1',
    'localhost/app': 'localhost/app:latest',
    'localhost:5000': 'docker.io/library/localhost:5000',
    'localhost:5000/app:v1': 'localhost:5000/app:v1',
    '[::1]:5000/app': '[::1]:5000/app:latest',
    'registry.test:8443/a/b/c/d:x': 'registry.test:8443/a/b/c/d:x',
    [`alpine@${DIGEST}`]: `docker.io/library/alpine@${DIGEST}`,
    [`alpine:3.20@${DIGEST}`]: `docker.io/library/alpine@${DIGEST}`,
    [`localhost:5000/app@${DIGEST}`]: `localhost:5000/app@${DIGEST}`,
  };
  for (const [text, canonical] of Object.entries(table)) {
    t.equal(formatReference(parseReference(text)), canonical, text);
  }
  t.end();
});

t.test('asks whoever knows whether a plain first component is a registry', (t) => {
  const options = { registry: 'ghcr.io', isRegistry: (name: string) => name === 'corp' };
  t.equal(formatReference(parseReference('corp/app', options)), 'corp/app:latest');
  t.equal(formatReference(parseReference('team/app', options)), 'ghcr.io/team/app:latest');
  t.equal(formatReference(parseReference('app', options)), 'ghcr.io/app:latest');
  t.end();
});

t.test('refuses hostile and malformed names', (t) => {
  const wrong = [
    '',
    '/',
    '/alpine',
    'alpine/',
    'a//b',
    'ghcr.io/',
    'ghcr.io/../etc/passwd',
    'ghcr.io/a/..',
    'ghcr.io/a/./b',
    'ghcr.io/.a',
    'ghcr.io/a.',
    'ghcr.io/a..b',
    'ghcr.io/a___b',
    'ghcr.io/a-_b',
    'ghcr.io/-a',
    'ghcr.io/a%2fb',
    'ghcr.io/a\\b',
    'ghcr.io/a b',
    'ghcr.io/a\nb',
    'ghcr.io/a\n',
    'ghcr.io/a?ns=x',
    'ghcr.io/a#b',
    'ghcr.io/App',
    'ghcr.io/\u0430pp',
    'ghcr.io/app:',
    'ghcr.io/app:-x',
    'ghcr.io/app:a/b',
    `ghcr.io/app:${'a'.repeat(129)}`,
    'ghcr.io/app@',
    'ghcr.io/app@sha256:short',
    `ghcr.io/app@${DIGEST}@${DIGEST}`,
    `ghcr.io/app:-bad-@${DIGEST}`,
    `ghcr.io/app@${DIGEST}:tag`,
    'user:password@ghcr.io/app',
    'http://ghcr.io/app',
    'ghcr.io:/app',
    'ghcr.io:123456/app',
    'ghcr.io:-1/app',
    '-ghcr.io/app',
    'ghcr..io/app',
    'ghcr.io./app',
    'doc\u212aer.io/app',
    '[::1/app',
    '[::1]x/app',
  ];
  for (const text of wrong) {
    t.throws(() => parseReference(text), SyntaxError, JSON.stringify(text));
  }
  t.end();
});

t.test('a Kelvin sign makes no Docker Hub', (t) => {
  t.not(canonicalRegistry('doc\u212aer.io'), 'docker.io');
  t.notOk(isRegistryName(canonicalRegistry('doc\u212aer.io')));
  t.end();
});

t.test('an unregistered port is another registry than Docker Hub', (t) => {
  t.same(parseRepository('docker.io:443', 'alpine'), { registry: 'docker.io:443', path: 'alpine' });
  t.end();
});

t.test('bounds names at 255 characters, the library that is added included', (t) => {
  t.ok(isRepositoryPath('a'.repeat(255)));
  t.notOk(isRepositoryPath('a'.repeat(256)));
  t.equal(parseRepository('ghcr.io', 'a'.repeat(255)).path.length, 255);
  t.equal(parseRepository('docker.io', 'a'.repeat(247)).path.length, 255);
  t.throws(() => parseRepository('docker.io', 'a'.repeat(248)), SyntaxError);
  t.ok(isRegistryName('a'.repeat(255)));
  t.notOk(isRegistryName('a'.repeat(256)));
  t.ok(isTag('_'.repeat(128)));
  t.notOk(isTag('_'.repeat(129)));
  t.throws(() => parseRepository('x'.repeat(9999), 'a'), { message: /^.{1,250}$/ });
  t.throws(() => parseRepository('ghcr.io', '!'.repeat(9999)), { message: /^.{1,450}$/ });
  t.end();
});

t.test('a name that almost matches the grammar takes no longer for it', (t) => {
  const started = performance.now();
  for (const unit of ['a-', 'a.', 'a_', 'a/', '-', 'a--------', 'a__']) {
    isRepositoryPath(`${unit.repeat(Math.floor(254 / unit.length))}!`);
    isRegistryName(`${unit.repeat(Math.floor(254 / unit.length))}!`);
  }
  t.ok(performance.now() - started < 30_000, 'a backtracking one takes for ever');
  t.end();
});

t.test('tells tags and digests apart in a repository', (t) => {
  const repository = parseRepository('ghcr.io', 'team/app');
  t.same(parseReferenceIn(repository, DIGEST), { repository, digest: DIGEST });
  t.same(parseReferenceIn(repository, 'sha256-x.sig'), { repository, tag: 'sha256-x.sig' });
  for (const text of ['', 'sha256:abc', '.x', 'a b', '../x', 'a\n']) {
    t.throws(() => parseReferenceIn(repository, text), SyntaxError);
  }
  t.end();
});

t.test('what was formatted is read as the same', (t) => {
  const component = fc.stringMatching(/^[a-z0-9]{1,5}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}$/);
  const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const registry = fc.constantFrom('docker.io', 'ghcr.io', 'localhost:5000', 'index.docker.io');
  const ending = fc.oneof(fc.stringMatching(/^\w[\w.-]{0,20}$/), fc.constant(DIGEST));
  fc.assert(
    fc.property(registry, path, ending, (host, name, text) => {
      const reference = parseReferenceIn(parseRepository(host, name), text);
      t.same(parseReference(formatReference(reference)), reference);
      const again = parseRepository(reference.repository.registry, reference.repository.path);
      return formatRepository(again) === formatRepository(reference.repository);
    }),
  );
  t.end();
});

t.test('any text is a reference or a SyntaxError', (t) => {
  const alphabet = fc.constantFrom(
    'a',
    'B',
    '/',
    ':',
    '@',
    '.',
    '-',
    '_',
    '[',
    ']',
    '%',
    '\n',
    '\u212a',
  );
  fc.assert(
    fc.property(fc.string({ unit: alphabet, maxLength: 60 }), (text) => {
      try {
        const { repository } = parseReference(text);
        return isRegistryName(repository.registry) && isRepositoryPath(repository.path);
      } catch (error) {
        return error instanceof SyntaxError;
      }
    }),
    { numRuns: 3000 },
  );
  t.end();
});
