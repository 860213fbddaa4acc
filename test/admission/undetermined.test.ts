/** "We could not look" is not "we looked and it fails": 503, 504 or 429, never 403, and never served. */
import t, { type Test } from 'tap';
import { openLab, TEAM, told, type Lab, type LabOptions } from '../helpers/lab.ts';
import { cosign2, cosign3 } from '../helpers/signer.ts';
import type { FaultAction } from '../helpers/fake-registry-reply.ts';

const SIG = /^GET .*\.sig$/;
const REFERRERS = /^GET .*\/referrers\//;
const FALLBACK = /^GET .*\/manifests\/sha256-[0-9a-f]{64}$/;

/** @param action what the upstream will do: its silence alone is waited for, and a busy machine is no silence. */
function open(t: Test, options: LabOptions = {}, action?: FaultAction): Promise<Lab> {
  const headers = action?.kind === 'stall' ? 1_000 : 60_000;
  const upstream = { retry: { attempts: 1 }, timeouts: { headers } };
  return openLab(t, { registry: { referrersApi: true }, upstream, ...options });
}

const troubles: Readonly<Record<string, readonly [FaultAction, string]>> = {
  'an error': [{ kind: 'status', status: 500 }, '503 UNAVAILABLE'],
  'a bad gateway': [{ kind: 'status', status: 502 }, '503 UNAVAILABLE'],
  'a rate limit': [
    { kind: 'status', status: 429, headers: { 'retry-after': '33' } },
    '429 TOOMANYREQUESTS',
  ],
  'a request for other credentials': [{ kind: 'status', status: 401 }, '503 UNAVAILABLE'],
  'a refusal': [{ kind: 'status', status: 403 }, '503 UNAVAILABLE'],
  silence: [{ kind: 'stall' }, '504 UNAVAILABLE'],
  'a reset': [{ kind: 'reset' }, '503 UNAVAILABLE'],
  'a broken body': [{ kind: 'truncate', at: 3 }, '503 UNAVAILABLE'],
};

for (const [what, [action, expected]] of Object.entries(troubles)) {
  for (const [where, place] of Object.entries({ '.sig': SIG, referrers: REFERRERS })) {
    t.test(`${what} at the ${where} of an image without signatures is ${expected}`, async (t) => {
      const { registry, image, stranger, get, head } = await open(t, {}, action);
      const { digest } = image('app', { tag: 'v1' });
      // So that there is a body to break.
      cosign2(registry, TEAM, digest, stranger);
      registry.fault(place, action);
      const answer = await get('manifests/v1');
      t.equal(told(answer), expected);
      t.match(answer.error?.message, /cannot be decided now: could not check /);
      t.match(answer.headers['retry-after'], /^\d+$/);
      t.equal((await head(`manifests/${digest}`)).status, answer.status);
      t.equal(told(await get(`blobs/${digest}`)), '403 DENIED');
    });
  }
}

t.test("an upstream's own Retry-After is handed on", async (t) => {
  const { registry, image, get } = await open(t);
  image('app', { tag: 'v1' });
  registry.fault(SIG, { kind: 'status', status: 429, headers: { 'retry-after': '33' } });
  t.equal((await get('manifests/v1')).headers['retry-after'], '33');
});

t.test(
  'an error at the fallback index is undetermined where there is no referrers API',
  async (t) => {
    const { registry, image, get } = await open(t, { registry: {} });
    image('app', { tag: 'v1' });
    registry.fault(FALLBACK, { kind: 'status', status: 500 });
    t.equal(told(await get('manifests/v1')), '503 UNAVAILABLE');
  },
);

t.test('an error at one of the listed referrers is undetermined', async (t) => {
  const { registry, image, signer, get } = await open(t);
  const digest = cosign3(registry, TEAM, image('app', { tag: 'v1' }), signer);
  registry.fault(new RegExp(`GET .*${digest}$`), { kind: 'status', status: 500 });
  t.equal(told(await get('manifests/v1')), '503 UNAVAILABLE');
});

