/**
 * The registry that answers differently the second time (CVE-2022-47633 and CVE-2023-47630 in Kyverno,
 * GHSA-wfqx-gjrf-g28r in Crossplane): the verifier sees the signed content, the kubelet, a moment later, the other.
 *
 * What was verified are the bytes that are served: a tag is resolved once, its bytes are hashed and kept, and whatever
 * upstream says later is another question.
 */
import t from 'tap';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { putSigTag, SIMPLE_LAYER, simplePayload } from '../helpers/signer.ts';

t.test(
  'a tag that changes between HEAD and GET yields the bytes of the digest it named',
  async (t) => {
    const { registry, signed, image, get } = await openLab(t);
    const good = signed('good', { tag: 'v1' });
    const evil = image('evil');
    // HEAD of the tag says good; whoever asks for the tag again would get evil.
    registry.fault(/^GET .*\/manifests\/v1$/, {
      kind: 'replace',
      body: registry.manifest(TEAM, evil.digest)?.bytes ?? '',
    });
    const answer = await get('manifests/v1');
    t.equal(answer.headers['docker-content-digest'], good.digest);
    t.equal(registry.asked(/manifests\/v1$/).length, 1, 'the tag is asked for once');
  },
);

t.test('a manifest that is fetched by tag is verified and served from one fetch', async (t) => {
  const { registry, signed, image, get } = await openLab(t, { registry: { headDigest: false } });
  const good = signed('good', { tag: 'v1' });
  const bytes = registry.manifest(TEAM, good.digest)?.bytes ?? Buffer.alloc(0);
  const evil = registry.manifest(TEAM, image('evil').digest)?.bytes ?? '';
  registry.fault(/^GET .*\/manifests\/(v1|sha256:\w+)$/, { kind: 'replace', body: evil });
  registry.fault(
    /^GET .*\/manifests\/v1$/,
    { kind: 'status', status: 200, headers: { 'content-type': '' }, body: bytes },
    { times: 1 },
  );
  for (const what of ['v1', 'v1', good.digest]) {
    t.ok((await get(`manifests/${what}`)).body.equals(bytes), what);
  }
  t.equal(registry.asked(/^GET .*\/manifests\/(v1|sha256:\w+)$/).length, 1);
});

t.test(
  'other bytes under a digest are 502, for HEAD too, are told, and are not kept',
  async (t) => {
    const { registry, proxy, signed, image, get, head } = await openLab(t);
    const good = signed('good', { tag: 'v1' });
    const evil = registry.manifest(TEAM, image('evil').digest)?.bytes ?? '';
    const heal = registry.fault(/^GET .*\/manifests\/sha256:\w+$/, { kind: 'replace', body: evil });
    const answer = await get(`manifests/${good.digest}`);
    t.equal(told(answer), '502 DIGEST_INVALID');
    t.equal((await head('manifests/v1')).status, 502);
    t.strictSame(proxy.mismatches, ['lab.local', 'lab.local']);
    heal();
    proxy.now += 5_001;
    t.equal(told(await get('manifests/v1')), '200');
  },
);

t.test('a tag whose header names the signed digest and whose body is another is 502', async (t) => {
  const { registry, signed, image, get } = await openLab(t, { registry: { headDigest: false } });
  const good = signed('good', { tag: 'v1' });
  const evil = registry.manifest(TEAM, image('evil').digest)?.bytes ?? '';
  // `replace` keeps the header Docker-Content-Digest.
  registry.fault(/^GET .*\/manifests\/v1$/, { kind: 'replace', body: evil });
  const answer = await get('manifests/v1');
  t.equal(told(answer), '502 DIGEST_INVALID');
  t.not(answer.headers['docker-content-digest'], good.digest);
});

t.test('content that changes upstream after its admission is never asked for again', async (t) => {
  const { registry, signed, image, get } = await openLab(t);
  const good = signed('good', { tag: 'v1' });
  const bytes = registry.manifest(TEAM, good.digest)?.bytes ?? Buffer.alloc(0);
  await get('manifests/v1');
  registry.tag(TEAM, 'v1', image('evil').digest);
  registry.clearRequests();
  t.ok((await get('manifests/v1')).body.equals(bytes));
  t.ok((await get(`manifests/${good.digest}`)).body.equals(bytes));
  t.strictSame(registry.requests, []);
});

t.test('a signature that upstream answers with other bytes is no signature', async (t) => {
  const { registry, signed, get } = await openLab(t);
  signed('good', { tag: 'v1' });
  registry.fault(/\.sig$/, { kind: 'corrupt', at: 5 });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
});

t.test('a payload that is another signed one than its digest says is no signature', async (t) => {
  const { registry, signer, image, get } = await openLab(t);
  const { digest } = image('app', { tag: 'v1' });
  const [named, sent] = ['1', '2'].map((optional) => simplePayload(digest, { optional }));
  if (named === undefined || sent === undefined) throw new Error('expected two payloads');
  putSigTag(registry, TEAM, digest, [{ payload: named, signature: signer.sign(sent) }]);
  registry.fault(/\/blobs\//, { kind: 'replace', body: sent });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
});

for (const lie of [1, -1]) {
  t.test(`a payload whose descriptor is ${lie} byte off is no signature`, async (t) => {
    const { registry, signer, image, get } = await openLab(t);
    const { digest } = image('app', { tag: 'v1' });
    const payload = simplePayload(digest);
    const signature = signer.sign(payload).toString('base64');
    const layer = {
      mediaType: SIMPLE_LAYER,
      digest: registry.putBlob(TEAM, payload),
      size: payload.length + lie,
      annotations: { 'dev.cosignproject.cosign/signature': signature },
    };
    image('sig', { tag: `${digest.replace(':', '-')}.sig`, changes: { layers: [layer] } });
    t.equal(told(await get('manifests/v1')), '403 DENIED');
  });
}
