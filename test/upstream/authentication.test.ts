/** Tokens and passwords: asked for once, kept while they last, shown to nobody else. */
import t from 'tap';
import { literalPassword } from '../../src/upstream/credentials.ts';
import { basic, createTokenIssuer, type FakeAuth } from '../helpers/fake-registry-auth.ts';
import {
  expectFailure,
  openFakeRegistry,
  openUpstream,
  readAll,
  REPOSITORY,
} from '../helpers/open-upstream.ts';

const MANIFEST = { schemaVersion: 2 };
const CREDENTIALS = {
  kind: 'basic',
  username: 'mirror',
  password: literalPassword('pass:wörd'),
} as const;

t.test('asks for a token once and shows it before it is asked again', async (t) => {
  const issuer = createTokenIssuer({ expiresIn: 300 });
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  const digest = registry.putBlob(REPOSITORY, 'hello');
  const upstream = openUpstream(t, registry);
  await upstream.resolve(REPOSITORY, 'v1');
  await upstream.fetchManifest(REPOSITORY, 'v1');
  await readAll((await upstream.openBlob(REPOSITORY, digest)).body);
  t.same(
    registry.requests.map(({ status }) => status),
    [401, 200, 200, 200, 200],
  );
  t.equal(issuer.exchanges.length, 1);
  t.equal(issuer.exchanges[0]?.authorization, undefined, 'anonymous');
  t.equal(issuer.exchanges[0]?.parameters.get('service'), 'fake.example');
});

t.test('knows the realm for the next repository already', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest('one', MANIFEST, { tag: 'v1' });
  registry.putManifest('two', MANIFEST, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  await upstream.resolve('one', 'v1');
  registry.clearRequests();
  await upstream.resolve('two', 'v1');
  t.same(
    registry.requests.map(({ status }) => status),
    [200, 200],
  );
});

t.test('asks for its own scope, whatever the challenge names', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  const challenge = `Bearer realm="${registry.url}/token",service="s",scope="repository:${REPOSITORY}:pull,push,delete registry:catalog:*"`;
  registry.auth = { kind: 'bearer', issuer, challenge };
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  await openUpstream(t, registry).resolve(REPOSITORY, 'v1');
  t.same(issuer.exchanges[0]?.parameters.getAll('scope'), [`repository:${REPOSITORY}:pull`]);
});

t.test('logs in to the token service', async (t) => {
  const issuer = createTokenIssuer({ username: 'mirror', password: 'pass:wörd' });
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  await openUpstream(t, registry, { credentials: CREDENTIALS }).resolve(REPOSITORY, 'v1');
  const [exchange] = issuer.exchanges;
  t.equal(exchange?.authorization, basic('mirror', 'pass:wörd'));
  t.equal(exchange?.parameters.get('account'), 'mirror');
  for (const request of registry.asked(/manifests/)) {
    t.notMatch(request.headers.authorization ?? '', /^Basic/, 'the password goes nowhere else');
  }
});

t.test('many requests at the same time share one exchange', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  let letGo: (value?: unknown) => void = () => undefined;
  const until = new Promise((resolve) => (letGo = resolve));
  registry.fault(/token/, { kind: 'wait', until });
  const asked = Array.from({ length: 20 }, () => upstream.resolve(REPOSITORY, 'v1'));
  while (registry.asked(/HEAD/).length < 20) await new Promise(setImmediate);
  letGo();
  await Promise.all(asked);
  t.equal(issuer.exchanges.length, 1);
});

t.test('a token is used until shortly before its end', async (t) => {
  let now = Date.UTC(2026, 0, 1);
  const issuer = createTokenIssuer({ expiresIn: 100 });
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  const upstream = openUpstream(t, registry, { clock: () => now });
  await upstream.resolve(REPOSITORY, 'v1');
  now += 89_000;
  await upstream.resolve(REPOSITORY, 'v1');
  t.equal(issuer.exchanges.length, 1);
  now += 1_000;
  await upstream.resolve(REPOSITORY, 'v1');
  t.equal(issuer.exchanges.length, 2);
  t.equal(registry.requests.filter(({ status }) => status === 401).length, 1);
});

