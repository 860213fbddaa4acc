/** The world is down and the cache is warm: which pulls never notice, which are served stale, and which are refused how. */
import t, { type Test } from 'tap';
import type { FaultAction } from '../helpers/fake-registry-reply.ts';
import { putImage } from '../helpers/image.ts';
import { openLab, TEAM, told, type Lab, type LabOptions } from '../helpers/lab.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2 } from '../helpers/signer.ts';

const REFRESH = 60_000;
const MAX_STALE = 3_600_000;
/** Half of it is for sure, and in tests all that there is. */
const CIRCUIT = { failures: 3, firstRest: 10_000, longestRest: 120_000 };

/** @param patience milliseconds until headers must be there. */
function open(t: Test, options: LabOptions = {}, patience = 30_000): Promise<Lab> {
  return openLab(t, {
    spared: CIRCUIT,
    upstream: { retry: { attempts: 1 }, timeouts: { headers: patience } },
    ...options,
  });
}

interface Trouble {
  /** Undefined: it is killed. */
  readonly fault: FaultAction | undefined;
  /** Of what was never pulled. */
  readonly refusal: string;
  readonly reason: RegExp;
}

const troubles: Readonly<Record<string, Trouble>> = {
  'is killed': { fault: undefined, refusal: '503 UNAVAILABLE', reason: /connection refused/ },
  'hangs up on everybody': {
    ...{ fault: { kind: 'reset' }, refusal: '503 UNAVAILABLE', reason: /connection lost/ },
  },
  'says nothing': {
    ...{ fault: { kind: 'stall' }, refusal: '504 UNAVAILABLE', reason: /no answer in time/ },
  },
  'answers 500': {
    fault: { kind: 'status', status: 500 },
    ...{ refusal: '503 UNAVAILABLE', reason: /got 500/ },
  },
  'answers 503 and asks for an hour': {
    fault: { kind: 'status', status: 503, headers: { 'retry-after': '3600' } },
    ...{ refusal: '503 UNAVAILABLE', reason: /got 503/ },
  },
  'answers 429': {
    fault: { kind: 'status', status: 429, headers: { 'retry-after': '120' } },
    ...{ refusal: '429 TOOMANYREQUESTS', reason: /got 429/ },
  },
  'answers 401': {
    fault: { kind: 'status', status: 401 },
    ...{ refusal: '403 DENIED', reason: /got 401/ },
  },
  'answers 403': {
    fault: { kind: 'status', status: 403 },
    ...{ refusal: '403 DENIED', reason: /got 403/ },
  },
};

