/**
 * Signatures and SBOMs of an admitted image are served without being signed themselves. Somebody who can push therefore
 * gives an ordinary tag the shape of an attachment: a `subject` that is signed, a layer that calls itself an attestation
 * and is empty (a valid archive of nothing), and a real image config, whose entrypoint a runtime would start. Or lets an
 * unsigned index become the "list of referrers" of a signed image, and a tag of it. What is attached answers for its
 * digest and for attachment tags, never for a tag that people pull, and it never configures a container.
 */
import t from 'tap';
import { putIndex } from '../helpers/image.ts';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { cosign2, putBundle, dsseBundle, statement } from '../helpers/signer.ts';

const IN_TOTO = 'application/vnd.in-toto+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';

const EVIL = JSON.stringify({
  architecture: 'amd64',
  os: 'linux',
  config: { Entrypoint: ['/bin/sh'] },
});

t.test('an image in the shape of an attachment is denied under a tag', async (t) => {
  const { registry, signer, image, get } = await openLab(t);
  const signed = image('signed');
  cosign2(registry, TEAM, signed.digest, signer);
  for (const [name, layer] of Object.entries({ empty: '', text: '{"predicate":{}}' })) {
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: CONFIG, digest: registry.putBlob(TEAM, EVIL), size: EVIL.length },
      layers: [{ mediaType: IN_TOTO, digest: registry.putBlob(TEAM, layer), size: layer.length }],
      subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...signed },
    };
    const { digest } = registry.putManifest(TEAM, manifest, { tag: name });
    t.equal(told(await get(`manifests/${name}`)), '403 DENIED', `${name}, by tag`);
    await get(`manifests/${digest}`);
    t.equal(told(await get(`manifests/${name}`)), '403 DENIED', `${name}, by tag after digest`);
    t.equal(told(await get(`blobs/${manifest.config.digest}`)), '403 DENIED', 'its config');
  }
});

t.test(
  'a list of referrers is denied under a tag, whoever asked for the list before',
  async (t) => {
    const { registry, proxy, signer, image, get } = await openLab(t);
    const signed = image('signed');
    cosign2(registry, TEAM, signed.digest, signer);
    const index = putIndex(registry, TEAM, [image('evil')], { tag: 'latest' });
    registry.tag(TEAM, signed.digest.replace(':', '-'), index.digest);
    t.equal(told(await get('manifests/latest')), '403 DENIED');
    t.equal(told(await get(`manifests/${signed.digest.replace(':', '-')}`)), '200');
    t.equal(told(await get(`manifests/${index.digest}`)), '200', 'by digest it is the list it is');
    proxy.now += 10_000;
    t.equal(told(await get('manifests/latest')), '403 DENIED');
    proxy.now += 200_000;
    t.equal(told(await get('manifests/latest')), '403 DENIED');
  },
);

t.test('a real attachment is denied under a tag and served by its digest', async (t) => {
  const { registry, signer, image, get } = await openLab(t);
  const signed = image('signed');
  cosign2(registry, TEAM, signed.digest, signer);
  const about = statement(
    [{ digest: { sha256: signed.digest.slice(7) } }],
    'https://spdx.dev/Document',
  );
  const digest = putBundle(registry, TEAM, signed, dsseBundle(signer, about));
  registry.tag(TEAM, 'sbom', digest);
  t.equal(told(await get(`manifests/${digest}`)), '200');
  t.equal(told(await get('manifests/sbom')), '403 DENIED');
  t.equal(told(await get(`manifests/${digest}`)), '200');
});
