/**
 * An approval with an end is served to everybody who may pull, so everybody has a copy of it: bundle, manifest and all. When
 * it is over, or revoked, somebody who can push to the upstream puts the copy there as a referrer, as it was, or with the
 * end taken out of it or moved.
 *
 * The end is part of what is signed and is looked at wherever the signature was found; a revocation is of the key's word
 * about the image, wherever somebody else repeats it.
 */
import t, { type Test } from 'tap';
import { parseJson } from '../../src/oci/json.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { makeApproval } from '../../src/signing/approval.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import type { PutImage } from '../helpers/image.ts';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { putBundle } from '../helpers/signer.ts';
import { surroundings } from '../signing/environments.ts';

const DAY = 86_400_000;

type Json = Record<string, unknown>;

async function open(t: Test) {
  const lab = await openLab(t, { registry: { referrersApi: true } });
  const { registry, proxy, signer } = lab;
  const pem = signer.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const key = await openSigner('own.key', surroundings({ 'own.key': pem }));
  return {
    ...lab,
    key,
    /** The bundle of an approval that lasts so long, as anybody gets it. */
    approvalOf: async ({ digest, size }: PutImage, life: number) => {
      const mediaType = 'application/vnd.oci.image.manifest.v1+json';
      const { blobs } = await makeApproval(key, {
        subject: { mediaType, digest, size },
        reference: `lab.local/${TEAM}:v1`,
        expires: proxy.now + life,
        now: proxy.now,
      });
      return parseJson(blobs[1]?.bytes ?? Buffer.alloc(0)) as Json & { dsseEnvelope: Json };
    },
    push: (image: PutImage, bundle: object) => putBundle(registry, TEAM, image, bundle),
  };
}

t.test('a copy upstream ends when the approval does', async (t) => {
  const { image, approvalOf, push, proxy, get } = await open(t);
  const app = image('app', { tag: 'v1' });
  push(app, await approvalOf(app, DAY));
  t.equal(told(await get('manifests/v1')), '200');
  proxy.now += DAY - 1;
  t.equal(told(await get('manifests/v1')), '200');
  proxy.now += 1;
  const { status, error } = await get('manifests/v1');
  t.equal(status, 403);
  t.match(error?.message, /the approval expired at 2026-01-02T00:00:00\.000Z/);
  t.equal(told(await get(`blobs/${app.config}`)), '403 DENIED', 'nor what it let in');
});

t.test('an end that is taken out or moved is no longer what was signed', async (t) => {
  const edits: readonly ((statement: string) => string)[] = [
    (text) => text.replace(/,"expires":"[^"]+"/, ''),
    (text) => text.replace(/"expires":"2026/, '"expires":"2036'),
    (text) => text.replace(/"expires"/, '"Expires"'),
    (text) => text.replace(/"countersign"/, '"other"'),
  ];
  for (const edit of edits) {
    const { image, approvalOf, push, proxy, get } = await open(t);
    const app = image('app', { tag: 'v1' });
    const bundle = await approvalOf(app, DAY);
    const signed = Buffer.from(String(bundle.dsseEnvelope['payload']), 'base64').toString();
    t.not(edit(signed), signed);
    const payload = Buffer.from(edit(signed)).toString('base64');
    push(app, { ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, payload } });
    proxy.now += DAY;
    t.equal(told(await get('manifests/v1')), '403 DENIED');
  }
});

t.test('an old copy neither shortens nor lengthens a new approval', async (t) => {
  const { image, approvalOf, push, proxy, get } = await open(t);
  const app = image('app', { tag: 'v1' });
  push(app, await approvalOf(app, DAY));
  proxy.now += DAY;
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  push(app, await approvalOf(app, DAY));
  proxy.now += DAY - 1;
  t.equal(told(await get('manifests/v1')), '200');
  proxy.now += 1;
  t.equal(told(await get('manifests/v1')), '403 DENIED');
});

t.test('a copy of what was revoked counts no more than the approval', async (t) => {
  const { image, approvalOf, push, proxy, key, get } = await open(t);
  const app = image('app', { tag: 'v1' });
  const bundle = await approvalOf(app, DAY);
  push(app, bundle);
  t.equal(told(await get('manifests/v1')), '200');
  await proxy.records.local.revoke({
    repository: parseRepository('lab.local', TEAM),
    subject: app.digest,
    keys: [key.publicKey.fingerprint],
    at: proxy.now,
    reason: 'stolen',
  });
  proxy.admission.forget();
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  push(app, { ...bundle, mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.3' });
  proxy.now += 60_000;
  t.equal(told(await get('manifests/v1')), '403 DENIED');
});
