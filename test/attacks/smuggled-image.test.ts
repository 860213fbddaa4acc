/**
 * Attachments of an admitted image are served without a signature of their own, so that cosign and notation behind the
 * proxy can verify too. Whoever may push to the repository (no key needed) can attach as well: a runnable image as a
 * "referrer", under a `.sig` tag, as the child of a referrers index; or a file system in a layer that calls itself a
 * signature, which Docker's classic store unpacks all the same, since it does not look at the types of layers.
 *
 * Only what cannot run is served as an attachment: its layers are of signature, attestation or SBOM types, and its
 * content is text that no runtime takes for an archive.
 */
import t from 'tap';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { ARCHIVES } from '../helpers/archives.ts';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';
import { BUNDLE_TYPE, SIMPLE_LAYER, simplePayload } from '../helpers/signer.ts';
import type { PutImage } from '../helpers/image.ts';

const COSE = 'application/cose';

function subjectOf({ digest, size }: PutImage): object {
  return { subject: { mediaType: OCI_MANIFEST, digest, size } };
}

function tagOf({ digest }: PutImage, suffix: string): string {
  return `${digest.replace(':', '-')}${suffix}`;
}

/** Layers of a type of attachments, with this content. */
function typed(registry: Lab['registry'], content: Buffer, mediaType: string): object {
  return {
    layers: [{ mediaType, digest: registry.putBlob(TEAM, content), size: content.length }],
  };
}

async function expectRefused(lab: Lab, image: PutImage): Promise<string[]> {
  return Promise.all(
    [image.config, ...image.layers].map(async (digest) => told(await lab.get(`blobs/${digest}`))),
  );
}

t.test('a runnable image is no referrer, whatever its subject', async (t) => {
  const lab = await openLab(t, { registry: { referrersApi: true } });
  const good = lab.signed('good', { tag: 'v1' });
  const evil = lab.image('evil', { changes: subjectOf(good) });
  t.equal(told(await lab.get('manifests/v1')), '200');
  t.equal(told(await lab.get(`manifests/${evil.digest}`)), '403 DENIED');
  t.strictSame(await expectRefused(lab, evil), ['403 DENIED', '403 DENIED']);
});

for (const suffix of ['.sig', '.att', '.sbom', '']) {
  t.test(`a runnable image is no attachment under the tag sha256-<hex>${suffix}`, async (t) => {
    const lab = await openLab(t);
    const good = lab.signed('good', { tag: 'v1' });
    const evil = lab.image('evil');
    // What made the image admitted goes first, then its tag is taken over.
    t.equal(told(await lab.get('manifests/v1')), '200');
    lab.registry.tag(TEAM, tagOf(good, suffix), evil.digest);
    t.equal(told(await lab.get(`manifests/${tagOf(good, suffix)}`)), '403 DENIED');
    t.equal(told(await lab.get(`manifests/${evil.digest}`)), '403 DENIED');
    t.strictSame(await expectRefused(lab, evil), ['403 DENIED', '403 DENIED']);
  });
}

t.test('a runnable layer among signature layers makes the whole no attachment', async (t) => {
  const lab = await openLab(t);
  const good = lab.signed('good', { tag: 'v1' });
  const content = Buffer.from('{}');
  const digest = lab.registry.putBlob(TEAM, content);
  const layers = [SIMPLE_LAYER, 'application/vnd.oci.image.layer.v1.tar+gzip'].map((mediaType) => ({
    mediaType,
    digest,
    size: content.length,
  }));
  const evil = lab.image('evil', { changes: { ...subjectOf(good), layers } });
  t.equal(told(await lab.get('manifests/v1')), '200');
  t.equal(told(await lab.get(`manifests/${evil.digest}`)), '403 DENIED');
});

t.test('an image without layers is no attachment', async (t) => {
  const lab = await openLab(t);
  const good = lab.signed('good', { tag: 'v1' });
  const evil = lab.image('evil', { changes: { ...subjectOf(good), layers: [] } });
  t.equal(told(await lab.get('manifests/v1')), '200');
  t.equal(told(await lab.get(`manifests/${evil.digest}`)), '403 DENIED');
});

t.test('a referrers index is served, and grants none of its children', async (t) => {
  const lab = await openLab(t);
  const good = lab.signed('good', { tag: 'v1' });
  const evil = lab.image('evil');
  const manifests = [{ mediaType: OCI_MANIFEST, digest: evil.digest, size: evil.size }];
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
  const { digest } = lab.registry.putManifest(TEAM, index, { tag: tagOf(good, '') });
  t.equal(told(await lab.get('manifests/v1')), '200');
  t.equal(told(await lab.get(`manifests/${tagOf(good, '')}`)), '200');
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  t.equal(told(await lab.get(`manifests/${evil.digest}`)), '403 DENIED');
  t.strictSame(await expectRefused(lab, evil), ['403 DENIED', '403 DENIED']);
});

