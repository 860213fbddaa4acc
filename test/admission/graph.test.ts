/** What an admitted manifest gives access to: children, config, layers; in every format that clients understand. */
import t from 'tap';
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { putIndex } from '../helpers/image.ts';
import { cosign2, cosign3 } from '../helpers/signer.ts';

t.test('a signed index admits its children and their blobs with one verification', async (t) => {
  const { registry, signer, proxy, image, get } = await openLab(t);
  const children = ['amd64', 'arm64'].map((name) => image(name));
  const index = putIndex(registry, TEAM, children, { tag: 'v1' });
  cosign2(registry, TEAM, index.digest, signer);
  t.equal(told(await get('manifests/v1')), '200');
  for (const { digest, config, layers } of children) {
    t.equal(told(await get(`manifests/${digest}`)), '200');
    for (const blob of [config, ...layers]) t.equal(told(await get(`blobs/${blob}`)), '200');
  }
  t.equal(registry.asked(/\.sig$/).length, 1);
  t.match(proxy.pulls[1], { outcome: 'admitted', signers: [/release/], reasons: [/part of/] });
});

t.test('blobs of a child are served although its manifest was never asked for here', async (t) => {
  const { registry, signer, image, get } = await openLab(t);
  const children = ['amd64', 'arm64'].map((name) => image(name));
  const index = putIndex(registry, TEAM, children, { tag: 'v1' });
  const stranger = image('stranger');
  cosign2(registry, TEAM, index.digest, signer);
  await get('manifests/v1');
  for (const { config } of children) t.equal(told(await get(`blobs/${config}`)), '200');
  registry.clearRequests();
  for (let again = 0; again < 5; again++) {
    t.equal(told(await get(`blobs/${stranger.config}`)), '403 DENIED');
  }
  t.equal(registry.requests.length, 0, 'strange digests cost the upstream nothing');
});

t.test('a child that upstream does not have stays in the way of nobody', async (t) => {
  const { registry, signer, image, get } = await openLab(t);
  const [here, gone] = [image('here'), image('gone')];
  const index = putIndex(registry, TEAM, [here, gone], { tag: 'v1' });
  cosign2(registry, TEAM, index.digest, signer);
  registry.deleteManifest(TEAM, gone.digest);
  await get('manifests/v1');
  t.equal(told(await get(`blobs/${here.config}`)), '200');
  t.equal(told(await get(`blobs/${gone.config}`)), '403 DENIED');
});

t.test('a child that was refused before its index was pulled is served right after', async (t) => {
  const { registry, signer, image, get } = await openLab(t);
  const child = image('child');
  const index = putIndex(registry, TEAM, [child], { tag: 'v1' });
  cosign2(registry, TEAM, index.digest, signer);
  t.equal(told(await get(`manifests/${child.digest}`)), '403 DENIED');
  t.equal(told(await get('manifests/v1')), '200');
  t.equal(told(await get(`manifests/${child.digest}`)), '200');
});

t.test('an index in a signed index admits its own children in turn', async (t) => {
  const { registry, signer, image, get } = await openLab(t);
  const child = image('child');
  const inner = putIndex(registry, TEAM, [child]);
  const manifests = [{ mediaType: OCI_INDEX, ...inner }];
  const outer = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
  const { digest } = registry.putManifest(TEAM, outer, { tag: 'v1' });
  cosign2(registry, TEAM, digest, signer);
  for (const what of ['v1', inner.digest, child.digest]) {
    t.equal(told(await get(`manifests/${what}`)), '200');
  }
});

t.test('a signed child is admitted by digest where its index is not', async (t) => {
  const { registry, signed, image, get } = await openLab(t);
  const [one, two] = [signed('one'), image('two')];
  putIndex(registry, TEAM, [one, two], { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  t.equal(told(await get(`manifests/${one.digest}`)), '200');
  t.equal(told(await get(`manifests/${two.digest}`)), '403 DENIED');
});

t.test('a child that its index names and upstream does not have is absent', async (t) => {
  const { registry, signer, image, get } = await openLab(t);
  const child = image('child');
  const index = putIndex(registry, TEAM, [child], { tag: 'v1' });
  cosign2(registry, TEAM, index.digest, signer);
  registry.deleteManifest(TEAM, child.digest);
  await get('manifests/v1');
  t.equal(told(await get(`manifests/${child.digest}`)), '404 MANIFEST_UNKNOWN');
});

t.test('a blob that its manifest names and upstream does not have is absent', async (t) => {
  const { registry, signed, get } = await openLab(t);
  const { config } = signed('app', { tag: 'v1' });
  registry.deleteBlob(TEAM, config);
  await get('manifests/v1');
  t.equal(told(await get(`blobs/${config}`)), '404 BLOB_UNKNOWN');
});

t.test("Docker's own formats are served under their types", async (t) => {
  const { registry, signer, image, get, head } = await openLab(t);
  const child = image('child', { docker: true });
  const list = {
    schemaVersion: 2,
    mediaType: DOCKER_LIST,
    manifests: [{ mediaType: DOCKER_MANIFEST, digest: child.digest, size: child.size }],
  };
  const { digest } = registry.putManifest(TEAM, list, { tag: 'v1' });
  cosign2(registry, TEAM, digest, signer);
  t.equal((await get('manifests/v1')).headers['content-type'], DOCKER_LIST);
  t.equal((await head(`manifests/${child.digest}`)).headers['content-type'], DOCKER_MANIFEST);
  t.equal(told(await get(`blobs/${child.config}`)), '200');
});

for (const contentType of [OCI_MANIFEST, DOCKER_MANIFEST, 'application/octet-stream', '']) {
  t.test(`a manifest without mediaType under ${contentType || 'no type'} is served`, async (t) => {
    const { registry, signed, get } = await openLab(t);
    const app = signed('app', { tag: 'v1', changes: { mediaType: undefined } });
    registry.fault(/\/manifests\/(v1|sha256:)/, {
      kind: 'headers',
      headers: { 'content-type': contentType },
    });
    const answer = await get('manifests/v1');
    t.equal(told(answer), '200');
    const expected = contentType === DOCKER_MANIFEST ? DOCKER_MANIFEST : OCI_MANIFEST;
    t.equal(answer.headers['content-type'], expected);
    t.equal(told(await get(`blobs/${app.config}`)), '200');
  });
}

t.test('a manifest under the content type with parameters is served without them', async (t) => {
  const { registry, signed, get } = await openLab(t);
  signed('app', { tag: 'v1' });
  const headers = { 'content-type': `${OCI_MANIFEST}; charset=utf-8` };
  registry.fault(/\/manifests\//, { kind: 'headers', headers });
  t.equal((await get('manifests/v1')).headers['content-type'], OCI_MANIFEST);
});

t.test('an image signed in a bundle is served whole without upstream afterwards', async (t) => {
  const { registry, image, signer, get } = await openLab(t, { registry: { referrersApi: true } });
  const app = image('app', { tag: 'v1' });
  const bundle = cosign3(registry, TEAM, app, signer);
  for (const what of ['manifests/v1', `blobs/${app.config}`]) await get(what);
  await registry.close();
  for (const what of ['manifests/v1', `blobs/${app.config}`, `manifests/${bundle}`]) {
    t.equal(told(await get(what)), '200', what);
  }
});