t.test('a token without an end lives a minute, one for a year an hour', async (t) => {
  for (const [expiresIn, seconds] of [
    [undefined, 50],
    [31_536_000, 3590],
  ] as const) {
    let now = Date.UTC(2026, 0, 1);
    const issuer = createTokenIssuer(expiresIn === undefined ? {} : { expiresIn });
    const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
    registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
    const upstream = openUpstream(t, registry, { clock: () => now });
    await upstream.resolve(REPOSITORY, 'v1');
    now += seconds * 1000 - 1;
    await upstream.resolve(REPOSITORY, 'v1');
    t.equal(issuer.exchanges.length, 1);
    now += 1;
    await upstream.resolve(REPOSITORY, 'v1');
    t.equal(issuer.exchanges.length, 2);
  }
});

t.test('a token that was issued a while ago ends sooner', async (t) => {
  let now = Date.UTC(2026, 0, 1);
  const issuedAt = new Date(now - 60_000).toISOString();
  const issuer = createTokenIssuer({ expiresIn: 100, issuedAt });
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  const upstream = openUpstream(t, registry, { clock: () => now });
  await upstream.resolve(REPOSITORY, 'v1');
  now += 31_000;
  await upstream.resolve(REPOSITORY, 'v1');
  t.equal(issuer.exchanges.length, 2);
});

t.test('a token that the registry no longer takes is replaced once', async (t) => {
  const issuer = createTokenIssuer({ expiresIn: 300 });
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  await upstream.resolve(REPOSITORY, 'v1');
  issuer.revokeAll();
  registry.clearRequests();
  await upstream.resolve(REPOSITORY, 'v1');
  t.same(
    registry.requests.map(({ status }) => status),
    [401, 200, 200],
  );
});

t.test('a registry that takes no token is asked twice, not for ever', async (t) => {
  const issuer = { ...createTokenIssuer(), accepts: () => false };
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  const upstream = openUpstream(t, registry);
  const error = await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unauthorized');
  t.match(error.message, /got 401 "authentication required" \(registries also say this/);
  t.equal(registry.asked(/manifests/).length, 2);
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unauthorized');
  t.equal(registry.asked(/manifests/).length, 4);
});

t.test('follows a realm that moved', async (t) => {
  const issuer = createTokenIssuer();
  const auth = { kind: 'bearer', issuer } as const;
  const registry = await openFakeRegistry(t, { auth });
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  registry.putManifest('other', MANIFEST, { tag: 'v1' });
  const service = await openFakeRegistry(t, { auth });
  registry.auth = { ...auth, realm: `${service.url}/token` };
  const upstream = openUpstream(t, registry, { privateHosts: [service.host] });
  await upstream.resolve(REPOSITORY, 'v1');
  registry.auth = auth;
  service.fault(/./, { kind: 'status', status: 404 });
  await expectFailure(t, upstream.resolve('other', 'v1'), 'not-found');
  await t.resolves(upstream.resolve('other', 'v1'));
});

t.test('takes access_token for token', async (t) => {
  const issuer = createTokenIssuer({ field: 'access_token' });
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  await t.resolves(openUpstream(t, registry).resolve(REPOSITORY, 'v1'));
});

t.test('keeps the query of a realm', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t);
  registry.auth = { kind: 'bearer', issuer, realm: `${registry.url}/token?tenant=a` };
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  await openUpstream(t, registry).resolve(REPOSITORY, 'v1');
  t.equal(issuer.exchanges[0]?.parameters.get('tenant'), 'a');
});

t.test('refuses realms that are no place to go to', async (t) => {
  const issuer = createTokenIssuer();
  const secure = await openFakeRegistry(t, { tls: true });
  const plain = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  const upstream = openUpstream(t, secure, {
    credentials: CREDENTIALS,
    privateHosts: [plain.host],
  });
  for (const realm of [
    `${plain.url}/token`,
    'token',
    '',
    'file:///etc/passwd',
    'https://user:secret@auth.test/',
    'https://169.254.169.254/token',
  ]) {
    secure.auth = { kind: 'bearer', issuer, realm };
    const error = await expectFailure(
      t,
      upstream.fetchManifest(REPOSITORY, 'v1'),
      'refused-target',
    );
    t.notMatch(error.message, /secret/);
  }
  t.equal(plain.requests.length, 0);
});