for (const [what, { fault, refusal, reason }] of Object.entries(troubles)) {
  t.test(`an upstream that ${what} costs no pull within maxStale`, async (t) => {
    const lab = await open(t, {}, fault?.kind === 'stall' ? 1_000 : undefined);
    const { registry, proxy, get, head } = lab;
    const app = lab.signed('app', { tag: 'v1' });
    const cold = lab.signed('cold', { tag: 'cold' });
    const whole = [`manifests/${app.digest}`, ...app.layers.map((layer) => `blobs/${layer}`)];
    t.equal(told(await get('manifests/v1')), '200');
    for (const part of whole) t.equal(told(await get(part)), '200');
    if (fault === undefined) await registry.close();
    else registry.fault(/./, fault);
    registry.clearRequests();

    /** Every way to pull what is cached; the warning that came with the tag. */
    async function pull(): Promise<unknown> {
      const tagged = await get('manifests/v1');
      t.equal(tagged.headers['docker-content-digest'], app.digest);
      const statuses = [tagged.status, (await head('manifests/v1')).status];
      for (const part of whole) statuses.push((await get(part)).status);
      t.ok(
        statuses.every((status) => status === 200),
        String(statuses),
      );
      return tagged.headers['warning'];
    }

    const begin = proxy.now;
    proxy.now = begin + REFRESH - 1;
    t.equal(await pull(), undefined);
    t.equal(registry.requests.length, 0, 'fresh pins and digests ask nobody');
    for (let age = REFRESH; age < MAX_STALE - REFRESH; age += 9 * REFRESH) {
      proxy.now = begin + age;
      t.match(await pull(), /^299 - "stale: /);
    }
    proxy.now = begin + MAX_STALE - 1;
    t.match(await pull(), /^299 - "stale: /);
    t.ok(registry.requests.length <= 8, `${registry.requests.length} questions`);

    proxy.now = begin + MAX_STALE;
    const over = await get('manifests/v1');
    t.equal(told(over), '503 UNAVAILABLE');
    t.match(over.error?.message, reason);
    t.match(over.error?.message, /looked up last on .*, longer ago than tags\.maxStale allows/);
    t.ok(over.headers['retry-after']);
    t.equal((await head('manifests/v1')).status, 503);
    const unknown = await get('manifests/cold');
    t.equal(told(unknown), refusal);
    t.match(unknown.error?.message, reason);
    t.equal(unknown.headers['retry-after'] === undefined, refusal.startsWith('403'));
    t.equal(told(await get(`manifests/${cold.digest}`)), refusal);
    for (const part of whole) t.equal(told(await get(part)), '200', 'a digest is what it was');
  });
}

t.test('an upstream that lost everything costs no digest and no fresh pin', async (t) => {
  const { registry, proxy, signed, get } = await open(t);
  const app = signed('app', { tag: 'v1' });
  const whole = ['manifests/v1', `manifests/${app.digest}`, `blobs/${app.layers[0] ?? ''}`];
  for (const part of whole) t.equal(told(await get(part)), '200');
  registry.fault(/./, { kind: 'status', status: 404 });
  registry.clearRequests();
  proxy.now += REFRESH - 1;
  for (const part of whole) t.equal(told(await get(part)), '200');
  t.strictSame(registry.requests, []);
});

t.test('a dead upstream is not asked by those who pull what is not here', async (t) => {
  const { registry, proxy, signed, get } = await open(t);
  signed('app', { tag: 'v1' });
  const heal = registry.fault(/./, { kind: 'reset' });
  const tags = Array.from({ length: 30 }, (_, index) => `manifests/v${index}`);
  for (const tag of tags) t.equal(told(await get(tag)), '503 UNAVAILABLE');
  t.equal(registry.requests.length, CIRCUIT.failures);
  const { error, headers } = await get('manifests/v1');
  t.match(
    error?.message,
    /is not asked for another 5 s after 3 failures in a row.*connection lost/,
  );
  t.equal(headers['retry-after'], '5');
  t.equal(told(await get('tags/list')), '503 UNAVAILABLE');
  t.equal(registry.requests.length, CIRCUIT.failures, 'nor for a list of tags');
  heal();
  proxy.now += 4_999;
  t.equal(told(await get('manifests/v1')), '503 UNAVAILABLE');
  proxy.now += 1;
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('a repository that is broken leaves the others as they are', async (t) => {
  const { registry, proxy, signed, get } = await open(t);
  signed('app', { tag: 'v1' });
  registry.fault(/\/v2\/team\/broken\//, { kind: 'status', status: 500 });
  const broken = '/v2/lab.local/team/broken/manifests/v1';
  for (let time = 0; time < 5; time++) t.equal(told(await proxy.get(broken)), '503 UNAVAILABLE');
  t.equal(registry.asked(/broken/).length, 3);
  t.equal(told(await get('manifests/v1')), '200');
});

t.test('a client that hammers at what is not there reaches the upstream once in 5 s', async (t) => {
  const { registry, proxy, signed, get } = await open(t);
  for (let time = 0; time < 20; time++)
    t.equal(told(await get('manifests/v1')), '404 MANIFEST_UNKNOWN');
  t.equal(registry.requests.length, 1);
  signed('app', { tag: 'v1' });
  proxy.now += 4_999;
  t.equal(told(await get('manifests/v1')), '404 MANIFEST_UNKNOWN');
  proxy.now += 1;
  t.equal(told(await get('manifests/v1')), '200', 'pushed meanwhile');
});

t.test('a signature that was pushed after a denial is seen as soon as ever', async (t) => {
  const { registry, proxy, image, signer, get } = await open(t);
  const { digest } = image('app', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  cosign2(registry, TEAM, digest, signer);
  proxy.now += 5_000;
  t.equal(told(await get('manifests/v1')), '200');
});

t.test(
  'a limited upstream is asked again when it said so, and blobs come all the while',
  async (t) => {
    const { registry, proxy, signed, get } = await open(t);
    const app = signed('app', { tag: 'v1' });
    t.equal(told(await get('manifests/v1')), '200');
    const heal = registry.fault(/manifests/, {
      ...{ kind: 'status', status: 429, headers: { 'retry-after': '120' } },
    });
    const answer = await get('manifests/other');
    t.equal(told(answer), '429 TOOMANYREQUESTS');
    t.equal(answer.headers['retry-after'], '120');
    heal();
    registry.clearRequests();
    proxy.now += 119_999;
    t.equal(told(await get('manifests/another')), '429 TOOMANYREQUESTS');
    t.match((await get('manifests/v1')).headers['warning'], /stale/);
    t.strictSame(registry.requests, []);
    t.equal(told(await get(`blobs/${app.layers[0] ?? ''}`)), '200');
    proxy.now += 10_001;
    t.equal((await get('manifests/v1')).headers['warning'], undefined);
  },
);

t.test('a mirror takes the place of an upstream that rests, and nobody waits for it', async (t) => {
  const mirror = await openFakeRegistry(t);
  const { registry, signed, get } = await open(t, { mirrors: [mirror] });
  const layers = Array.from({ length: 12 }, (_, index) => Buffer.from(`layer ${index}`));
  const app = signed('app', { tag: 'v1', layers });
  putImage(mirror, TEAM, 'app', { layers });
  t.equal(told(await get('manifests/v1')), '200');
  registry.fault(/blobs/, { kind: 'reset' });
  registry.clearRequests();
  for (const layer of app.layers) t.equal(told(await get(`blobs/${layer}`)), '200');
  t.equal(registry.requests.length, CIRCUIT.failures);
  t.equal(mirror.requests.length, layers.length);
});
