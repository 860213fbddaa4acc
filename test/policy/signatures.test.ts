/** Which name a signature must be made for, and where it is kept. */
import t from 'tap';
import { formatRepository, parseRepository } from '../../src/oci/reference.ts';
import {
  parseSignatures,
  refuseReference,
  signaturePlace,
  type ReferenceMode,
} from '../../src/policy/signatures.ts';

const REPOSITORY = parseRepository('ghcr.io', 'acme/app');

function binds(mode: ReferenceMode, tag: string | undefined, ...references: string[]): boolean {
  return refuseReference(mode, REPOSITORY, tag, references) === undefined;
}

t.test('exact: the same repository, and the very tag that is pulled', (t) => {
  const table: readonly (readonly [tag: string | undefined, signed: string, binds: boolean])[] = [
    ['1.0', 'ghcr.io/acme/app:1.0', true],
    ['1.0', `ghcr.io/acme/app:1.0@sha256:${'a'.repeat(64)}`, true],
    ['1.0', 'GHCR.io/acme/app:1.0', true],
    ['1.0', 'ghcr.io/acme/app:1.1', false],
    ['1.0', 'ghcr.io/acme/app', false],
    ['latest', 'ghcr.io/acme/app', false],
    ['1.0', `ghcr.io/acme/app@sha256:${'a'.repeat(64)}`, false],
    ['1.0', 'ghcr.io/acme/apps:1.0', false],
    ['1.0', 'ghcr.io/acme/app/x:1.0', false],
    ['1.0', 'evil.example/ghcr.io/acme/app:1.0', false],
    ['1.0', 'ghcr.io:443/acme/app:1.0', false],
    ['1.0', 'acme/app:1.0', false],
    [undefined, 'ghcr.io/acme/app', true],
    [undefined, 'ghcr.io/acme/app:2', true],
    [undefined, 'ghcr.io/acme/other', false],
    [undefined, 'ghcr.io/acme', false],
  ];
  for (const [tag, signed, expected] of table) {
    t.equal(binds('exact', tag, signed), expected, `${signed} for ${tag ?? 'a digest'}`);
  }
  t.end();
});

t.test('repository: the same repository under any tag', (t) => {
  t.ok(binds('repository', '1.0', 'ghcr.io/acme/app'));
  t.ok(binds('repository', '1.0', 'ghcr.io/acme/app:2'));
  t.ok(binds('repository', undefined, 'ghcr.io/acme/other', 'ghcr.io/acme/app'), 'one of several');
  t.notOk(binds('repository', '1.0', 'ghcr.io/acme/other'));
  t.notOk(binds('repository', '1.0', 'ghcr.io/acme/App'));
  t.end();
});

t.test('names of Docker Hub are one name', (t) => {
  const alpine = parseRepository('docker.io', 'alpine');
  for (const signed of [
    'alpine',
    'docker.io/alpine',
    'index.docker.io/library/alpine',
    'library/alpine',
  ]) {
    t.equal(refuseReference('repository', alpine, '3', [signed]), undefined, signed);
  }
  t.match(
    refuseReference('repository', alpine, '3', ['docker.io/acme/alpine']),
    /expected one for docker.io\/library\/alpine$/,
  );
  t.end();
});

t.test('remap: the name under one prefix is expected under the other', (t) => {
  const remap = (prefix: string, signedPrefix: string): ReferenceMode => ({
    remap: { prefix, signedPrefix },
  });
  const table: readonly (readonly [ReferenceMode, signed: string, binds: boolean])[] = [
    [remap('ghcr.io', 'quay.io'), 'quay.io/acme/app', true],
    [remap('ghcr.io', 'quay.io/mirror'), 'quay.io/mirror/acme/app:1', true],
    [remap('ghcr.io/acme', 'quay.io/vendor'), 'quay.io/vendor/app', true],
    [remap('ghcr.io/acme/app', 'quay.io/vendor/other'), 'quay.io/vendor/other', true],
    [remap('ghcr.io/acme', 'quay.io/vendor'), 'ghcr.io/acme/app', false],
    [remap('ghcr.io/ac', 'quay.io/v'), 'quay.io/vme/app', false],
    [remap('ghcr.io/ac', 'quay.io/v'), 'ghcr.io/acme/app', true],
    [remap('other.io', 'quay.io'), 'ghcr.io/acme/app', true],
    [remap('ghcr.io/acme', 'docker.io'), 'app', true],
    [remap('ghcr.io/acme/app', 'quay.io'), 'quay.io', false],
  ];
  for (const [mode, signed, expected] of table) {
    t.equal(binds(mode, '1', signed), expected, `${JSON.stringify(mode)} ${signed}`);
  }
  t.end();
});

t.test('a signature without a name, or with one that is none, binds nothing', (t) => {
  for (const mode of [
    'exact',
    'repository',
    { remap: { prefix: 'a.io', signedPrefix: 'b.io' } },
  ] as const) {
    t.match(
      refuseReference(mode, REPOSITORY, '1', []),
      /names no image \(those of cosign 3 do not\)/,
    );
    for (const text of [
      '',
      'ghcr.io/acme/app:',
      'ghcr.io/acme/app:1@x',
      ' ghcr.io/acme/app:1',
      'ghcr.io/acme/app:1\n',
      'https://ghcr.io/acme/app:1',
      'ghcr.io//acme/app:1',
    ]) {
      t.match(
        refuseReference(mode, REPOSITORY, '1', [text]),
        /the signature is for/,
        JSON.stringify(text),
      );
    }
  }
  t.equal(
    refuseReference('exact', REPOSITORY, '1', ['ghcr.io/acme/app:2']),
    'the signature is for "ghcr.io/acme/app:2", expected one for ghcr.io/acme/app:1',
  );
  t.end();
});

t.test('signatures are kept in the place that is named', (t) => {
  const place = (repository: string | undefined): string | undefined => {
    const found = signaturePlace({ repository }, REPOSITORY);
    return found && formatRepository(found);
  };
  t.equal(signaturePlace(undefined, REPOSITORY), undefined);
  t.equal(place(undefined), undefined);
  t.equal(place('quay.io/signatures'), 'quay.io/signatures');
  t.equal(place('quay.io/signatures/**'), 'quay.io/signatures/acme/app');
  t.equal(place('quay.io/**'), 'quay.io/acme/app');
  t.equal(place('index.docker.io/signatures'), 'docker.io/library/signatures');
  t.end();
});

t.test('refuses at load what is no place and no prefix', (t) => {
  for (const repository of [
    '',
    'quay.io',
    '**',
    '/**',
    'quay.io/*',
    'quay.io/a/**/b',
    'quay.io/A',
    'quay.io/a:1',
    'https://quay.io/a',
  ]) {
    t.throws(() => parseSignatures({ repository }), SyntaxError, repository);
  }
  for (const prefix of ['', 'a.io/', 'a.io/B', '/x', 'a.io/x:1', 'a.io/**']) {
    for (const remap of [
      { prefix, signedPrefix: 'b.io' },
      { prefix: 'b.io', signedPrefix: prefix },
    ]) {
      t.throws(() => parseSignatures({ reference: { remap } }), SyntaxError, JSON.stringify(remap));
    }
  }
  t.doesNotThrow(() => parseSignatures({ repository: 'lab:5000/x/**', reference: 'exact' }));
  t.end();
});
