/** Tags: a pin answers until its refresh, follows only what is admitted, and stands in while upstream is away. */
import t from 'tap';
import { openLab, SIGNED, TEAM, told, type Lab } from '../helpers/lab.ts';
import { rootOf } from '../helpers/signer.ts';

const REFRESH = 60_000;
const MAX_STALE = 3_600_000;

t.test('a fresh pin answers without asking upstream', async (t) => {
  const { registry, proxy, signed, get, head } = await openLab(t);
  const { digest } = signed('one', { tag: 'v1' });
  await get('manifests/v1');
  registry.clearRequests();
  proxy.now += REFRESH - 1;
  t.equal((await get('manifests/v1')).headers['docker-content-digest'], digest);
  t.equal((await head('manifests/v1')).headers['docker-content-digest'], digest);
  t.strictSame(registry.requests, []);
});

t.test('a tag that moved is followed after its refresh, and not before', async (t) => {
  const { proxy, signed, get } = await openLab(t);
  const one = signed('one', { tag: 'v1' });
  await get('manifests/v1');
  const two = signed('two', { tag: 'v1' });
  proxy.now += REFRESH - 1;
  t.equal((await get('manifests/v1')).headers['docker-content-digest'], one.digest);
  proxy.now += 1;
  t.equal((await get('manifests/v1')).headers['docker-content-digest'], two.digest);
});

t.test('a refreshed tag that did not move is fresh again', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  signed('one', { tag: 'v1' });
  await get('manifests/v1');
  proxy.now += REFRESH;
  registry.clearRequests();
  await get('manifests/v1');
  t.equal(registry.requests.length, 1, 'one HEAD and nothing else');
  proxy.now += REFRESH - 1;
  await get('manifests/v1');
  t.equal(registry.requests.length, 1);
});

t.test('a tag that moved to something unsigned is refused after its refresh', async (t) => {
  const { proxy, signed, image, get } = await openLab(t);
  const good = signed('good', { tag: 'v1' });
  await get('manifests/v1');
  const evil = image('evil', { tag: 'v1' });
  proxy.now += REFRESH - 1;
  t.equal(told(await get('manifests/v1')), '200');
  proxy.now += 1;
  const answer = await get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, evil.digest);
  t.equal(told(await get(`manifests/${good.digest}`)), '200', 'the digest is what it was');
});

