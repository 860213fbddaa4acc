/** `signatures.reference`: a signature that was made for another repository or tag cannot be replayed here. */
import t from 'tap';
import { openLab, SIGNED, TEAM, told } from '../helpers/lab.ts';
import { cosign3, putSigTag, simplePayload, type Signer } from '../helpers/signer.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { FakeContent } from '../helpers/fake-registry-content.ts';

function signAs(
  registry: FakeContent,
  subject: Digest,
  signer: Signer,
  ...references: readonly string[]
): void {
  const layers = references.map((reference) => {
    const payload = simplePayload(subject, { identity: { 'docker-reference': reference } });
    return { payload, signature: signer.sign(payload) };
  });
  putSigTag(registry, TEAM, subject, layers);
}

const rule = (reference: 'exact' | 'repository') => ({ ...SIGNED, signatures: { reference } });

t.test('repository: a signature for another repository is refused by name', async (t) => {
  const { registry, signer, image, get } = await openLab(t, { rule: rule('repository') });
  const { digest } = image('app', { tag: 'v1' });
  signAs(registry, digest, signer, 'lab.local/team/other');
  const answer = await get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, /lab\.local\/team\/other/);
});

t.test('repository: the tag that was signed does not matter', async (t) => {
  const { registry, signer, image, get } = await openLab(t, { rule: rule('repository') });
  const { digest } = image('app', { tag: 'v1' });
  signAs(registry, digest, signer, `lab.local/${TEAM}:something`);
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('exact: the very tag is demanded, a digest asks for the repository alone', async (t) => {
  const { registry, signer, image, get } = await openLab(t, { rule: rule('exact') });
  const { digest } = image('app', { tag: 'v1' });
  registry.tag(TEAM, 'latest', digest);
  signAs(registry, digest, signer, `lab.local/${TEAM}:v1`);
  t.equal(told(await get('manifests/latest')), '403 DENIED');
  t.equal(told(await get('manifests/v1')), '200');
  t.equal(told(await get('manifests/latest')), '403 DENIED', 'also when v1 is admitted');
  t.equal(told(await get(`manifests/${digest}`)), '200');
  t.equal(told(await get('manifests/latest')), '403 DENIED', 'also when the digest is admitted');
});

t.test('exact: two signatures bind two tags', async (t) => {
  const { registry, signer, image, get } = await openLab(t, { rule: rule('exact') });
  const { digest } = image('app', { tag: 'v1' });
  registry.tag(TEAM, 'latest', digest);
  signAs(registry, digest, signer, `lab.local/${TEAM}:v1`, `lab.local/${TEAM}:latest`);
  t.equal(told(await get('manifests/latest')), '200');
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('remap: an image of the mirror was signed under its own name', async (t) => {
  const remap = { prefix: 'lab.local/team', signedPrefix: 'docker.io/publisher' };
  const { registry, signer, image, get } = await openLab(t, {
    rule: { ...SIGNED, signatures: { reference: { remap } } },
  });
  const good = image('good', { tag: 'v1' });
  signAs(registry, good.digest, signer, 'index.docker.io/publisher/app');
  const bad = image('bad', { tag: 'v2' });
  signAs(registry, bad.digest, signer, `lab.local/${TEAM}`);
  t.equal(told(await get('manifests/v1')), '200');
  t.equal(told(await get('manifests/v2')), '403 DENIED');
});

t.test('a bundle that signs no name at all is refused where a name is demanded', async (t) => {
  for (const reference of ['exact', 'repository'] as const) {
    const { registry, signer, image, get } = await openLab(t, {
      registry: { referrersApi: true },
      rule: rule(reference),
    });
    const app = image('app', { tag: 'v1' });
    cosign3(registry, TEAM, { digest: app.digest, size: app.size }, signer);
    const answer = await get('manifests/v1');
    t.equal(told(answer), '403 DENIED');
    t.match(answer.error?.message, /names no image/);
    t.equal(told(await get(`manifests/${app.digest}`)), '403 DENIED');
  }
});
