/** Redirects: followed where the configuration allows, with nothing of ours in the luggage. */
import t from 'tap';
import { createTokenIssuer } from '../helpers/fake-registry-auth.ts';
import {
  expectFailure,
  openFakeRegistry,
  openUpstream,
  readAll,
  REPOSITORY,
} from '../helpers/open-upstream.ts';

t.test('follows a blob to another host and brings its range along', async (t) => {
  const registry = await openFakeRegistry(t);
  const store = await openFakeRegistry(t);
  const digest = registry.putBlob(REPOSITORY, 'hello world');
  store.putBlob(REPOSITORY, 'hello world');
  registry.fault(/blobs/, {
    kind: 'redirect',
    to: `${store.url}/v2/${REPOSITORY}/blobs/${digest}?sig=1`,
  });
  const upstream = openUpstream(t, registry, { privateHosts: [store.host] });
  const blob = await upstream.openBlob(REPOSITORY, digest, { offset: 6 });
  t.equal((await readAll(blob.body)).toString(), 'world');
  t.equal(store.requests[0]?.headers.range, 'bytes=6-');
});

t.test('follows a relative redirect with our own token', async (t) => {
  const auth = { kind: 'bearer', issuer: createTokenIssuer() } as const;
  const registry = await openFakeRegistry(t, { auth });
  const { digest } = registry.putManifest(REPOSITORY, { schemaVersion: 2 }, { tag: 'v1' });
  registry.fault(/manifests\/old/, { kind: 'redirect', to: 'v1', status: 302 });
  const upstream = openUpstream(t, registry);
  t.equal((await upstream.fetchManifest(REPOSITORY, 'old')).digest, digest);
});

t.test('refuses redirects to inside addresses', async (t) => {
  const registry = await openFakeRegistry(t);
  const inside = await openFakeRegistry(t, { tls: true });
  const port = inside.host.slice(inside.host.indexOf(':'));
  const upstream = openUpstream(t, registry);
  for (const to of [
    inside.url,
    `https://2130706433${port}`,
    `https://0x7f000001${port}`,
    `https://[::ffff:127.0.0.1]${port}`,
    `https://[::1]${port}`,
    'https://169.254.169.254/latest/meta-data',
    'https://[fe80::1]/',
    'https://10.0.0.1/',
    `//127.0.0.1${port}`,
  ]) {
    registry.fault(/manifests/, { kind: 'redirect', to });
    const error = await expectFailure(
      t,
      upstream.fetchManifest(REPOSITORY, 'v1'),
      'refused-target',
    );
    t.match(error.message, /registry\.test points to: expected/);
  }
  t.equal(inside.requests.length, 0);
  t.equal(registry.requests.length, 9, 'a refusal is not tried again');
});

t.test('refuses a redirect to a name that resolves to an inside address', async (t) => {
  const registry = await openFakeRegistry(t);
  const inside = await openFakeRegistry(t, { tls: true });
  const port = inside.host.slice(inside.host.indexOf(':'));
  registry.fault(/manifests/, { kind: 'redirect', to: `https://localhost${port}/v2/` });
  const upstream = openUpstream(t, registry);
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'refused-target');
  t.equal(inside.requests.length, 0);
});

t.test('refuses a redirect from https to http', async (t) => {
  const registry = await openFakeRegistry(t, { tls: true });
  const plain = await openFakeRegistry(t);
  registry.fault(/manifests/, { kind: 'redirect', to: plain.url });
  const upstream = openUpstream(t, registry, { privateHosts: [plain.host] });
  const error = await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'refused-target');
  t.match(error.message, /from https to http/);
  t.equal(plain.requests.length, 0);
});

t.test('refuses a way back from https to http', async (t) => {
  const registry = await openFakeRegistry(t);
  const secure = await openFakeRegistry(t, { tls: true });
  registry.fault(/manifests\/v1/, { kind: 'redirect', to: `${secure.url}/v2/` });
  secure.fault(/./, { kind: 'redirect', to: `${registry.url}/v2/` });
  const upstream = openUpstream(t, registry, { privateHosts: [secure.host] });
  const error = await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'refused-target');
  t.match(error.message, /from https to http/);
  t.equal(registry.requests.length, 1);
});

t.test('gives up on circles, on too many hops and on nonsense', async (t) => {
  const registry = await openFakeRegistry(t);
  const upstream = openUpstream(t, registry);
  registry.fault(/manifests\/circle/, { kind: 'redirect', to: 'circle' });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'circle'), 'bad-response');
  t.equal(registry.requests.length, 1);

  registry.clearRequests();
  for (let hop = 0; hop < 10; hop++) {
    registry.fault(new RegExp(`manifests/hop${hop}$`), { kind: 'redirect', to: `hop${hop + 1}` });
  }
  const error = await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'hop0'), 'bad-response');
  t.match(error.message, /too many redirects/);
  t.equal(registry.requests.length, 6);

  registry.fault(/manifests\/nonsense/, { kind: 'redirect', to: 'https://[' });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'nonsense'), 'bad-response');
});

t.test('a redirect body that never ends does not outlive the deadline', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.fault(/manifests/, {
    kind: 'status',
    status: 307,
    headers: { location: '/v2/', 'content-length': 10 },
    body: 'short',
    keepOpen: true,
  });
  const upstream = openUpstream(t, registry, { timeouts: { total: 50 } });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'timeout');
});