t.test('an error at the content of a signature is undetermined', async (t) => {
  const { registry, signed, get } = await open(t);
  signed('app', { tag: 'v1' });
  registry.fault(/\/blobs\//, { kind: 'status', status: 500 });
  t.equal(told(await get('manifests/v1')), '503 UNAVAILABLE');
});

t.test('a place that cannot be looked at does not matter when the other satisfies', async (t) => {
  const { registry, image, signed, signer, get } = await open(t);
  signed('old', { tag: 'old' });
  cosign3(registry, TEAM, image('now', { tag: 'now' }), signer);
  const heal = registry.fault(REFERRERS, { kind: 'status', status: 500 });
  t.equal(told(await get('manifests/old')), '200');
  heal();
  registry.fault(SIG, { kind: 'status', status: 500 });
  t.equal(told(await get('manifests/now')), '200');
});

t.test('an undetermined answer is not remembered', async (t) => {
  const { registry, signed, get } = await open(t);
  const { digest } = signed('app', { tag: 'v1' });
  const heal = registry.fault(SIG, { kind: 'status', status: 500 });
  t.equal(told(await get('manifests/v1')), '503 UNAVAILABLE');
  t.equal(told(await get(`manifests/${digest}`)), '503 UNAVAILABLE');
  heal();
  t.equal(told(await get('manifests/v1')), '200');
  t.equal(told(await get(`manifests/${digest}`)), '200');
});

t.test('an event of an undetermined pull says so', async (t) => {
  const { registry, proxy, image, get } = await open(t);
  image('app', { tag: 'v1' });
  registry.fault(SIG, { kind: 'status', status: 500 });
  await get('manifests/v1');
  t.match(proxy.pulls, [{ outcome: 'undetermined', reasons: [/could not check/] }]);
});

t.test('an attachment tag of an image that cannot be decided is 503, not absent', async (t) => {
  const { registry, image, get } = await open(t);
  const { digest } = image('app', { tag: 'v1' });
  registry.fault(REFERRERS, { kind: 'status', status: 500 });
  t.equal(told(await get(`manifests/${digest.replace(':', '-')}.sig`)), '503 UNAVAILABLE');
  t.equal(told(await get(`referrers/${digest}`)), '503 UNAVAILABLE');
});

t.test('a bundle of an image that cannot be decided is 503, not denied', async (t) => {
  const { registry, image, signer, get } = await open(t);
  const app = image('app', { tag: 'v1' });
  const bundle = cosign3(registry, TEAM, app, signer);
  registry.fault(new RegExp(`GET .*/referrers/${app.digest}$`), { kind: 'status', status: 500 });
  t.equal(told(await get(`manifests/${bundle}`)), '503 UNAVAILABLE');
});

const first: Readonly<Record<string, readonly [FaultAction, string]>> = {
  'an error': [{ kind: 'status', status: 500 }, '503 UNAVAILABLE'],
  'a rate limit': [{ kind: 'status', status: 429 }, '429 TOOMANYREQUESTS'],
  silence: [{ kind: 'stall' }, '504 UNAVAILABLE'],
  'a reset': [{ kind: 'reset' }, '503 UNAVAILABLE'],
  'a request for other credentials': [{ kind: 'status', status: 401 }, '403 DENIED'],
  'a refusal': [{ kind: 'status', status: 403 }, '403 DENIED'],
  absence: [{ kind: 'status', status: 404 }, '404 MANIFEST_UNKNOWN'],
};

for (const [what, [action, expected]] of Object.entries(first)) {
  t.test(`${what} at the tag itself is ${expected}, and so it is at the manifest`, async (t) => {
    const { registry, signed, get } = await open(t, {}, action);
    const { digest } = signed('app', { tag: 'v1' });
    registry.fault(/\/manifests\/(v1|sha256:)/, action);
    t.equal(told(await get('manifests/v1')), expected);
    t.equal(told(await get(`manifests/${digest}`)), expected);
  });
}

t.test(
  'many places that cannot be looked at are told of in few words, and the advice stays',
  async (t) => {
    const { registry, image, stranger, get } = await open(t);
    const app = image('app', { tag: 'v1' });
    const bundles = Array.from({ length: 20 }, () => cosign3(registry, TEAM, app, stranger));
    registry.fault(({ url }) => bundles.some((digest) => url.endsWith(digest)), {
      kind: 'status',
      status: 500,
    });
    const { error } = await get('manifests/v1');
    t.match(error?.message, /nor 17 more places\..*countersign verify lab\.local\/team\/app:v1$/);
  },
);
