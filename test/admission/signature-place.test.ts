/** Rules that keep signatures in another repository than the image's, and serve them as if they were beside it. */
import t from 'tap';
import { openLab, SIGNED, TEAM, told } from '../helpers/lab.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, cosign3, createSigner, rootOf } from '../helpers/signer.ts';
import { putImage } from '../helpers/image.ts';
import { startProxy } from '../helpers/proxy.ts';

const ELSEWHERE = { signatures: { repository: 'lab.local/signatures' } } as const;

t.test('a signature tag in the one repository for all admits an image', async (t) => {
  const { registry, signer, image, get } = await openLab(t, { rule: { ...SIGNED, ...ELSEWHERE } });
  const { digest } = image('app', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  const other = image('other', { tag: 'v2' });
  cosign2(registry, 'signatures', other.digest, signer);
  t.equal(told(await get('manifests/v2')), '200');
  t.equal(told(await get(`manifests/${digest}`)), '403 DENIED', 'and no other image');
});

t.test('a referrer in the other repository admits an image', async (t) => {
  const { registry, signer, image, get } = await openLab(t, {
    registry: { referrersApi: true },
    rule: { ...SIGNED, ...ELSEWHERE },
  });
  const app = image('app', { tag: 'v1' });
  cosign3(registry, 'signatures', { digest: app.digest, size: app.size }, signer);
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('two stars stand for the path of the image', async (t) => {
  const { registry, signer, image, get } = await openLab(t, {
    rule: { ...SIGNED, signatures: { repository: 'lab.local/signatures/**' } },
  });
  const app = image('app', { tag: 'v1' });
  cosign2(registry, 'signatures', app.digest, signer);
  const other = image('other', { tag: 'v2' });
  cosign2(registry, `signatures/${TEAM}`, other.digest, signer);
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  t.equal(told(await get('manifests/v2')), '200');
});

t.test('a signature beside the image counts for nothing then', async (t) => {
  const { signed, get } = await openLab(t, { rule: { ...SIGNED, ...ELSEWHERE } });
  signed('app', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
});

t.test('the place may be on another upstream', async (t) => {
  const registry = await openFakeRegistry(t);
  const keeper = await openFakeRegistry(t, { referrersApi: true });
  const signer = createSigner();
  const proxy = await startProxy(t, {
    upstreams: { 'lab.local': registry, 'signatures.local': keeper },
    trustRoots: [rootOf('release', signer)],
    policies: [
      { match: ['lab.local/**'], ...SIGNED, signatures: { repository: 'signatures.local/all' } },
    ],
  });
  const app = putImage(registry, TEAM, 'app', { tag: 'v1' });
  const referrer = cosign3(keeper, 'all', { digest: app.digest, size: app.size }, signer);
  cosign2(keeper, 'all', app.digest, signer);
  const get = (what: string): ReturnType<typeof proxy.get> =>
    proxy.get(`/v2/lab.local/${TEAM}/${what}`);
  t.equal(told(await get('manifests/v1')), '200');
  t.equal(told(await get(`manifests/${app.digest.replace(':', '-')}.sig`)), '200');
  const listed = await get(`referrers/${app.digest}`);
  t.match(listed.body.toString(), referrer);
  t.equal(told(await get(`manifests/${referrer}`)), '200');
  keeper.fault(/./, { kind: 'status', status: 503 });
  const next = putImage(registry, TEAM, 'next', { tag: 'v2' });
  t.match(told(await get(`manifests/${next.digest}`)), '503', 'no look, no verdict');
});