t.test('bad answers of a token service are named', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  const upstream = openUpstream(t, registry);
  const ask = () => upstream.fetchManifest(REPOSITORY, 'v1');
  for (const [body, code] of [
    ['{}', 'bad-response'],
    ['{"token":""}', 'bad-response'],
    ['{"token":"a\\r\\nx: y"}', 'bad-response'],
    ['{"token":"a", "token":"b"}', 'bad-response'],
    ['<html>', 'bad-response'],
    [`{"token":"${'a'.repeat(70_000)}"}`, 'too-large'],
  ] as const) {
    registry.fault(/token/, { kind: 'replace', body });
    const error = await expectFailure(t, ask(), code);
    t.notMatch(error.message, /aaa|x: y/);
  }
  for (const [status, code] of [
    [401, 'unauthorized'],
    [429, 'rate-limited'],
    [500, 'unreachable'],
  ] as const) {
    registry.fault(/token/, { kind: 'status', status });
    const error = await expectFailure(t, ask(), code);
    t.match(error.message, `GET ${registry.host}/token (registry.test) failed`);
    t.notMatch(error.message, /scope/);
  }
});

t.test('a huge token response is not read to its end', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.fault(/token/, {
    kind: 'status',
    status: 200,
    headers: { 'content-length': undefined },
    body: `{"token":"${'a'.repeat(70_000)}`,
    keepOpen: true,
  });
  await expectFailure(t, openUpstream(t, registry).fetchManifest(REPOSITORY, 'v1'), 'too-large');
});

t.test('speaks Basic to a registry that wants it, and at once the next time', async (t) => {
  const auth: FakeAuth = { kind: 'basic', username: 'mirror', password: 'pass:wörd' };
  const registry = await openFakeRegistry(t, { auth });
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  const upstream = openUpstream(t, registry, { credentials: CREDENTIALS });
  await upstream.resolve(REPOSITORY, 'v1');
  await upstream.resolve(REPOSITORY, 'v1');
  t.same(
    registry.requests.map(({ status }) => status),
    [401, 200, 200],
  );
});

t.test('a wrong password is tried once', async (t) => {
  const auth: FakeAuth = { kind: 'basic', username: 'mirror', password: 'other' };
  const registry = await openFakeRegistry(t, { auth });
  const upstream = openUpstream(t, registry, { credentials: CREDENTIALS });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unauthorized');
  t.equal(registry.requests.length, 2);
});

t.test('without credentials a Basic challenge is the answer', async (t) => {
  const auth: FakeAuth = { kind: 'basic', username: 'mirror', password: 'other' };
  const registry = await openFakeRegistry(t, { auth });
  const upstream = openUpstream(t, registry);
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unauthorized');
  t.equal(registry.requests.length, 1);
});

t.test('a rotated password is used without a restart', async (t) => {
  let password = 'old';
  const auth = { kind: 'basic', username: 'mirror', password: 'old' } as const;
  const registry = await openFakeRegistry(t, { auth });
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  const upstream = openUpstream(t, registry, {
    credentials: { kind: 'basic', username: 'mirror', password: async () => password },
  });
  await upstream.resolve(REPOSITORY, 'v1');
  registry.auth = { ...auth, password: 'new' };
  password = 'new';
  await t.resolves(upstream.resolve(REPOSITORY, 'v1'));
});

t.test('an abort ends the wait for a token', async (t) => {
  const issuer = createTokenIssuer();
  const registry = await openFakeRegistry(t, { auth: { kind: 'bearer', issuer } });
  registry.fault(/token/, { kind: 'stall' });
  const controller = new AbortController();
  const { signal } = controller;
  const asked = openUpstream(t, registry).fetchManifest(REPOSITORY, 'v1', { signal });
  while (registry.asked(/token/).length === 0) await new Promise(setImmediate);
  controller.abort();
  await expectFailure(t, asked, 'aborted');
});
