/** `countersign import` through the whole program: what is carried over is decided here, served here, and lasts here. */
import t from 'tap';
import { cosign3 } from '../helpers/signer.ts';
import { openImportLab, TEAM } from '../helpers/import-lab.ts';

t.test(
  'a signed image is served offline after its import: by tag, by digest, with its signatures',
  async (t) => {
    const lab = openImportLab(t);
    const image = lab.signed('one', { tag: 'v1' });
    const referrer = cosign3(lab.content, TEAM, image, lab.signer);
    const { code, out, err } = await lab.import(lab.export(['v1']));
    t.equal(code, 0, `${out}${err}`);
    t.match(out, /lab\.local\/team\/app:v1 +sha256:\w+ +admitted/);
    const { get } = await lab.serve();
    const sig = `${image.digest.replace(':', '-')}.sig`;
    for (const what of [
      'manifests/v1',
      `manifests/${image.digest}`,
      `blobs/${image.config}`,
      `blobs/${image.layers[0] ?? ''}`,
      `manifests/${sig}`,
      `manifests/${referrer}`,
      'tags/list',
    ]) {
      const { status, text } = await get(what);
      t.equal(status, 200, `${what}: ${text}`);
    }
    const { text } = await get(`referrers/${image.digest}`);
    const listed = JSON.parse(text) as { manifests: { digest: string; artifactType: string }[] };
    t.strictSame(
      listed.manifests.map(({ digest }) => digest),
      [referrer],
    );
  },
);
