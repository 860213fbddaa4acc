/**
 * An upstream that says one thing now and another a moment later: two replicas behind one name that do not agree, or
 * somebody who wants nodes to run different images under one tag, or a database to fill up.
 *
 * Whoever asks within `refresh` gets one answer. A tag goes forward and not back, so it settles, and what is remembered
 * of it is bounded.
 */
import t from 'tap';
import { parseRepository } from '../../src/oci/reference.ts';
import { MAX_SEEN_OF_TAG } from '../../src/store/tag-records.ts';
import { openLab, SIGNED, TEAM, told } from '../helpers/lab.ts';
import { TAG_RULE } from '../helpers/tag-rule.ts';

const { refresh } = TAG_RULE;
const repository = parseRepository('lab.local', TEAM);

t.test('a tag that alternates between two signed images settles on the second', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  const images = [signed('one', { tag: 'v1' }), signed('two')] as const;
  const served: unknown[] = [];
  for (let period = 0; period < 9; period++) {
    registry.tag(TEAM, 'v1', (images[period % 2] ?? images[0]).digest);
    const first = (await get('manifests/v1')).headers['docker-content-digest'];
    registry.tag(TEAM, 'v1', (images[(period + 1) % 2] ?? images[0]).digest);
    t.equal((await get('manifests/v1')).headers['docker-content-digest'], first, 'one answer');
    served.push(first);
    proxy.now += refresh;
  }
  t.strictSame(served, [images[0].digest, ...Array<string>(8).fill(images[1].digest)]);
});

t.test('clients that ask at the same time get one answer', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  const images = [signed('one', { tag: 'v1' }), signed('two')] as const;
  await get('manifests/v1');
  proxy.now += refresh;
  registry.clearRequests();
  const answers = Promise.all(Array.from({ length: 20 }, () => get('manifests/v1')));
  registry.tag(TEAM, 'v1', images[1].digest);
  const digests = new Set((await answers).map(({ headers }) => headers['docker-content-digest']));
  t.equal(digests.size, 1);
  t.equal(registry.asked(/manifests\/v1$/).length, 1);
});

t.test(
  'a tag that alternates between a signed and an unsigned image never serves the latter',
  async (t) => {
    const rule = { ...SIGNED, tags: { onUnverifiedMove: 'hold' as const } };
    const { registry, proxy, signed, image, get } = await openLab(t, { rule });
    const good = signed('good', { tag: 'v1' });
    const evil = image('evil');
    for (let period = 0; period < 6; period++) {
      registry.tag(TEAM, 'v1', (period % 2 === 0 ? good : evil).digest);
      const { headers } = await get('manifests/v1');
      t.equal(headers['docker-content-digest'], good.digest);
      t.equal(headers['warning'] === undefined, period % 2 === 0);
      proxy.now += refresh;
    }
  },
);

t.test('a new unsigned image at every look leaves a bounded history', async (t) => {
  const { proxy, signed, image, get } = await openLab(t);
  const good = signed('good', { tag: 'v1' });
  await get('manifests/v1');
  for (let look = 0; look < 2 * MAX_SEEN_OF_TAG; look++) {
    proxy.now += refresh;
    image(`evil ${look}`, { tag: 'v1' });
    t.equal(told(await get('manifests/v1')), '403 DENIED');
  }
  const history = await proxy.records.findHistory(repository, 'v1');
  t.equal(history.length, MAX_SEEN_OF_TAG + 1);
  t.ok(
    history.some(({ digest }) => digest === good.digest),
    'and forgets nothing that was admitted',
  );
});
