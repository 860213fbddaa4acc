/**
 * An upstream (or who sits between) sends the right bytes but for the last one. The hash is known only at the end, when
 * a naive proxy has sent everything: the client holds a whole blob of the declared length, and the cache a poisoned one
 * under a good name.
 *
 * The tail leaves only after the proof: the client gets a short body, the cache nothing, the operator an alert.
 */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { request } from 'undici';
import type { Digest } from '../../src/oci/digest.ts';
import { startFront } from '../helpers/front.ts';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { putImage } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { rawGet } from '../helpers/raw-http.ts';
import { cosign2 } from '../helpers/signer.ts';

const LARGE = Buffer.alloc(1_500_000, 'layer');
const blobPath = (digest: string | undefined) => `/v2/lab.local/${TEAM}/blobs/${digest ?? ''}`;

/** Whether a file of the cache carries the digest in its name. */
function isKept(path: string, digest: Digest): boolean {
  return readdirSync(path, { recursive: true }).some((name) =>
    String(name)
      .replaceAll(/[^0-9a-f]/g, '')
      .includes(digest.slice(7)),
  );
}

t.test('a large blob with a wrong last byte ends short and is not kept', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  const image = signed('app', { tag: 'v1', layers: [LARGE] });
  const [layer = image.digest] = image.layers;
  await get('manifests/v1');
  const heal = registry.fault(/\/blobs\//, { kind: 'corrupt', at: LARGE.length - 1 });
  const spoiled = await rawGet(proxy.url, blobPath(layer));
  t.equal(spoiled.status, 200);
  t.ok(spoiled.headers.includes(`content-length: ${LARGE.length}`));
  t.ok(spoiled.body.length < LARGE.length, `${spoiled.body.length} bytes came`);
  t.ok(LARGE.subarray(0, spoiled.body.length).equals(spoiled.body), 'and those are right');
  t.notOk(isKept(proxy.path, layer));
  t.strictSame(proxy.mismatches, ['lab.local']);
  heal();
  const whole = await get(`blobs/${layer}`);
  t.ok(whole.body.equals(LARGE), 'the next client gets the blob');
  await proxy.close();
  t.ok(isKept(proxy.path, layer));
});

t.test('every follower of the spoiled download ends short', async (t) => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const registry = await openFakeRegistry(t);
  const image = putImage(registry, TEAM, 'app', { tag: 'v1', layers: [LARGE] });
  const [layer = image.digest] = image.layers;
  let asked = 0;
  const front = await startFront(t, registry, ({ url = '' }, response) => {
    if (!url.endsWith(layer)) return false;
    asked += 1;
    response.writeHead(200, { 'content-length': LARGE.length });
    response.write(LARGE.subarray(0, -1));
    void promise.then(() => response.end('!'));
    return true;
  });
  const { proxy, signer, get } = await openLab(t, { upstreams: { 'lab.local': front } });
  cosign2(registry, TEAM, image.digest, signer);
  await get('manifests/v1');
  const url = `${proxy.url}${blobPath(layer)}`;
  const answers = await Promise.all(Array.from({ length: 5 }, () => request(url)));
  resolve(undefined);
  for (const { statusCode, body } of answers) {
    t.equal(statusCode, 200);
    await t.rejects(body.arrayBuffer(), 'its body is no whole one');
  }
  t.equal(asked, 1, 'they all followed one download');
});

t.test('a range in the tail of the spoiled blob is never answered with bytes', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  const image = signed('app', { tag: 'v1', layers: [LARGE] });
  await get('manifests/v1');
  registry.fault(/\/blobs\//, { kind: 'corrupt', at: LARGE.length - 1 });
  const answer = await rawGet(proxy.url, blobPath(image.layers[0]), ['Range: bytes=-10']);
  t.equal(answer.status, 502);
});

t.test('a small blob with a wrong last byte is an error answer in words', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  const image = signed('app', { tag: 'v1' });
  await get('manifests/v1');
  registry.fault(/\/blobs\//, { kind: 'corrupt', at: 2 });
  const answer = await get(`blobs/${image.config}`);
  t.equal(told(answer), '502 DIGEST_INVALID');
  t.match(answer.error?.message, image.config);
  t.notOk(isKept(proxy.path, image.config));
  t.strictSame(proxy.mismatches, ['lab.local']);
});

for (const [what, size] of Object.entries({ longer: 400_000, shorter: 100_000 })) {
  t.test(`a blob that is ${what} than its manifest says is not served whole`, async (t) => {
    const { registry, proxy, signed, get } = await openLab(t);
    const image = signed('app', { tag: 'v1', layers: [Buffer.alloc(200_000, 'layer')] });
    const [layer = image.digest] = image.layers;
    await get('manifests/v1');
    registry.fault(/\/blobs\//, { kind: 'replace', body: Buffer.alloc(size, 'layer') });
    const answer = await get(`blobs/${layer}`);
    t.equal(told(answer), '502 DIGEST_INVALID');
    t.notOk(isKept(proxy.path, layer));
  });
}

t.test('a blob in chunks that goes on after its size ends short', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t);
  const image = signed('app', { tag: 'v1', layers: [LARGE] });
  const [layer = image.digest] = image.layers;
  await get('manifests/v1');
  const body = Buffer.concat([LARGE, Buffer.from('and more')]);
  registry.fault(/\/blobs\//, {
    kind: 'status',
    status: 200,
    headers: { 'content-length': undefined, 'transfer-encoding': 'chunked' },
    body,
  });
  const answer = await rawGet(proxy.url, blobPath(layer));
  t.ok(answer.body.length < LARGE.length || answer.status === 502);
  await proxy.close();
  t.notOk(isKept(proxy.path, layer));
});
