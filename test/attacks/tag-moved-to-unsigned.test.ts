/**
 * Whoever can push moves a tag that everybody pulls to an image of his own, as with the stolen tokens of many a CI: the
 * name is the same, the content is another.
 *
 * A pin follows only what is admitted. What becomes of the tag meanwhile is the rule's choice: it is refused, or it goes
 * on meaning what it meant, with a warning, and never the new image.
 */
import t from 'tap';
import { openLab, SIGNED, told } from '../helpers/lab.ts';
import { rootOf } from '../helpers/signer.ts';
import { TAG_RULE } from '../helpers/tag-rule.ts';

const { refresh, maxStale } = TAG_RULE;

t.test('a tag moved to an unsigned image is refused, and told of', async (t) => {
  const { proxy, signed, image, get, head } = await openLab(t);
  const good = signed('good', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '200', 'the good one is served');
  const evil = image('evil', { tag: 'v1' });
  proxy.now += refresh;
  const answer = await get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, evil.digest);
  t.equal((await head('manifests/v1')).status, 403);
  t.equal(told(await get(`blobs/${evil.config}`)), '403 DENIED');
  t.equal(told(await get(`manifests/${good.digest}`)), '200', 'what was admitted stays so');
  t.match(proxy.moves, [{ rule: 'releases', outcome: 'refused', why: 'unverified' }]);
});

t.test('a refused tag does not flicker: no later pull gets an answer from the pin', async (t) => {
  const rule = { ...SIGNED, tags: { background: refresh } };
  const { proxy, signed, image, get } = await openLab(t, { rule });
  signed('good', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '200');
  image('evil', { tag: 'v1' });
  proxy.now += 2 * refresh - 1;
  t.equal(told(await get('manifests/v1')), '200', 'asked in the background');
  proxy.now += 1;
  for (let pull = 0; pull < 5; pull++) {
    t.equal(told(await get('manifests/v1')), '403 DENIED');
    proxy.now += 6_000;
  }
});

t.test('held, the tag means what it meant, with a warning', async (t) => {
  const rule = { ...SIGNED, tags: { onUnverifiedMove: 'hold' as const } };
  const { registry, proxy, signed, image, get, head } = await openLab(t, { rule });
  const good = signed('good', { tag: 'v1' });
  await get('manifests/v1');
  const evil = image('evil', { tag: 'v1' });
  for (let period = 0; period < 3; period++) {
    proxy.now += refresh;
    for (const answer of [await get('manifests/v1'), await head('manifests/v1')]) {
      t.equal(answer.headers['docker-content-digest'], good.digest);
      t.match(answer.headers['warning'], `299 - "held: upstream the tag is at ${evil.digest}`);
    }
  }
  t.equal(told(await get(`manifests/${evil.digest}`)), '403 DENIED');
  t.strictSame(new Set(proxy.moves.map(({ outcome }) => outcome)), new Set(['held']));
  const better = signed('better', { tag: 'v1' });
  proxy.now += refresh;
  const answer = await get('manifests/v1');
  t.equal(answer.headers['docker-content-digest'], better.digest, 'a good one is followed');
  t.equal(answer.headers['warning'], undefined);
  registry.clearRequests();
});

t.test('a held tag answers from the pin with its warning after a restart too', async (t) => {
  const rule = { ...SIGNED, tags: { onUnverifiedMove: 'hold' as const } };
  const lab = await openLab(t, { rule });
  const good = lab.signed('good', { tag: 'v1' });
  await lab.get('manifests/v1');
  lab.image('evil', { tag: 'v1' });
  lab.proxy.now += refresh;
  await lab.get('manifests/v1');
  await lab.proxy.close();
  const upstreams = { 'lab.local': lab.registry };
  const { path } = lab.proxy;
  const again = await openLab(t, { upstreams, path, trustRoots: lab.trustRoots, rule });
  again.proxy.now += refresh + 1;
  lab.registry.clearRequests();
  const answer = await again.get('manifests/v1');
  t.equal(answer.headers['docker-content-digest'], good.digest);
  t.match(answer.headers['warning'], /held/);
  t.strictSame(lab.registry.requests, []);
});

t.test('held is not forgiven: what is not admitted any more is not held', async (t) => {
  const rule = { ...SIGNED, tags: { onUnverifiedMove: 'hold' as const } };
  const { proxy, signed, stranger, image, get } = await openLab(t, { rule });
  const good = signed('good', { tag: 'v1' });
  await get('manifests/v1');
  image('evil', { tag: 'v1' });
  proxy.now += refresh;
  t.equal((await get('manifests/v1')).headers['docker-content-digest'], good.digest);
  proxy.reload([{ match: ['lab.local/**'], ...rule }], [rootOf('release', stranger)]);
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  t.strictSame(
    proxy.moves.map(({ outcome }) => outcome),
    ['held', 'refused'],
  );
});

t.test('what cannot be decided now is an outage, and the pin stands in for a while', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  const good = signed('good', { tag: 'v1' });
  await get('manifests/v1');
  signed('better', { tag: 'v1' });
  registry.fault(/\.sig$/, { kind: 'status', status: 500 });
  proxy.now += refresh;
  const answer = await get('manifests/v1');
  t.equal(answer.headers['docker-content-digest'], good.digest);
  t.match(answer.headers['warning'], /stale/);
  proxy.now += maxStale;
  t.equal(told(await get('manifests/v1')), '503 UNAVAILABLE');
});
