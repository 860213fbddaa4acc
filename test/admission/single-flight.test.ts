/** Many clients at once, and storms: what one of them asked for, the others do not ask for again. */
import t from 'tap';
import { cosign2, cosign3 } from '../helpers/signer.ts';
import { openLab, TEAM, told } from '../helpers/lab.ts';

const HUNDRED = Array.from({ length: 100 });

t.test('a hundred clients on a cold image cost each thing once', async (t) => {
  const { registry, image, signer, get } = await openLab(t, { registry: { referrersApi: true } });
  const app = image('app', { tag: 'v1', layers: [Buffer.alloc(500_000, 'layer')] });
  const digest = cosign3(registry, TEAM, app, signer);
  const bundle = registry.manifest(TEAM, digest);
  const manifests = await Promise.all(HUNDRED.map(() => get('manifests/v1')));
  t.strictSame(new Set(manifests.map(told)), new Set(['200']));
  const blobs = await Promise.all(
    HUNDRED.flatMap(() => [app.config, ...app.layers].map((blob) => get(`blobs/${blob}`))),
  );
  t.strictSame(new Set(blobs.map(told)), new Set(['200']));
  const asked = registry.requests.map(({ method, url }) => `${method} ${url}`);
  t.equal(new Set(asked).size, asked.length, 'nothing is asked for twice');
  t.ok(bundle !== undefined && asked.some((one) => one.endsWith(bundle.digest)));
});

t.test('tag and digest of one image at once cost one verification', async (t) => {
  const { registry, signed, get } = await openLab(t);
  const { digest } = signed('app', { tag: 'v1' });
  registry.tag(TEAM, 'v2', digest);
  const wanted = HUNDRED.map((_, index) => ['v1', 'v2', digest][index % 3] ?? '');
  const answers = await Promise.all(wanted.map((what) => get(`manifests/${what}`)));
  t.strictSame(new Set(answers.map(told)), new Set(['200']));
  t.equal(registry.asked(/\.sig$/).length, 1);
  t.equal(registry.asked(new RegExp(`GET .*${digest}$`)).length <= 2, true);
  // Both tags are pinned, though only one of them made the decision.
  registry.clearRequests();
  for (const tag of ['v1', 'v2']) t.equal(told(await get(`manifests/${tag}`)), '200');
  t.strictSame(registry.requests, []);
});

t.test('a storm on an unsigned tag costs few requests', async (t) => {
  const { registry, image, get, head } = await openLab(t);
  image('app', { tag: 'v1' });
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all(HUNDRED.map(() => get('manifests/v1')));
    t.strictSame(new Set(answers.map(told)), new Set(['403 DENIED']));
    t.equal((await head('manifests/v1')).status, 403);
  }
  t.ok(registry.requests.length <= 6, `${registry.requests.length} requests`);
});

t.test('a storm on many tags of one unsigned digest verifies it once', async (t) => {
  const { registry, image, get } = await openLab(t);
  const { digest } = image('app');
  const tags = HUNDRED.map((_, index) => `v${index}`);
  for (const tag of tags) registry.tag(TEAM, tag, digest);
  const answers = await Promise.all(tags.map((tag) => get(`manifests/${tag}`)));
  t.strictSame(new Set(answers.map(told)), new Set(['403 DENIED']));
  t.equal(registry.asked(/\.sig$/).length, 1);
});

for (const how of ['one after another', 'all at once']) {
  t.test(`every refusal names what was asked for, ${how}`, async (t) => {
    const { registry, image, get } = await openLab(t);
    const { digest } = image('app', { tag: 'v1' });
    registry.tag(TEAM, 'v2', digest);
    const wanted = ['v1', 'v2', digest];
    const ask = async (what: string): Promise<void> => {
      const { error } = await get(`manifests/${what}`);
      const name = what === digest ? `@${digest}` : `:${what}`;
      t.match(error?.message, `lab.local/${TEAM}${name}`);
    };
    if (how === 'all at once') await Promise.all(wanted.map(ask));
    else for (const what of wanted) await ask(what);
  });
}

t.test('a signature made later is seen after five seconds', async (t) => {
  const { registry, proxy, image, signer, get } = await openLab(t);
  const { digest } = image('app', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  t.equal(told(await get(`manifests/${digest}`)), '403 DENIED');
  cosign2(registry, TEAM, digest, signer);
  proxy.now += 4_999;
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  proxy.now += 1;
  t.equal(told(await get('manifests/v1')), '200');
  t.equal(told(await get(`manifests/${digest}`)), '200');
});

t.test('an outage is not remembered: the next client finds the upstream healed', async (t) => {
  const { registry, signed, get } = await openLab(t);
  signed('app', { tag: 'v1' });
  const heal = registry.fault(/./, { kind: 'reset' });
  t.equal(told(await get('manifests/v1')), '503 UNAVAILABLE');
  heal();
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('an absence is not remembered: what is pushed now is served now', async (t) => {
  const { signed, get } = await openLab(t);
  t.equal(told(await get('manifests/v1')), '404 MANIFEST_UNKNOWN');
  signed('app', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('a failure reaches everyone who waited for it', async (t) => {
  const { registry, signed, get } = await openLab(t, { upstream: { retry: { attempts: 1 } } });
  signed('app', { tag: 'v1' });
  registry.fault(/^HEAD/, { kind: 'status', status: 500 });
  const answers = await Promise.all(HUNDRED.map(() => get('manifests/v1')));
  t.strictSame(new Set(answers.map(told)), new Set(['503 UNAVAILABLE']));
});
