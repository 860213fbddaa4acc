/** Credentials from values, files and docker's config.json. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { CredentialsError } from '../../src/upstream/credential.ts';
import { literalPassword, openCredentials, passwordFile } from '../../src/upstream/credentials.ts';
import { findInDockerConfig } from '../../src/upstream/docker-config.ts';
import { createTokenIssuer } from '../helpers/fake-registry-auth.ts';
import {
  expectFailure,
  openFakeRegistry,
  openUpstream,
  REPOSITORY,
} from '../helpers/open-upstream.ts';
import { testdir } from '../helpers/testdir.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const basic = (username: string, password: string) => ({ kind: 'basic', username, password });

function find(config: unknown, ...hosts: string[]): unknown {
  return findInDockerConfig(JSON.stringify(config), hosts);
}

t.test('a password file is read each time, without one line break at its end', async (t) => {
  const path = join(testdir(t, { password: 'one\n' }), 'password');
  const password = passwordFile(path);
  t.equal(await password(), 'one');
  await writeFile(path, 'two\r\n');
  t.equal(await password(), 'two');
  await writeFile(path, ' three \n\n');
  t.equal(await password(), ' three \n');
});

t.test('a password file that cannot be used is named without its path', async (t) => {
  const dir = testdir(t, { big: 'x'.repeat(70_000) });
  for (const [name, why] of [
    ['big', /at most 65536 bytes/],
    ['missing', /ENOENT/],
    ['', /EISDIR/],
  ] as const) {
    const error: unknown = await passwordFile(join(dir, name))().catch((error: unknown) => error);
    if (!(error instanceof CredentialsError)) throw new Error('expected a CredentialsError');
    t.match(error.message, why);
    t.notMatch(error.message, dir);
  }
});

t.test('a username with a colon would change the password', (t) => {
  t.throws(
    () => openCredentials({ kind: 'basic', username: 'a:b', password: literalPassword('c') }, []),
    TypeError,
  );
  t.end();
});

t.test('finds docker credentials by host or URL', (t) => {
  const entry = { auth: base64('me:pass:word') };
  const expected = basic('me', 'pass:word');
  for (const key of ['ghcr.io', 'https://ghcr.io', 'https://ghcr.io/v2/', 'http://GHCR.io/']) {
    t.same(find({ auths: { [key]: entry } }, 'ghcr.io'), expected, key);
  }
  t.same(find({ auths: { 'https://index.docker.io/v1/': entry } }, 'docker.io'), expected);
  t.same(find({ auths: { 'lab.test:5000': entry } }, 'lab.test:5000'), expected);
  for (const key of ['lab.test', 'lab.test:5001', 'evil.test/lab.test:5000', 'xlab.test:5000']) {
    t.equal(find({ auths: { [key]: entry } }, 'lab.test:5000'), undefined, key);
  }
  t.equal(find({ auths: { __proto__: entry } }, 'toString'), undefined);
  t.equal(find({}, 'ghcr.io'), undefined);
  t.end();
});

t.test('understands every way in which docker writes credentials', (t) => {
  const one = (entry: unknown) => find({ auths: { 'ghcr.io': entry } }, 'ghcr.io');
  t.same(one({ username: 'me', password: 'secret' }), basic('me', 'secret'));
  t.same(one({ auth: base64('me:secret\0\0') }), basic('me', 'secret'));
  t.same(one({ auth: base64('me:'), identitytoken: 'id' }), {
    kind: 'identity-token',
    token: 'id',
  });
  t.same(one({ auth: base64('<token>:id') }), { kind: 'identity-token', token: 'id' });
  t.equal(one({}), undefined);
  t.throws(() => one({ auth: 'me:secret' }), CredentialsError);
  t.throws(() => one({ auth: base64(':secret') }), CredentialsError);
  t.end();
});

t.test('says that credential helpers are not supported', (t) => {
  const auths = { 'ghcr.io': {} };
  t.throws(() => find({ auths, credsStore: 'desktop' }, 'ghcr.io'), /"credsStore", which is not/);
  t.throws(() => find({ credHelpers: { 'ghcr.io': 'gh' } }, 'ghcr.io'), /"credHelpers", which is/);
  t.equal(find({ auths, credsStore: 'desktop' }, 'quay.io'), undefined, 'never logged in there');
  const known = { auths: { 'ghcr.io': { auth: base64('a:b') } }, credsStore: 'desktop' };
  t.same(find(known, 'ghcr.io'), basic('a', 'b'));
  t.end();
});

t.test('a broken docker config is named without quoting it', (t) => {
  for (const text of [
    '',
    '[]',
    '{"auths": {"ghcr.io": {"auth": "c2VjcmV0',
    '{"s3cret":1,"s3cret":2}',
  ]) {
    t.throws(() => findInDockerConfig(text, ['ghcr.io']), CredentialsError);
    try {
      findInDockerConfig(text, ['ghcr.io']);
    } catch (error) {
      t.notMatch(String(error), /s3cret|c2Vj/);
    }
  }
  t.end();
});

t.test('a docker config is read again when it changes', async (t) => {
  const dir = testdir(t);
  const path = join(dir, 'config.json');
  const write = async (password: string) => {
    const auths = { 'ghcr.io': { username: 'me', password } };
    await writeFile(join(dir, 'new'), JSON.stringify({ auths }));
    await rename(join(dir, 'new'), path);
  };
  const credentials = openCredentials({ kind: 'docker-config', path }, ['ghcr.io']);
  await t.rejects(credentials.find(), CredentialsError);
  await write('one');
  t.same(await credentials.find(), basic('me', 'one'));
  await write('two');
  t.same(await credentials.find(), basic('me', 'two'));
  await rm(path);
  await mkdir(path);
  await t.rejects(credentials.find(), CredentialsError);
});

t.test('an identity token is exchanged by POST and shown to nobody else', async (t) => {
  const issuer = createTokenIssuer({ refreshToken: 'identity' });
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest(REPOSITORY, { schemaVersion: 2 }, { tag: 'v1' });
  const config = { auths: { [registry.host]: { identitytoken: 'identity' } } };
  const path = join(testdir(t, { 'config.json': JSON.stringify(config) }), 'config.json');
  const upstream = openUpstream(t, registry, { credentials: { kind: 'docker-config', path } });
  await upstream.resolve(REPOSITORY, 'v1');
  const [exchange] = issuer.exchanges;
  t.equal(exchange?.method, 'POST');
  t.same(Object.fromEntries(exchange?.parameters ?? []), {
    grant_type: 'refresh_token',
    client_id: 'countersign',
    refresh_token: 'identity',
    service: 'fake.example',
    scope: `repository:${REPOSITORY}:pull`,
  });
  for (const request of registry.requests) t.notMatch(request.url, /identity/);
});

t.test('an identity token is not carried along a redirect', async (t) => {
  const issuer = createTokenIssuer({ refreshToken: 'identity' });
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  const other = await openFakeRegistry(t);
  registry.fault(/token/, { kind: 'redirect', to: `${other.url}/token`, status: 307 });
  const config = { auths: { [registry.host]: { identitytoken: 'identity' } } };
  const path = join(testdir(t, { 'config.json': JSON.stringify(config) }), 'config.json');
  const upstream = openUpstream(t, registry, {
    credentials: { kind: 'docker-config', path },
    privateHosts: [other.host],
  });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'bad-response');
  t.equal(other.requests.length, 0);
});

t.test('credentials that cannot be had are no anonymous request', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  const dir = testdir(t);
  const upstream = openUpstream(t, registry, {
    credentials: { kind: 'basic', username: 'me', password: passwordFile(join(dir, 'none')) },
  });
  const error = await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unauthorized');
  t.match(error.message, /expected a readable password file, got ENOENT/);
  t.notMatch(error.message, dir);
  t.equal(issuer.exchanges.length, 0);
});
