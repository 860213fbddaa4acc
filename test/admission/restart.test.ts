/** What was decided survives a restart; what the decision rested on must still be so. */
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openLab, SIGNED, TEAM, told, type Lab, type LabOptions } from '../helpers/lab.ts';
import { putIndex } from '../helpers/image.ts';
import { cosign2, rootOf } from '../helpers/signer.ts';

const LAYERS = [Buffer.alloc(300_000, 'layer')];

/** A proxy that served an image and its blobs and was closed; its upstream too. */
async function served(t: Test) {
  const lab = await openLab(t);
  const image = lab.signed('app', { tag: 'v1', layers: LAYERS });
  const wanted = ['manifests/v1', `manifests/${image.digest}`, `blobs/${image.config}`];
  wanted.push(`blobs/${image.layers[0] ?? ''}`);
  const answers = new Map<string, Buffer>();
  for (const what of wanted) answers.set(what, (await lab.get(what)).body);
  await lab.proxy.close();
  await lab.registry.close();
  return { lab, image, answers };
}

/** Another proxy on the same cache, under other rules if told. */
function again(t: Test, { registry, proxy, trustRoots }: Lab, options: LabOptions = {}) {
  const upstreams = { 'lab.local': registry };
  return openLab(t, { upstreams, path: proxy.path, trustRoots, ...options });
}

t.test('a second proxy serves everything without any upstream', async (t) => {
  const { lab, answers } = await served(t);
  const { proxy, get, head } = await again(t, lab);
  for (const [what, body] of answers) {
    t.ok((await get(what)).body.equals(body), what);
    t.equal((await head(what)).status, 200, what);
  }
  t.strictSame(new Set(proxy.pulls.map(({ cached }) => cached)), new Set(['records', 'memory']));
  t.match(proxy.pulls[0]?.signers, [/release/], 'and still knows who signed');
});

t.test('a rule of another requirement decides anew, for manifests and for blobs', async (t) => {
  const { lab, answers } = await served(t);
  const rule = { require: { allOf: [{ key: { trustRoot: 'release' } }] } };
  const { get } = await again(t, lab, { rule });
  for (const what of answers.keys()) {
    t.match(told(await get(what)), what.startsWith('blobs') ? '403 DENIED' : '503 UNAVAILABLE');
  }
});

t.test('another key under the same name decides anew, for manifests and for blobs', async (t) => {
  const { lab, answers } = await served(t);
  const trustRoots = [rootOf('release', lab.stranger)];
  const { get } = await again(t, lab, { trustRoots });
  for (const what of answers.keys()) {
    t.match(told(await get(what)), what.startsWith('blobs') ? '403 DENIED' : '503 UNAVAILABLE');
  }
});

t.test('a removed policy refuses at once what it admitted', async (t) => {
  const { lab, answers } = await served(t);
  const { proxy, get } = await again(t, lab);
  for (const what of answers.keys()) t.equal(told(await get(what)), '200');
  proxy.reload([]);
  for (const what of answers.keys()) t.equal(told(await get(what)), '403 DENIED', what);
  proxy.reload([{ match: ['lab.local/**'], reject: 'withdrawn' }]);
  for (const what of answers.keys()) t.equal(told(await get(what)), '403 DENIED', what);
});

t.test('a reload that exchanges the key refuses what the old one signed', async (t) => {
  const { proxy, signed, stranger, get } = await openLab(t);
  const image = signed('app', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '200');
  t.equal(told(await get(`blobs/${image.config}`)), '200');
  proxy.reload([{ match: ['lab.local/**'], ...SIGNED }], [rootOf('release', stranger)]);
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  t.equal(told(await get(`manifests/${image.digest}`)), '403 DENIED');
  t.equal(told(await get(`blobs/${image.config}`)), '403 DENIED');
});

