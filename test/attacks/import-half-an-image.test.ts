/**
 * Half an image by way of its signature: a manifest whose layers are not in the bundle is no image of it, but a signature
 * that is about it has it decided, and what is decided used to be kept. Behind the gap nobody has the rest.
 */
import t from 'tap';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { entriesOf, makeExport, named, tarOfEntries } from '../helpers/export-bundle.ts';
import { openImportLab, TEAM, toExported } from '../helpers/import-lab.ts';
import { putImage, putIndex } from '../helpers/image.ts';
import { cosign2, cosign3 } from '../helpers/signer.ts';

t.test('a platform that was left out is not served for its own signature', async (t) => {
  const lab = openImportLab(t);
  const [amd, arm] = ['amd', 'arm'].map((name) => putImage(lab.content, TEAM, name));
  if (amd === undefined || arm === undefined) throw new Error('expected two images');
  const index = putIndex(lab.content, TEAM, [amd, arm], { tag: 'multi' });
  for (const { digest } of [index, arm]) cosign2(lab.content, TEAM, digest, lab.signer);
  const image = { path: TEAM, reference: 'multi', platforms: ['linux/amd64'] };
  const { code, out } = await lab.import(lab.export([image]));
  t.equal(code, 0, out);
  const { get } = await lab.serve();
  t.equal((await get(`manifests/${amd.digest}`)).status, 200);
  t.equal((await get(`manifests/${arm.digest}`)).status, 503);
});

t.test('an image is not served for a signature that is listed in its place', async (t) => {
  const lab = openImportLab(t);
  const image = lab.image('one', { tag: 'v1' });
  const referrer = cosign3(lab.content, TEAM, image, lab.signer);
  const made = makeExport(lab.content, [toExported('v1')]);
  const name = `lab.local/team/app@${referrer}`;
  const size = lab.content.manifest(TEAM, referrer)?.bytes.length;
  const descriptor = { mediaType: OCI_MANIFEST, digest: referrer, size };
  const attachments = made.record.attachments;
  made.listed.splice(0, made.listed.length);
  made.listed.push({ ...descriptor, annotations: named(name) });
  // The signature counts, as an attachment of what it is about.
  for (const { digest } of attachments) {
    made.listed.push({
      ...{ mediaType: OCI_MANIFEST, digest, size },
      annotations: { 'dev.countersign.repository': 'lab.local/team/app' },
    });
  }
  made.record.images = [{ reference: name, ...descriptor, rule: 'theirs' }];
  const { out, err } = await lab.import(tarOfEntries(entriesOf(made)));
  t.match(out, /admitted/, `the signature itself is: ${err}`);
  const { get } = await lab.serve();
  t.equal((await get(`manifests/${referrer}`)).status, 200);
  t.equal((await get(`manifests/${image.digest}`)).status, 503);
  t.not((await get(`blobs/${image.layers[0] ?? ''}`)).status, 200);
});
