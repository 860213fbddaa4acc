/**
 * Endless signatures (CVE-2023-46737, CVE-2024-29903, CVE-2023-33958): every signature that is looked at costs a request
 * and a verification, so an image with a thousand junk signatures keeps the verifier of every cluster busy.
 *
 * Countersign looks at 32 in each place and says so; junk in one place leaves the other its own share.
 */
import t from 'tap';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { cosign2, cosign3, putSigTag, simplePayload } from '../helpers/signer.ts';

const THOUSAND = 1000;

t.test('a thousand junk layers in one .sig cost a bounded number of requests', async (t) => {
  const { registry, stranger, image, get } = await openLab(t);
  const { digest } = image('app', { tag: 'v1' });
  const layers = Array.from({ length: THOUSAND }, (_, index) => {
    const payload = simplePayload(digest, { index });
    return { payload, signature: stranger.sign(payload) };
  });
  putSigTag(registry, TEAM, digest, layers);
  const answer = await get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, /holds more signatures than are looked at/);
  t.ok((answer.error?.message.length ?? 0) < 4096, 'the message stays short');
  // One beyond the bound is opened before its number is known.
  t.ok(registry.asked(/\/blobs\//).length <= 34, `${registry.asked(/\/blobs\//).length} blobs`);
});

t.test('a thousand junk referrers cost a bounded number of requests', async (t) => {
  const { registry, stranger, image, get } = await openLab(t, { registry: { referrersApi: true } });
  const app = image('app', { tag: 'v1' });
  for (let index = 0; index < THOUSAND; index++) cosign3(registry, TEAM, app, stranger);
  const answer = await get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, /holds more signatures than are looked at/);
  t.ok(registry.requests.length <= 3 + 3 * 34, `${registry.requests.length} requests`);
});

t.test('a thousand junk referrers hide no good .sig', async (t) => {
  const { registry, stranger, signer, image, get } = await openLab(t, {
    registry: { referrersApi: true },
  });
  const app = image('app', { tag: 'v1' });
  for (let index = 0; index < THOUSAND; index++) cosign3(registry, TEAM, app, stranger);
  cosign2(registry, TEAM, app.digest, signer);
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('a thousand junk layers hide no good bundle', async (t) => {
  const { registry, stranger, signer, image, get } = await openLab(t, {
    registry: { referrersApi: true },
  });
  const app = image('app', { tag: 'v1' });
  const payload = simplePayload(app.digest);
  const layer = { payload, signature: stranger.sign(payload) };
  putSigTag(
    registry,
    TEAM,
    app.digest,
    Array.from({ length: THOUSAND }, () => layer),
  );
  cosign3(registry, TEAM, app, signer);
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('more layers than a manifest may have are refused unread', async (t) => {
  const { registry, signer, image, get } = await openLab(t);
  const { digest } = image('app', { tag: 'v1' });
  const payload = simplePayload(digest);
  const layer = { payload, signature: signer.sign(payload) };
  putSigTag(
    registry,
    TEAM,
    digest,
    Array.from({ length: 2000 }, () => layer),
  );
  const answer = await get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.equal(registry.asked(/\/blobs\//).length, 0);
});
