/**
 * Signatures are bounded in number, so whoever can push may try to use up the bound: one referrer with 33 bundles in it
 * once hid every signature behind it. And several manifests may declare the same content; what one of them says of its
 * size or type must not make it unservable for the others.
 */
import t from 'tap';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { BUNDLE_TYPE, cosign3, dsseBundle, putBundle, statement } from '../helpers/signer.ts';

t.test('a referrer of many layers hides no signature behind it', async (t) => {
  const { registry, signer, stranger, image, get } = await openLab(t, {
    registry: { referrersApi: true },
  });
  const one = image('one', { tag: 'v1' });
  const about = statement([{ digest: { sha256: one.digest.slice(7) } }]);
  const junk = Buffer.from(JSON.stringify(dsseBundle(stranger, about)));
  const layer = { mediaType: BUNDLE_TYPE, digest: registry.putBlob(TEAM, junk), size: junk.length };
  putBundle(registry, TEAM, one, {}, { layers: Array.from({ length: 33 }, () => layer) });
  cosign3(registry, TEAM, one, signer);
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('what an attachment declares of shared content spoils it for no other', async (t) => {
  const { registry, signer, image, get } = await openLab(t, { registry: { referrersApi: true } });
  const one = image('one', { tag: 'v1' });
  const bundle = cosign3(registry, TEAM, one, signer);
  await get('manifests/v1');
  const manifest = JSON.parse(registry.manifest(TEAM, bundle)?.bytes.toString() ?? '{}') as {
    config: { digest: string };
    layers: { digest: string; size: number }[];
  };
  const [layer] = manifest.layers;
  const blobs = [manifest.config.digest, layer?.digest ?? ''];
  for (const blob of blobs) t.equal(told(await get(`blobs/${blob}`)), '200', 'before');
  for (const lie of [{ mediaType: 'application/cose' }, { size: (layer?.size ?? 0) + 1 }]) {
    const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: blobs[0], size: 3 };
    const evil = putBundle(
      registry,
      TEAM,
      one,
      { lie },
      { config, layers: [{ ...layer, mediaType: BUNDLE_TYPE, ...lie }] },
    );
    t.equal(told(await get(`manifests/${evil}`)), '200');
    for (const blob of blobs) t.equal(told(await get(`blobs/${blob}`)), '200', 'after');
  }
});
