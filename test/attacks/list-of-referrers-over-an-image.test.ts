/**
 * The fallback tag `sha256-<hex>` of an admitted image may be pushed by anybody who can push, and it may be set to any
 * index. Set to a signed multi-arch image it must not turn that image into a mere list, whose children nobody may pull;
 * set to an unsigned one it must not open that image's children.
 */
import t from 'tap';
import { putImage, putIndex } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { startProxy } from '../helpers/proxy.ts';
import { cosign2, createSigner, rootOf } from '../helpers/signer.ts';

const REPOSITORY = 'team/app';
const BASE = `/v2/lab.local/${REPOSITORY}`;

t.test('a signed index that is put up as a list of referrers is still an image', async (t) => {
  const registry = await openFakeRegistry(t);
  const signer = createSigner();
  const victim = putImage(registry, REPOSITORY, 'victim', { tag: 'victim' });
  const children = ['a', 'b'].map((name) => putImage(registry, REPOSITORY, name));
  const signed = putIndex(registry, REPOSITORY, children, { tag: 'multi' });
  const unsigned = putIndex(registry, REPOSITORY, [putImage(registry, REPOSITORY, 'evil')]);
  cosign2(registry, REPOSITORY, victim.digest, signer);
  cosign2(registry, REPOSITORY, signed.digest, signer);
  const proxy = await startProxy(t, {
    upstreams: { 'lab.local': registry },
    policies: [{ match: ['lab.local/**'], require: { key: { trustRoot: 'release' } } }],
    trustRoots: [rootOf('release', signer)],
  });
  const list = victim.digest.replace(':', '-');

  registry.tag(REPOSITORY, list, signed.digest);
  t.equal((await proxy.get(`${BASE}/manifests/${list}`)).status, 200, 'the list is shown');
  t.equal((await proxy.get(`${BASE}/manifests/${signed.digest}`)).status, 200);
  t.equal((await proxy.get(`${BASE}/manifests/multi`)).status, 200);
  for (const { digest, config } of children) {
    t.equal((await proxy.get(`${BASE}/manifests/${digest}`)).status, 200, 'a child is served');
    t.equal((await proxy.get(`${BASE}/blobs/${config}`)).status, 200, 'its content too');
  }

  registry.tag(REPOSITORY, list, unsigned.digest);
  proxy.now += 120_000;
  t.equal((await proxy.get(`${BASE}/manifests/${list}`)).status, 200, 'another list is shown');
  t.equal((await proxy.get(`${BASE}/manifests/${unsigned.digest}`)).status, 200);
  const { manifests } = JSON.parse(
    (await proxy.get(`${BASE}/manifests/${unsigned.digest}`)).body.toString(),
  ) as { manifests: { digest: string }[] };
  for (const { digest } of manifests) {
    t.equal((await proxy.get(`${BASE}/manifests/${digest}`)).status, 403, 'it opens no child');
  }
});
