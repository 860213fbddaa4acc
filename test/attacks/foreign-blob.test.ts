/**
 * Blobs carry no signature of their own, so they are the side door: a blob of an image that was refused, asked for by
 * digest; the same in a repository that nobody checks; or one that the cache holds already because another repository
 * was allowed to have it.
 *
 * A blob is served under the grant of an admitted manifest of the same repository, and a cache hit is no grant.
 */
import t from 'tap';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { openLab, SIGNED, TEAM, told } from '../helpers/lab.ts';
import { putImage, putIndex } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2 } from '../helpers/signer.ts';

t.test('blobs of a refused image are refused, for HEAD and ranges too', async (t) => {
  const { registry, image, get, head } = await openLab(t);
  const evil = image('evil', { tag: 'evil' });
  t.equal(told(await get('manifests/evil')), '403 DENIED');
  registry.clearRequests();
  for (const digest of [evil.config, ...evil.layers]) {
    t.equal(told(await get(`blobs/${digest}`)), '403 DENIED');
    t.equal(told(await get(`blobs/${digest}`, { range: 'bytes=0-0' })), '403 DENIED');
    t.equal(told(await get(`blobs/${digest}`, { 'if-none-match': `"${digest}"` })), '403 DENIED');
    t.equal((await head(`blobs/${digest}`)).status, 403);
  }
  t.strictSame(registry.asked(/blobs/), [], 'upstream is not asked either');
});

t.test(
  'blobs of an image that nobody asked for yet are refused, though it is signed',
  async (t) => {
    const { signed, get } = await openLab(t);
    const good = signed('good', { tag: 'good' });
    const answer = await get(`blobs/${good.config}`);
    t.equal(told(answer), '403 DENIED');
    t.match(answer.error?.message, /no admitted manifest of this repository names it/);
    t.equal(told(await get('manifests/good')), '200');
    t.equal(told(await get(`blobs/${good.config}`)), '200');
  },
);

t.test('a manifest is no blob, admitted or not', async (t) => {
  const { signed, get } = await openLab(t);
  const good = signed('good', { tag: 'good' });
  t.equal(told(await get('manifests/good')), '200');
  t.equal(told(await get(`blobs/${good.digest}`)), '403 DENIED');
});

t.test('an admitted blob is no manifest', async (t) => {
  const { registry, image, signer, get } = await openLab(t);
  const evil = image('evil');
  const bytes = registry.manifest(TEAM, evil.digest)?.bytes ?? Buffer.alloc(0);
  // The signed image has the evil image's manifest for a layer, so its bytes are in the cache.
  const layer = { mediaType: OCI_MANIFEST, digest: evil.digest, size: evil.size };
  registry.putBlob(TEAM, bytes);
  const good = image('good', { tag: 'good', changes: { layers: [layer] } });
  cosign2(registry, TEAM, good.digest, signer);
  t.equal(told(await get('manifests/good')), '200');
  t.equal(told(await get(`blobs/${evil.digest}`)), '200');
  t.equal(told(await get(`manifests/${evil.digest}`)), '403 DENIED');
});

t.test('a grant in one repository is none in another', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  const good = signed('good', { tag: 'good' });
  putImage(registry, 'team/other', 'good', { tag: 'good' });
  t.equal(told(await get('manifests/good')), '200');
  t.equal(told(await get(`blobs/${good.config}`)), '200');
  registry.clearRequests();
  const other = '/v2/lab.local/team/other';
  t.equal(told(await proxy.get(`${other}/blobs/${good.config}`)), '403 DENIED');
  t.equal(told(await proxy.get(`${other}/manifests/${good.digest}`)), '403 DENIED');
  t.strictSame(registry.asked(/blobs/), []);
});

t.test(
  'what the cache holds for a trusting repository is not served to a strict one',
  async (t) => {
    const { registry, proxy, get } = await openLab(t, {
      policies: [
        { match: ['lab.local/scratch/**'], insecureAcceptAnything: true },
        { match: ['lab.local/**'], ...SIGNED },
      ],
    });
    const evil = putImage(registry, 'scratch/app', 'evil', { tag: 'v1' });
    putImage(registry, TEAM, 'evil', { tag: 'v1' });
    const scratch = '/v2/lab.local/scratch/app';
    t.equal(told(await proxy.get(`${scratch}/manifests/v1`)), '200');
    for (const digest of [evil.config, ...evil.layers]) {
      t.equal(told(await proxy.get(`${scratch}/blobs/${digest}`)), '200');
      t.equal(told(await get(`blobs/${digest}`)), '403 DENIED');
    }
    t.equal(told(await get('manifests/v1')), '403 DENIED');
    t.equal(told(await get(`manifests/${evil.digest}`)), '403 DENIED');
  },
);

t.test(
  'a grant of one upstream is none of another, though repository and content are equal',
  async (t) => {
    const registry = await openFakeRegistry(t);
    const { proxy, signer, get } = await openLab(t, {
      upstreams: { 'lab.local': registry, 'other.local': registry },
      policies: [{ match: ['**'], ...SIGNED }],
    });
    const good = putImage(registry, TEAM, 'good', { tag: 'good' });
    cosign2(registry, TEAM, good.digest, signer);
    t.equal(told(await get('manifests/good')), '200');
    t.equal(told(await get(`blobs/${good.config}`)), '200');
    t.equal(told(await proxy.get(`/v2/other.local/${TEAM}/blobs/${good.config}`)), '403 DENIED');
  },
);

t.test('a child of an admitted index is no blob', async (t) => {
  const { registry, image, signer, get } = await openLab(t);
  const child = image('child');
  const index = putIndex(registry, TEAM, [child], { tag: 'index' });
  cosign2(registry, TEAM, index.digest, signer);
  registry.putBlob(TEAM, registry.manifest(TEAM, child.digest)?.bytes ?? '');
  t.equal(told(await get('manifests/index')), '200');
  t.equal(told(await get(`blobs/${child.digest}`)), '403 DENIED');
  t.equal(told(await get(`manifests/${child.digest}`)), '200');
});
