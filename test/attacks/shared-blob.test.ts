/**
 * Attached content is inspected before it is served, a layer of an admitted image is not. So an attacker who may push
 * attaches a "signature" whose layer is a blob of the victim's image, with another type or size: if the weaker grant
 * replaced the stronger one, the image could not be pulled any more; if the stronger one leaked, an attachment would
 * open what no image grants.
 */
import t from 'tap';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';
import { SIMPLE_LAYER } from '../helpers/signer.ts';
import type { PutImage } from '../helpers/image.ts';
import { ARCHIVES } from '../helpers/archives.ts';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';

const LAYER = ARCHIVES['gzipped tar'] ?? Buffer.alloc(0);

/** Attaches to `subject` what names the layer of `victim`. */
function attach(
  { image }: Lab,
  subject: PutImage,
  victim: PutImage,
  size = LAYER.length,
): PutImage {
  const [digest] = victim.layers;
  return image(`attachment of ${size}`, {
    changes: {
      layers: [{ mediaType: SIMPLE_LAYER, digest, size }],
      subject: { mediaType: OCI_MANIFEST, digest: subject.digest, size: subject.size },
    },
  });
}

for (const size of [LAYER.length, LAYER.length + 1, 1]) {
  t.test(
    `an attachment that says ${size - LAYER.length} more bytes takes no layer away`,
    async (t) => {
      const lab = await openLab(t);
      const good = lab.signed('good', { tag: 'v1', layers: [LAYER] });
      const [layer = good.digest] = good.layers;
      const evil = attach(lab, good, good, size);
      t.equal(told(await lab.get('manifests/v1')), '200');
      t.equal(told(await lab.get(`manifests/${evil.digest}`)), '200');
      t.ok((await lab.get(`blobs/${layer}`)).body.equals(LAYER));
      t.equal(told(await lab.get(`manifests/${evil.digest}`)), '200');
      t.ok((await lab.get(`blobs/${layer}`)).body.equals(LAYER));
      await lab.proxy.close();
      const again = await openLab(t, {
        upstreams: { 'lab.local': lab.registry },
        path: lab.proxy.path,
        trustRoots: lab.trustRoots,
      });
      t.ok((await again.get(`blobs/${layer}`)).body.equals(LAYER), 'nor after a restart');
    },
  );
}

t.test('an attachment opens no layer of an image that was not admitted', async (t) => {
  const lab = await openLab(t);
  const good = lab.signed('good', { tag: 'v1' });
  const victim = lab.image('victim', { tag: 'v2', layers: [LAYER] });
  const evil = attach(lab, good, victim);
  t.equal(told(await lab.get('manifests/v1')), '200');
  t.equal(told(await lab.get(`manifests/${evil.digest}`)), '200');
  t.equal(told(await lab.get(`blobs/${victim.layers[0] ?? ''}`)), '403 DENIED');
});

t.test('a layer that an attachment named first is served once its image is admitted', async (t) => {
  const lab = await openLab(t);
  const good = lab.signed('good', { tag: 'v1' });
  const later = lab.signed('later', { tag: 'v2', layers: [LAYER] });
  const [layer = later.digest] = later.layers;
  const evil = attach(lab, good, later, 7);
  await lab.get('manifests/v1');
  await lab.get(`manifests/${evil.digest}`);
  t.not((await lab.get(`blobs/${layer}`)).status, 200);
  t.equal(told(await lab.get('manifests/v2')), '200');
  t.ok((await lab.get(`blobs/${layer}`)).body.equals(LAYER));
});

t.test(
  'an attachment that names an image for a layer does not make it an attachment',
  async (t) => {
    const lab = await openLab(t);
    const good = lab.signed('good', { tag: 'v1' });
    const evil = lab.image('evil');
    const bytes = lab.registry.manifest(TEAM, evil.digest)?.bytes ?? Buffer.alloc(0);
    const layers = [
      { mediaType: SIMPLE_LAYER, digest: lab.registry.putBlob(TEAM, bytes), size: bytes.length },
    ];
    const subject = { mediaType: OCI_MANIFEST, digest: good.digest, size: good.size };
    const attachment = lab.image('attachment', { changes: { layers, subject } });
    await lab.get('manifests/v1');
    t.equal(told(await lab.get(`manifests/${attachment.digest}`)), '200');
    t.equal(told(await lab.get(`manifests/${evil.digest}`)), '403 DENIED');
  },
);
