/** Which failures are tried again, how often, and what is said when it did not help. */
import t from 'tap';
import { parseRetryAfter } from '../../src/upstream/retry-after.ts';
import {
  expectFailure,
  openFakeRegistry,
  openUpstream,
  readAll,
  REPOSITORY,
} from '../helpers/open-upstream.ts';

const MANIFEST = { schemaVersion: 2 };

for (const status of [502, 503, 504]) {
  t.test(`gets past a ${status}`, async (t) => {
    const registry = await openFakeRegistry(t);
    registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
    registry.fault(/./, { kind: 'status', status, body: 'x'.repeat(100_000) }, { times: 2 });
    const upstream = openUpstream(t, registry);
    await upstream.fetchManifest(REPOSITORY, 'v1');
    t.equal(registry.requests.length, 3);
  });
}

t.test('gets past a lost connection, for HEAD and GET', async (t) => {
  const registry = await openFakeRegistry(t);
  const { digest } = registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  const blob = registry.putBlob(REPOSITORY, 'hello');
  const upstream = openUpstream(t, registry);
  registry.fault(/HEAD/, { kind: 'reset' }, { times: 2 });
  t.equal((await upstream.resolve(REPOSITORY, 'v1')).digest, digest);
  registry.fault(/blobs/, { kind: 'reset' }, { times: 2 });
  const { body } = await upstream.openBlob(REPOSITORY, blob);
  t.equal((await readAll(body)).toString(), 'hello');
});

t.test('stops after three attempts and passes the last answer on', async (t) => {
  const registry = await openFakeRegistry(t);
  const body = JSON.stringify({ errors: [{ code: 'UNAVAILABLE', message: 'down for repair' }] });
  registry.fault(/./, { kind: 'status', status: 503, body });
  const upstream = openUpstream(t, registry);
  const error = await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unreachable');
  t.match(error.message, /got 503 "down for repair"/);
  t.equal(registry.requests.length, 3);
});

t.test('says that a connection is refused', async (t) => {
  const registry = await openFakeRegistry(t);
  await registry.close();
  const error = await expectFailure(
    t,
    openUpstream(t, registry).fetchManifest(REPOSITORY, 'v1'),
    'unreachable',
  );
  t.match(
    error.message,
    `GET ${registry.host}/v2/${REPOSITORY}/manifests/v1 (registry.test) failed: connection refused`,
  );
});

t.test('says that a certificate is not trusted', async (t) => {
  const registry = await openFakeRegistry(t, { tls: true });
  const upstream = openUpstream(t, registry, { ca: undefined });
  const error = await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unreachable');
  t.match(error.message, /DEPTH_ZERO_SELF_SIGNED_CERT/);
});

t.test('trusts a configured certificate', async (t) => {
  const registry = await openFakeRegistry(t, { tls: true });
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  await t.resolves(openUpstream(t, registry).fetchManifest(REPOSITORY, 'v1'));
  t.throws(() => openUpstream(t, registry, { ca: 'no certificate' }));
});

t.test('neither 429 nor 500 is tried again', async (t) => {
  const registry = await openFakeRegistry(t);
  const upstream = openUpstream(t, registry);
  registry.fault(/./, { kind: 'status', status: 429, headers: { 'retry-after': '17' } });
  const error = await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'rate-limited');
  t.equal(error.retryAfter, 17);
  registry.fault(/./, { kind: 'status', status: 429 });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'rate-limited');
  registry.fault(/./, { kind: 'status', status: 500 });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unreachable');
  t.equal(registry.requests.length, 3);
});

t.test('waits as long as a 503 asks, but not longer than the bound', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  const soon = { kind: 'status', status: 503, headers: { 'retry-after': '0' } } as const;
  registry.fault(/./, soon, { times: 1 });
  await upstream.fetchManifest(REPOSITORY, 'v1');
  registry.fault(/./, { ...soon, headers: { 'retry-after': '30' } });
  registry.clearRequests();
  const error = await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unreachable');
  t.equal(error.retryAfter, 30);
  t.equal(registry.requests.length, 1);
});