t.test('what a rule without requirement admitted is no precedent for a strict one', async (t) => {
  const lab = await openLab(t, { rule: { insecureAcceptAnything: true } });
  const image = lab.image('app', { tag: 'v1' });
  for (const what of ['manifests/v1', `blobs/${image.config}`]) {
    t.equal(told(await lab.get(what)), '200');
  }
  lab.proxy.reload([{ match: ['lab.local/**'], ...SIGNED }], lab.trustRoots);
  for (const what of ['manifests/v1', `manifests/${image.digest}`, `blobs/${image.config}`]) {
    t.equal(told(await lab.get(what)), '403 DENIED', what);
  }
});

t.test('what audit mode served is no precedent for enforcement', async (t) => {
  const lab = await openLab(t, { rule: { ...SIGNED, mode: 'audit' } });
  const image = lab.image('app', { tag: 'v1' });
  for (const what of ['manifests/v1', `blobs/${image.config}`]) {
    t.equal(told(await lab.get(what)), '200');
  }
  lab.proxy.reload([{ match: ['lab.local/**'], ...SIGNED }], lab.trustRoots);
  for (const what of ['manifests/v1', `manifests/${image.digest}`, `blobs/${image.config}`]) {
    t.equal(told(await lab.get(what)), '403 DENIED', what);
  }
});

t.test('grants of an index survive a restart', async (t) => {
  const lab = await openLab(t);
  const child = lab.image('child');
  const index = putIndex(lab.registry, TEAM, [child], { tag: 'v1' });
  cosign2(lab.registry, TEAM, index.digest, lab.signer);
  t.equal(told(await lab.get('manifests/v1')), '200');
  await lab.proxy.close();
  const { get } = await again(t, lab);
  t.equal(told(await get(`manifests/${child.digest}`)), '200');
  t.equal(told(await get(`blobs/${child.config}`)), '200');
});

t.test('a damaged manifest in the cache is fetched again, never served', async (t) => {
  const lab = await openLab(t);
  const image = lab.signed('app', { tag: 'v1' });
  const { body } = await lab.get('manifests/v1');
  await lab.proxy.close();
  for (const name of readdirSync(lab.proxy.path, { recursive: true })) {
    const file = join(lab.proxy.path, String(name));
    const isBlob = statSync(file).isFile() && !/sqlite|lock/.test(file);
    if (isBlob) writeFileSync(file, Buffer.alloc(statSync(file).size, 'x'));
  }
  lab.registry.clearRequests();
  const { get } = await again(t, lab);
  t.ok((await get('manifests/v1')).body.equals(body));
  t.equal(lab.registry.asked(new RegExp(image.digest)).length, 1);
});

t.test('every tag of one digest is pinned, whichever of them made the decision', async (t) => {
  const lab = await openLab(t);
  const { digest } = lab.signed('app', { tag: 'v1' });
  for (const tag of ['v2', 'v3']) lab.registry.tag(TEAM, tag, digest);
  await Promise.all(['v1', 'v2'].map((tag) => lab.get(`manifests/${tag}`)));
  await lab.get('manifests/v3');
  await lab.proxy.close();
  await lab.registry.close();
  const { get } = await again(t, lab);
  for (const tag of ['v1', 'v2', 'v3']) t.equal(told(await get(`manifests/${tag}`)), '200', tag);
});

t.test('a pin that the new rules do not admit lets the tag be asked for again', async (t) => {
  const { registry, proxy, signed, image, stranger, get } = await openLab(t);
  signed('old', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '200');
  const now = image('now', { tag: 'v1' });
  cosign2(registry, TEAM, now.digest, stranger);
  proxy.reload([{ match: ['lab.local/**'], ...SIGNED }], [rootOf('release', stranger)]);
  const answer = await get('manifests/v1');
  t.equal(told(answer), '200');
  t.equal(answer.headers['docker-content-digest'], now.digest);
});

t.test('what is read from the records is fresh for the rest of its time only', async (t) => {
  const lab = await openLab(t);
  lab.signed('app', { tag: 'v1' });
  await lab.get('manifests/v1');
  await lab.proxy.close();
  const { proxy, get } = await again(t, lab);
  proxy.now += 50_000;
  lab.registry.clearRequests();
  await get('manifests/v1');
  t.strictSame(lab.registry.requests, []);
  proxy.now += 10_000;
  await get('manifests/v1');
  t.equal(lab.registry.requests.length, 1);
});
