/** An upstream that nobody may ask: every question is refused, and nothing is sent. */
import t from 'tap';
import { createOfflineUpstream } from '../../src/upstream/offline-upstream.ts';
import { expectFailure, openFakeRegistry } from '../helpers/open-upstream.ts';
import { MANIFEST } from '../helpers/scripted-upstream.ts';

const { digest } = MANIFEST;

t.test('every question is refused, and nothing is sent', async (t) => {
  const registry = await openFakeRegistry(t);
  const upstream = createOfflineUpstream('lab.local', new URL(registry.url));
  for (const question of [
    upstream.resolve('a', 'v1'),
    upstream.fetchManifest('a', digest),
    upstream.referrers('a', digest),
    upstream.openBlob('a', digest),
  ]) {
    const error = await expectFailure(t, question, 'offline');
    t.equal(error.message, 'lab.local is configured offline, so it is not asked');
    t.equal(error.isUnasked, true);
    t.equal(error.retryAfter, undefined);
  }
  const tags = { origin: registry.url, path: '/v2/a/tags/list', method: 'GET' } as const;
  await expectFailure(t, upstream.dispatcher.request(tags), 'offline');
  t.equal(upstream.isOffline, true);
  t.equal(upstream.hasRoom?.(), false);
  await upstream.close();
  t.strictSame(registry.requests, []);
});