t.test('a 429 that names a near moment is asked again then', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  const soon = { kind: 'status', status: 429, headers: { 'retry-after': '0' } } as const;
  registry.fault(/./, soon, { times: 1 });
  await upstream.fetchManifest(REPOSITORY, 'v1');
  t.equal(registry.requests.length, 2);
});

t.test('no pause is shorter than what was asked for, nor the same for all', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  const pauses: number[] = [];
  const retry = { attempts: 5, firstPause: 4, longestPause: 4 };
  const upstream = openUpstream(t, registry, {
    retry,
    logger: {
      warn: () => undefined,
      debug: (details: object) => void pauses.push(Number((details as { pause?: unknown }).pause)),
    },
  });
  for (const headers of [{ 'retry-after': '0' }, {}]) {
    registry.fault(/./, { kind: 'status', status: 503, headers }, { times: 4 });
    await upstream.fetchManifest(REPOSITORY, 'v1');
  }
  t.equal(pauses.length, 8);
  t.ok(
    pauses.every((pause) => pause >= 2 && pause < 4),
    String(pauses),
  );
  t.ok(new Set(pauses).size > 1);
});

t.test('a body that breaks off is not asked for again', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, MANIFEST, { tag: 'v1' });
  registry.fault(/./, { kind: 'truncate', at: 3 });
  const upstream = openUpstream(t, registry);
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unreachable');
  t.equal(registry.requests.length, 1);
});

t.test('an abort ends a pause at once', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.fault(/./, { kind: 'status', status: 503 });
  const controller = new AbortController();
  const upstream = openUpstream(t, registry, {
    retry: { firstPause: 60_000, longestPause: 60_000 },
    logger: {
      warn: () => undefined,
      debug: () => {
        setImmediate(() => {
          controller.abort();
        });
      },
    },
  });
  const { signal } = controller;
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1', { signal }), 'aborted');
  t.equal(registry.requests.length, 1);
});

t.test('the deadline covers pauses', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.fault(/./, { kind: 'status', status: 503 });
  const upstream = openUpstream(t, registry, {
    retry: { firstPause: 60_000, longestPause: 60_000 },
    timeouts: { total: 30 },
  });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'timeout');
});

t.test('an upstream that says nothing is a timeout', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.fault(/./, { kind: 'stall' });
  const upstream = openUpstream(t, registry, { timeouts: { headers: 30 } });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'timeout');
  // None where a busy machine lets it arrive when nobody waits for its answer any more.
  t.ok(registry.requests.length <= 1, 'it is not tried again');
});

t.test('a connection that is not made in time is not tried again', async (t) => {
  let lookups = 0;
  // A socket that waits for a lookup keeps no process alive.
  const alive = setInterval(() => undefined, 1_000);
  t.teardown(() => {
    clearInterval(alive);
  });
  const upstream = openUpstream(
    t,
    { url: 'http://nowhere.test:5000' },
    {
      timeouts: { connect: 30 },
      // It never says where that is.
      lookup: () => {
        lookups += 1;
      },
    },
  );
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'timeout');
  t.equal(lookups, 1);
});

t.test('Retry-After is seconds or a date, within bounds', (t) => {
  const now = Date.UTC(2026, 0, 1, 12, 0, 0);
  t.equal(parseRetryAfter('120', now), 120);
  t.equal(parseRetryAfter('Thu, 01 Jan 2026 12:00:30 GMT', now), 30);
  t.equal(parseRetryAfter('Thu, 01 Jan 2026 11:00:00 GMT', now), 0);
  t.equal(parseRetryAfter('99999999999999999999', now), 86_400);
  t.equal(parseRetryAfter(['5', '6'], now), 5);
  for (const nonsense of [undefined, '', '-1', '1.5', 'soon', '0x10']) {
    t.equal(parseRetryAfter(nonsense, now), undefined, String(nonsense));
  }
  t.end();
});
