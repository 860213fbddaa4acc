/** How often upstream is asked about a tag: once for a refresh, in the background while the pin is usable. */
import t from 'tap';
import { openLab, SIGNED, told, type Lab, type LabOptions } from '../helpers/lab.ts';
import { TAG_RULE } from '../helpers/tag-rule.ts';

const { refresh, maxStale } = TAG_RULE;
const RULE = { ...SIGNED, tags: { background: refresh } };
const HEADS = /^HEAD .*\/manifests\/v1$/;

/** A tag whose pin is as old as told. */
async function pinned(t: Parameters<typeof openLab>[0], age: number, options: LabOptions = {}) {
  const lab = await openLab(t, { rule: RULE, ...options });
  const one = lab.signed('one', { tag: 'v1' });
  t.equal(told(await lab.get('manifests/v1')), '200');
  lab.registry.clearRequests();
  lab.proxy.now += age;
  return { ...lab, proxy: lab.proxy, one };
}

async function digest({ get }: Pick<Lab, 'get'>): Promise<unknown> {
  return (await get('manifests/v1')).headers['docker-content-digest'];
}

/** Pulls until the answer is the one. What happens in the background takes as long as the machine is busy with others. */
async function eventually(check: () => Promise<boolean>): Promise<boolean> {
  const end = Date.now() + 60_000;
  while (Date.now() < end) if (await check()) return true;
  return false;
}

t.test('a pin beyond its refresh answers at once, and upstream is asked meanwhile', async (t) => {
  const lab = await pinned(t, refresh);
  const two = lab.signed('two', { tag: 'v1' });
  const { promise, resolve } = Promise.withResolvers<undefined>();
  lab.registry.fault(HEADS, { kind: 'wait', until: promise });
  for (let pull = 0; pull < 5; pull++) {
    t.equal(await digest(lab), lab.one.digest, 'although upstream does not answer yet');
  }
  resolve(undefined);
  t.ok(await eventually(async () => (await digest(lab)) === two.digest));
  t.equal(lab.registry.asked(HEADS).length, 1, 'one question at a time');
});

t.test('what was found in the background answers next', async (t) => {
  const lab = await pinned(t, refresh);
  const two = lab.signed('two', { tag: 'v1' });
  t.equal(await digest(lab), lab.one.digest);
  t.ok(await eventually(async () => (await digest(lab)) === two.digest));
  t.equal(lab.registry.asked(HEADS).length, 1);
});

t.test(
  'a pin that nobody asked for in time does not answer: the client waits for upstream',
  async (t) => {
    const lab = await pinned(t, 2 * refresh);
    const two = lab.signed('two', { tag: 'v1' });
    t.equal(await digest(lab), two.digest);
  },
);

t.test('an upstream that is away is not asked at every pull', async (t) => {
  const lab = await pinned(t, refresh);
  lab.registry.fault(/./, { kind: 'status', status: 500 });
  t.equal(await digest(lab), lab.one.digest);
  const warned = async () => (await lab.get('manifests/v1')).headers['warning'] !== undefined;
  t.ok(await eventually(warned), 'the client is told');
  const asked = lab.registry.asked(HEADS).length;
  for (let pull = 0; pull < 20; pull++) t.equal(await digest(lab), lab.one.digest);
  t.equal(lab.registry.asked(HEADS).length, asked);
  lab.proxy.now += maxStale;
  t.equal(told(await lab.get('manifests/v1')), '503 UNAVAILABLE');
});

t.test('a move that is refused in the background is refused from then on', async (t) => {
  const lab = await pinned(t, refresh);
  lab.image('evil', { tag: 'v1' });
  t.equal(await digest(lab), lab.one.digest);
  t.ok(await eventually(async () => told(await lab.get('manifests/v1')) === '403 DENIED'));
  for (let pull = 0; pull < 4; pull++) {
    lab.proxy.now += 5_001;
    t.equal(told(await lab.get('manifests/v1')), '403 DENIED', 'inside the time of the pin too');
  }
});

t.test('a thousand pulls cost one HEAD a refresh, and one GET of each new manifest', async (t) => {
  for (const background of [0, refresh]) {
    const lab = await openLab(t, { rule: { ...SIGNED, tags: { background } } });
    const { registry, proxy, signed, get } = lab;
    const images = [signed('one', { tag: 'v1' })];
    const start = proxy.now;
    for (let pull = 0; pull < 1000; pull++) {
      if (pull === 300 || pull === 700) images.push(signed(`moved ${pull}`, { tag: 'v1' }));
      t.equal((await get('manifests/v1')).status, 200);
      proxy.now += refresh / 50;
    }
    const periods = Math.ceil((proxy.now - start) / refresh);
    const heads = registry.asked(HEADS).length;
    t.ok(heads <= periods, `${heads} HEADs in ${periods} periods`);
    t.ok(heads >= periods / 2 - 1, 'and it is asked');
    t.equal(registry.asked(/^GET .*\/manifests\/v1$/).length, 0);
    t.equal(registry.asked(/^GET .*\/manifests\/sha256:/).length, images.length);
    proxy.now += 2 * refresh;
    t.equal(await digest(lab), images.at(-1)?.digest, 'and moves are followed');
  }
});

t.test(
  'a client waits two seconds for a word of the upstream, and as long as it takes for the rest',
  async (t) => {
    const lab = await pinned(t, 2 * refresh);
    const two = lab.signed('two', { tag: 'v1' });
    const silent = Promise.withResolvers<undefined>();
    const heal = lab.registry.fault(HEADS, { kind: 'wait', until: silent.promise });
    const answers = await Promise.all([1, 2, 3].map(() => lab.get('manifests/v1')));
    for (const { headers } of answers) {
      t.equal(headers['docker-content-digest'], lab.one.digest);
      t.match(headers['warning'], /stale: the upstream is silent so far/);
    }
    t.equal(lab.registry.asked(HEADS).length, 1);
    silent.resolve(undefined);
    heal();
    t.ok(await eventually(async () => (await digest(lab)) === two.digest), 'what it says counts');

    lab.proxy.now += 2 * refresh;
    const three = lab.signed('three', { tag: 'v1' });
    const slow = Promise.withResolvers<undefined>();
    lab.registry.fault(/\.sig/, { kind: 'wait', until: slow.promise });
    const waiting = digest(lab);
    setTimeout(() => {
      slow.resolve(undefined);
    }, 2_500);
    t.equal(await waiting, three.digest, 'verifying may take longer');
  },
);

t.test('nobody stands in for a tag that was refused while its upstream is silent', async (t) => {
  const lab = await pinned(t, 2 * refresh);
  lab.image('evil', { tag: 'v1' });
  t.equal(told(await lab.get('manifests/v1')), '403 DENIED');
  lab.proxy.now += 10_000;
  const silent = Promise.withResolvers<undefined>();
  lab.registry.fault(HEADS, { kind: 'wait', until: silent.promise });
  const waiting = lab.get('manifests/v1');
  setTimeout(() => {
    silent.resolve(undefined);
  }, 2_500);
  t.equal(told(await waiting), '403 DENIED');
});
