/** Manifests through the whole proxy: what is signed arrives, what is not is refused with words. */
import t from 'tap';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { putImage } from '../helpers/image.ts';
import { startProxy } from '../helpers/proxy.ts';
import { cosign2, cosign3, createSigner, rootOf } from '../helpers/signer.ts';

const REQUIRE = { require: { key: { trustRoot: 'release' } } };

t.test(
  'serves an image signed by cosign 2 or cosign 3, by tag and digest, with its blobs',
  async (t) => {
    const registry = await openFakeRegistry(t, { fallbackTags: true });
    const signer = createSigner();
    const old = putImage(registry, 'team/app', 'old', { tag: 'old' });
    const now = putImage(registry, 'team/app', 'now', { tag: 'now' });
    cosign2(registry, 'team/app', old.digest, signer);
    cosign3(registry, 'team/app', now, signer);
    const proxy = await startProxy(t, {
      upstreams: { 'lab.local': registry },
      policies: [{ match: ['lab.local/**'], ...REQUIRE }],
      trustRoots: [rootOf('release', signer)],
    });
    for (const [tag, image] of Object.entries({ old, now })) {
      const head = await proxy.head(`/v2/lab.local/team/app/manifests/${tag}`);
      t.equal(head.status, 200, head.phrase);
      t.equal(head.headers['docker-content-digest'], image.digest);
      const got = await proxy.get(`/v2/team/app/manifests/${image.digest}?ns=lab.local`);
      t.equal(got.status, 200);
      t.equal(got.body.length, image.size);
      t.equal(got.headers['oci-namespace'], 'lab.local');
      for (const digest of [image.config, ...image.layers]) {
        t.equal((await proxy.get(`/lab.local/v2/team/app/blobs/${digest}`)).status, 200);
      }
    }
  },
);

t.test(
  'refuses an unsigned image for HEAD and GET alike, with the reason in message and phrase',
  async (t) => {
    const registry = await openFakeRegistry(t);
    const image = putImage(registry, 'team/app', 'plain', { tag: 'v1' });
    const proxy = await startProxy(t, {
      upstreams: { 'lab.local': registry },
      policies: [{ name: 'releases', match: ['lab.local/**'], ...REQUIRE }],
      trustRoots: [rootOf('release', createSigner())],
    });
    const got = await proxy.get('/v2/lab.local/team/app/manifests/v1');
    t.equal(got.status, 403);
    t.match(got.error, { code: 'DENIED', message: /lab\.local\/team\/app:v1.*no signature/ });
    t.match(got.error?.message, image.digest);
    const head = await proxy.head('/v2/lab.local/team/app/manifests/v1');
    t.equal(head.status, 403);
    t.equal(
      head.phrase,
      'Forbidden by countersign: unsigned: no signature was found (rule releases)',
    );
    t.equal(head.headers['content-length'], got.headers['content-length']);
    t.equal((await proxy.get(`/v2/lab.local/team/app/blobs/${image.config}`)).status, 403);
  },
);
