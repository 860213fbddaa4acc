/**
 * A crowd around a signature: whoever can push to the upstream, or carries a bundle without a seal, attaches so much to an
 * image that its signature is not among what is looked at behind the gap, once other rules decide about it again.
 */
import t from 'tap';
import { FOUND_UNDER_TAG } from '../../src/oci/annotation.ts';
import { OCI_EMPTY, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { openImportLab, TEAM, type ImportLab } from '../helpers/import-lab.ts';
import type { PutImage } from '../helpers/image.ts';
import { BUNDLE_TYPE, cosign2, cosign3 } from '../helpers/signer.ts';

const CROWD = 100;

function crowd(
  { content }: ImportLab,
  { digest, size }: PutImage,
  artifactType: string,
  annotations: Readonly<Record<string, string>> = {},
): void {
  const empty = content.putBlob(TEAM, Buffer.from('{}'));
  for (let number = 0; number < CROWD; number++) {
    const bytes = Buffer.from(JSON.stringify({ number, artifactType }));
    content.putManifest(TEAM, {
      ...{ schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType, annotations },
      config: { mediaType: OCI_EMPTY, digest: empty, size: 2 },
      layers: [
        { mediaType: artifactType, digest: content.putBlob(TEAM, bytes), size: bytes.length },
      ],
      subject: { mediaType: OCI_MANIFEST, digest, size },
    });
  }
}

const OTHER = { rule: 'require: { allOf: [{ key: { trustRoot: release } }] }' };

t.test(
  'SBOMs hide no signature that refers to the image, and all of them are listed',
  async (t) => {
    const lab = openImportLab(t);
    const image = lab.image('one', { tag: 'v1' });
    const signature = cosign3(lab.content, TEAM, image, lab.signer);
    crowd(lab, image, 'application/spdx+json', { long: 'x'.repeat(20_000) });
    const { code, out } = await lab.import(lab.export(['v1']));
    t.equal(code, 0, out);
    const { get } = await lab.serve(lab.configure(OTHER));
    t.equal((await get('manifests/v1')).status, 200);
    const { text } = await get(`referrers/${image.digest}`);
    const { manifests } = JSON.parse(text) as { manifests: { digest: string }[] };
    t.equal(manifests.length, CROWD + 1);
    t.ok(manifests.some(({ digest }) => digest === signature));
    t.ok(text.length < CROWD * 1000, 'without annotations that nobody could list');
  },
);

t.test('what calls itself a signature hides none that was under a tag', async (t) => {
  const lab = openImportLab(t);
  const image = lab.image('one', { tag: 'v1' });
  cosign2(lab.content, TEAM, image.digest, lab.signer);
  crowd(lab, image, BUNDLE_TYPE, { [FOUND_UNDER_TAG]: 'sha256-0.sig' });
  const { code, out } = await lab.import(lab.export(['v1']));
  t.equal(code, 0, out);
  const { get } = await lab.serve(lab.configure(OTHER));
  t.equal((await get('manifests/v1')).status, 200);
});