t.test('a tag that moved to something unsigned and back is served again', async (t) => {
  const { registry, proxy, signed, image, get } = await openLab(t);
  const good = signed('good', { tag: 'v1' });
  await get('manifests/v1');
  image('evil', { tag: 'v1' });
  proxy.now += REFRESH;
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  registry.tag(TEAM, 'v1', good.digest);
  proxy.now += 5_001;
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('a deleted tag is absent after its refresh', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  signed('one', { tag: 'v1' });
  await get('manifests/v1');
  registry.deleteTag(TEAM, 'v1');
  t.equal(told(await get('manifests/v1')), '200');
  proxy.now += REFRESH;
  t.equal(told(await get('manifests/v1')), '404 MANIFEST_UNKNOWN');
});

t.test('a clock that was set back does not make a pin fresh', async (t) => {
  const { registry, proxy, trustRoots, signed, get } = await openLab(t);
  signed('one', { tag: 'v1' });
  await get('manifests/v1');
  await proxy.close();
  // Another process reads the same records before the time they were written at.
  const upstreams = { 'lab.local': registry };
  const again = await openLab(t, { upstreams, path: proxy.path, trustRoots });
  again.proxy.now -= 1_000;
  registry.clearRequests();
  await again.get('manifests/v1');
  t.equal(registry.asked(/manifests\/v1$/).length, 1);
});

/** Signed, pinned, and then without its upstream for so long. */
async function bereft(lab: Lab, ms: number): Promise<void> {
  lab.signed('one', { tag: 'v1' });
  t.equal(told(await lab.get('manifests/v1')), '200');
  await lab.registry.close();
  lab.proxy.now += ms;
}

t.test('without its upstream a fresh pin answers as ever', async (t) => {
  const lab = await openLab(t);
  await bereft(lab, REFRESH - 1);
  const { status, headers } = await lab.get('manifests/v1');
  t.equal(status, 200);
  t.equal(headers['warning'], undefined);
});

t.test('without its upstream a stale pin answers with a warning, for HEAD too', async (t) => {
  const lab = await openLab(t);
  await bereft(lab, MAX_STALE - 1);
  t.match((await lab.get('manifests/v1')).headers['warning'], /^299 - "stale: .*refused/);
  t.match((await lab.head('manifests/v1')).headers['warning'], /^299 - "stale: /);
});

t.test(
  'without its upstream a pin beyond maxStale is refused, with a time to try again',
  async (t) => {
    const lab = await openLab(t);
    await bereft(lab, MAX_STALE);
    const answer = await lab.get('manifests/v1');
    t.equal(told(answer), '503 UNAVAILABLE');
    t.match(answer.headers['retry-after'], /^[1-9]\d*$/);
    const head = await lab.head('manifests/v1');
    t.equal(head.status, 503);
    t.equal(head.headers['retry-after'], answer.headers['retry-after']);
  },
);

t.test('a stale answer is not remembered beyond the next attempt to reach upstream', async (t) => {
  const lab = await openLab(t);
  lab.signed('one', { tag: 'v1' });
  await lab.get('manifests/v1');
  const heal = lab.registry.fault(/./, { kind: 'reset' });
  lab.proxy.now += REFRESH;
  t.match((await lab.get('manifests/v1')).headers['warning'], /stale/);
  heal();
  const two = lab.signed('two', { tag: 'v1' });
  lab.proxy.now += 10_000;
  const { headers } = await lab.get('manifests/v1');
  t.equal(headers['warning'], undefined);
  t.equal(headers['docker-content-digest'], two.digest);
});

for (const [what, status] of Object.entries({
  'a rate limit': 429,
  'a refusal': 401,
  'an error': 500,
})) {
  t.test(`${what} upstream leaves a stale pin to answer`, async (t) => {
    const lab = await openLab(t);
    lab.signed('one', { tag: 'v1' });
    await lab.get('manifests/v1');
    lab.registry.fault(/./, { kind: 'status', status });
    lab.proxy.now += REFRESH;
    const answer = await lab.get('manifests/v1');
    t.equal(told(answer), '200');
    t.match(answer.headers['warning'], /stale/);
  });
}

t.test('a stale pin does not stand in for what the rule does not admit any more', async (t) => {
  const lab = await openLab(t);
  await bereft(lab, REFRESH);
  lab.proxy.reload([{ match: ['lab.local/**'], ...SIGNED }], [rootOf('release', lab.stranger)]);
  t.equal(told(await lab.get('manifests/v1')), '503 UNAVAILABLE');
});

t.test(
  'a registry that answers the tag with nonsense is an outage, not another digest',
  async (t) => {
    const lab = await openLab(t);
    lab.signed('one', { tag: 'v1' });
    await lab.get('manifests/v1');
    lab.registry.fault(/^HEAD/, { kind: 'headers', headers: { 'docker-content-digest': 'md5:x' } });
    lab.proxy.now += REFRESH;
    t.match((await lab.get('manifests/v1')).headers['warning'], /stale/);
  },
);

t.test(
  'a tag that moved to something unsigned keeps its pin for when upstream is away',
  async (t) => {
    const lab = await openLab(t);
    const good = lab.signed('good', { tag: 'v1' });
    await lab.get('manifests/v1');
    lab.image('evil', { tag: 'v1' });
    lab.proxy.now += REFRESH;
    t.equal(told(await lab.get('manifests/v1')), '403 DENIED');
    await lab.registry.close();
    lab.proxy.now += 5_001;
    const answer = await lab.get('manifests/v1');
    t.equal(answer.headers['docker-content-digest'], good.digest);
    t.match(answer.headers['warning'], /stale/);
  },
);
