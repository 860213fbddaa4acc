/** Audit mode: what would have been refused is served, with a warning, and nothing of it is a precedent. */
import t, { type Test } from 'tap';
import { openLab, SIGNED, TEAM, told, type Lab } from '../helpers/lab.ts';
import { putIndex } from '../helpers/image.ts';
import { cosign2, cosign3 } from '../helpers/signer.ts';

function open(t: Test): Promise<Lab> {
  return openLab(t, {
    rule: { ...SIGNED, name: 'watched', mode: 'audit' },
    registry: { referrersApi: true },
  });
}

t.test('an unsigned image is served with a warning, by tag and digest, GET and HEAD', async (t) => {
  const { proxy, image, get, head } = await open(t);
  const { digest } = image('app', { tag: 'v1' });
  for (const what of ['v1', digest, 'v1']) {
    for (const answer of [await get(`manifests/${what}`), await head(`manifests/${what}`)]) {
      t.equal(answer.status, 200);
      t.match(answer.headers['warning'], /^299 - "audit mode: .*no signature/);
    }
  }
  t.strictSame(new Set(proxy.pulls.map(({ outcome }) => outcome)), new Set(['warned']));
  t.match(proxy.pulls[0], { rule: 'watched', digest, reasons: ['no signature'] });
});

t.test('blobs of a warned image are served', async (t) => {
  const { image, get } = await open(t);
  const app = image('app', { tag: 'v1' });
  await get('manifests/v1');
  for (const blob of [app.config, ...app.layers]) t.equal(told(await get(`blobs/${blob}`)), '200');
});

t.test('a blob that no manifest named is refused in audit mode too', async (t) => {
  const { image, get } = await open(t);
  const app = image('app', { tag: 'v1' });
  t.equal(told(await get(`blobs/${app.config}`)), '403 DENIED');
});

t.test('a signed image is served without a warning', async (t) => {
  const { proxy, signed, get } = await open(t);
  signed('app', { tag: 'v1' });
  t.equal((await get('manifests/v1')).headers['warning'], undefined);
  t.match(proxy.pulls, [{ outcome: 'admitted', signers: [/release/] }]);
});

t.test('a signature that is made later is seen when the tag is refreshed', async (t) => {
  const { registry, proxy, image, signer, get } = await open(t);
  const { digest } = image('app', { tag: 'v1' });
  await get('manifests/v1');
  await get(`manifests/${digest}`);
  cosign2(registry, TEAM, digest, signer);
  proxy.now += 60_000;
  for (const what of ['v1', digest]) {
    const { status, headers } = await get(`manifests/${what}`);
    t.equal(status, 200);
    t.equal(headers['warning'], undefined, what);
  }
});

t.test('what cannot be decided is served with a warning that says why', async (t) => {
  const { registry, proxy, image, get } = await open(t);
  image('app', { tag: 'v1' });
  registry.fault(/\.sig$/, { kind: 'status', status: 403 });
  const { status, headers } = await get('manifests/v1');
  t.equal(status, 200);
  t.match(headers['warning'], /cannot be decided now: could not check tag sha256-/);
  t.match(proxy.pulls, [{ outcome: 'warned' }]);
});

t.test('children of an unsigned index are warned of, not admitted by it', async (t) => {
  const { registry, proxy, image, get } = await open(t);
  const child = image('child');
  putIndex(registry, TEAM, [child], { tag: 'v1' });
  await get('manifests/v1');
  const answer = await get(`manifests/${child.digest}`);
  t.equal(answer.status, 200);
  t.match(answer.headers['warning'], /audit mode/);
  t.equal(told(await get(`blobs/${child.config}`)), '200');
  t.strictSame(
    proxy.pulls.map(({ outcome }) => outcome),
    ['warned', 'warned'],
  );
});

t.test('children of a signed index are admitted by it', async (t) => {
  const { registry, proxy, signer, image, get } = await open(t);
  const child = image('child');
  const index = putIndex(registry, TEAM, [child], { tag: 'v1' });
  cosign2(registry, TEAM, index.digest, signer);
  await get('manifests/v1');
  t.equal((await get(`manifests/${child.digest}`)).headers['warning'], undefined);
  t.strictSame(
    proxy.pulls.map(({ outcome }) => outcome),
    ['admitted', 'admitted'],
  );
});

t.test('what is attached to an unsigned image is warned of, too', async (t) => {
  const { registry, proxy, image, stranger, get } = await open(t);
  const app = image('app', { tag: 'v1' });
  const bundle = cosign3(registry, TEAM, app, stranger);
  await get('manifests/v1');
  t.equal(told(await get(`manifests/${bundle}`)), '200');
  t.strictSame(
    proxy.pulls.map(({ outcome }) => outcome),
    ['warned', 'warned'],
  );
});

t.test('an ambiguous manifest and wrong bytes are refused in audit mode too', async (t) => {
  const { registry, image, get } = await open(t);
  image('both', { tag: 'both', changes: { manifests: [] } });
  image('app', { tag: 'v1' });
  t.equal(told(await get('manifests/both')), '403 DENIED');
  registry.fault(/GET .*\/manifests\/sha256:/, { kind: 'corrupt', at: 9 });
  t.equal(told(await get('manifests/v1')), '502 DIGEST_INVALID');
});

t.test('a signature tag of an unsigned image is warned of, too', async (t) => {
  const { registry, proxy, image, stranger, get } = await open(t);
  const { digest } = image('app', { tag: 'v1' });
  cosign2(registry, TEAM, digest, stranger);
  const answer = await get(`manifests/${digest.replace(':', '-')}.sig`);
  t.equal(answer.status, 200);
  t.match(answer.headers['warning'], /audit mode/);
  t.match(proxy.pulls, [{ outcome: 'warned' }]);
});
