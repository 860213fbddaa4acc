/**
 * A signature that is good for one image is copied beside another one: the `.sig` manifest under the other digest's
 * tag, the bundle as a referrer whose `subject` names the other digest. Every byte of it verifies; only the claim
 * inside says what it is about (cosign SIGNATURE_SPEC, in-toto Statement; CVE-2022-23649 and CVE-2026-22703 are of this
 * family).
 *
 * Countersign binds the claim to the digest that is asked for, whatever place the signature was found in.
 */
import t from 'tap';
import { OCI_INDEX } from '../../src/oci/media-type.ts';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import {
  cosign3,
  dsseBundle,
  putBundle,
  putSigTag,
  simplePayload,
  statement,
} from '../helpers/signer.ts';
import { putIndex } from '../helpers/image.ts';

t.test('a .sig copied from another image admits nothing', async (t) => {
  const { registry, signer, image, signed, get } = await openLab(t);
  const good = signed('good', { tag: 'good' });
  const evil = image('evil', { tag: 'evil' });
  const payload = simplePayload(good.digest);
  putSigTag(registry, TEAM, evil.digest, [{ payload, signature: signer.sign(payload) }]);
  t.equal(told(await get('manifests/good')), '200');
  const answer = await get('manifests/evil');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, `it signs ${good.digest}, not this image`);
  t.equal(told(await get(`manifests/${evil.digest}`)), '403 DENIED');
  t.equal(told(await get(`blobs/${evil.config}`)), '403 DENIED');
});

t.test('a bundle copied from another image admits nothing', async (t) => {
  const { registry, signer, image, get } = await openLab(t, { registry: { referrersApi: true } });
  const good = image('good', { tag: 'good' });
  const evil = image('evil', { tag: 'evil' });
  cosign3(registry, TEAM, good, signer);
  const about = statement([{ digest: { sha256: good.digest.slice(7) } }]);
  putBundle(registry, TEAM, evil, dsseBundle(signer, about));
  t.equal(told(await get('manifests/good')), '200');
  const answer = await get('manifests/evil');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, 'it is about another artifact, not this image');
});

t.test('a listed referrer whose subject is another image admits nothing', async (t) => {
  const { registry, signer, image, get } = await openLab(t);
  const good = image('good', { tag: 'good' });
  const evil = image('evil', { tag: 'evil' });
  // The statement names both images, as one signing of several does: only `subject` says which one it belongs to.
  const both = statement(
    [good, evil].map(({ digest }) => ({ digest: { sha256: digest.slice(7) } })),
  );
  const digest = putBundle(registry, TEAM, good, dsseBundle(signer, both));
  const listed = registry.manifest(TEAM, digest);
  registry.putManifest(
    TEAM,
    {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [{ mediaType: listed?.mediaType, digest, size: listed?.bytes.length }],
    },
    { tag: evil.digest.replace(':', '-') },
  );
  const answer = await get('manifests/evil');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, `its subject is ${good.digest}, not this image`);
});

t.test('a signed child does not admit the index that names it', async (t) => {
  const { registry, signed, get } = await openLab(t);
  const child = signed('child');
  const index = putIndex(registry, TEAM, [child], { tag: 'index' });
  t.equal(told(await get('manifests/index')), '403 DENIED');
  t.equal(told(await get(`manifests/${index.digest}`)), '403 DENIED');
  t.equal(told(await get(`manifests/${child.digest}`)), '200');
});

t.test('a signature from another repository admits nothing here', async (t) => {
  const { registry, signer, image, get } = await openLab(t);
  const evil = image('evil', { tag: 'evil' });
  const payload = simplePayload(evil.digest);
  putSigTag(registry, 'team/other', evil.digest, [{ payload, signature: signer.sign(payload) }]);
  t.equal(told(await get('manifests/evil')), '403 DENIED');
});