t.test('an index with a subject is no attachment', async (t) => {
  const lab = await openLab(t);
  const good = lab.signed('good', { tag: 'v1' });
  const evil = lab.image('evil');
  const manifests = [{ mediaType: OCI_MANIFEST, digest: evil.digest, size: evil.size }];
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...subjectOf(good) };
  const { digest } = lab.registry.putManifest(TEAM, index, { tag: 'evil' });
  t.equal(told(await lab.get('manifests/v1')), '200');
  t.equal(told(await lab.get('manifests/evil')), '403 DENIED');
  t.equal(told(await lab.get(`manifests/${digest}`)), '403 DENIED');
  t.equal(told(await lab.get(`manifests/${evil.digest}`)), '403 DENIED');
});

for (const type of [SIMPLE_LAYER, BUNDLE_TYPE, 'text/spdx+json', COSE]) {
  t.test(`no archive that calls itself ${type} is served`, async (t) => {
    const lab = await openLab(t);
    const good = lab.signed('good', { tag: 'v1' });
    t.equal(told(await lab.get('manifests/v1')), '200');
    for (const [what, content] of Object.entries(ARCHIVES)) {
      const evil = lab.image('evil', {
        changes: { ...subjectOf(good), ...typed(lab.registry, content, type) },
      });
      const digest = lab.registry.putBlob(TEAM, content);
      t.equal(told(await lab.get(`manifests/${evil.digest}`)), '200');
      for (const headers of [{}, { range: 'bytes=0-9' }]) {
        t.equal(told(await lab.get(`blobs/${digest}`, headers)), '403 DENIED', what);
      }
      t.equal(told(await lab.get(`blobs/${evil.config}`)), '200', 'text is');
    }
  });
}

t.test('a config that is an archive is not served with an attachment', async (t) => {
  const lab = await openLab(t);
  const good = lab.signed('good', { tag: 'v1' });
  const content = ARCHIVES['gzipped tar'] ?? Buffer.alloc(0);
  const digest = lab.registry.putBlob(TEAM, content);
  const config = { mediaType: SIMPLE_LAYER, digest, size: content.length };
  const evil = lab.image('evil', {
    changes: {
      ...subjectOf(good),
      ...typed(lab.registry, Buffer.from('{}'), SIMPLE_LAYER),
      config,
    },
  });
  t.equal(told(await lab.get('manifests/v1')), '200');
  t.equal(told(await lab.get(`manifests/${evil.digest}`)), '200');
  t.equal(told(await lab.get(`blobs/${digest}`)), '403 DENIED');
});

t.test('content of an attachment beyond its bound is not fetched', async (t) => {
  const lab = await openLab(t);
  const good = lab.signed('good', { tag: 'v1' });
  const digest = lab.registry.putBlob(TEAM, 'small');
  const layers = [{ mediaType: SIMPLE_LAYER, digest, size: 33 * 1024 * 1024 }];
  const evil = lab.image('evil', { changes: { ...subjectOf(good), layers } });
  t.equal(told(await lab.get('manifests/v1')), '200');
  t.equal(told(await lab.get(`manifests/${evil.digest}`)), '200');
  t.equal(told(await lab.get(`blobs/${digest}`)), '403 DENIED');
  t.strictSame(lab.registry.asked(new RegExp(digest)), []);
});

t.test(
  'a runnable layer beside the signature that counted makes the whole no attachment',
  async (t) => {
    const lab = await openLab(t);
    const good = lab.image('good', { tag: 'v1' });
    const payload = simplePayload(good.digest);
    const annotations = {
      'dev.cosignproject.cosign/signature': lab.signer.sign(payload).toString('base64'),
    };
    const digest = lab.registry.putBlob(TEAM, payload);
    const signature = { mediaType: SIMPLE_LAYER, digest, size: payload.length, annotations };
    const content = ARCHIVES['gzipped tar'] ?? Buffer.alloc(0);
    const runnable = {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: lab.registry.putBlob(TEAM, content),
      size: content.length,
    };
    const tag = tagOf(good, '.sig');
    const evil = lab.image('evil', { tag, changes: { layers: [signature, runnable] } });
    t.equal(told(await lab.get('manifests/v1')), '200', 'it is a signature all the same');
    t.equal(told(await lab.get(`manifests/${evil.digest}`)), '403 DENIED');
    t.equal(told(await lab.get(`manifests/${tag}`)), '403 DENIED');
    for (const blob of [digest, runnable.digest, evil.config]) {
      t.equal(told(await lab.get(`blobs/${blob}`)), '403 DENIED');
    }
  },
);
