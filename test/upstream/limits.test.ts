/** What registries say of their limits, and when they are left alone because of it. */
import t from 'tap';
import { openBudget, parseBudget } from '../../src/upstream/budget.ts';
import { keepLimits } from '../../src/upstream/limit-keeper.ts';
import { createSparedUpstream } from '../../src/upstream/spared-upstream.ts';
import { expectFailure, openFakeRegistry, readAll, REPOSITORY } from '../helpers/open-upstream.ts';
import { failing, MANIFEST, scriptUpstream } from '../helpers/scripted-upstream.ts';

const { digest } = MANIFEST;
const HOUR = 3_600_000;

t.test('budgets are read in the forms that registries have', async (t) => {
  const hub = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' };
  t.strictSame(parseBudget(hub), { limit: 100, remaining: 76, window: 6 * HOUR });
  const reset = { 'ratelimit-limit': '10', 'ratelimit-remaining': '9', 'ratelimit-reset': '50' };
  t.strictSame(parseBudget(reset), { limit: 10, remaining: 9, window: 50_000 });
  t.strictSame(parseBudget({ 'ratelimit-remaining': '0' }), {
    ...{ limit: undefined, remaining: 0, window: HOUR },
  });
  t.strictSame(parseBudget({ ratelimit: '"default";r=50;t=30' }), {
    ...{ limit: undefined, remaining: 50, window: 30_000 },
  });
  t.strictSame(parseBudget({ 'ratelimit-remaining': '5;w=999999999999' })?.window, 24 * HOUR);
});

for (const headers of [
  {},
  { 'ratelimit-limit': '100;w=21600' },
  { 'ratelimit-remaining': '-1' },
  { 'ratelimit-remaining': '' },
  { 'ratelimit-remaining': '1e3' },
  { 'ratelimit-remaining': '9'.repeat(13) },
  { 'ratelimit-remaining': '5, 6' },
  { 'ratelimit-remaining': `5;${'x'.repeat(300)}` },
  { ratelimit: '"a";r=x' },
  { ratelimit: '"a";r=1;t=1, "b";r=2;t=2' },
]) {
  t.test(`no budget is read from ${JSON.stringify(headers).slice(0, 60)}`, async (t) => {
    t.equal(parseBudget(headers), undefined);
  });
}

t.test('a budget is believed for its window, and its last tenth is for who waits', async (t) => {
  let now = 0;
  const budget = openBudget(() => now);
  t.equal(budget.isLow(), false);
  const read = (remaining: number): void => {
    budget.read({ 'ratelimit-limit': '100;w=60', 'ratelimit-remaining': `${remaining};w=60` });
  };
  read(11);
  t.equal(budget.isLow(), false);
  read(10);
  t.equal(budget.isLow(), true);
  budget.read({ date: 'today' });
  t.equal(budget.find()?.remaining, 10, 'an answer without a word of it takes nothing back');
  now = 59_999;
  t.equal(budget.isLow(), true);
  now = 60_000;
  t.equal(budget.isLow(), false);
  t.equal(budget.find(), undefined);
  budget.read({ ratelimit: '"x";r=11;t=9' });
  t.equal(budget.isLow(), false);
  budget.read({ ratelimit: '"x";r=10;t=9' });
  t.equal(budget.isLow(), true);
  now = -1;
  t.equal(budget.find(), undefined, 'a clock that was set back keeps nothing for longer');
});

function open({ luck = 0 } = {}) {
  const registry = scriptUpstream();
  const clock = { now: 1_000_000 };
  const lines: object[] = [];
  const log = (details: object, message?: string) => void lines.push({ ...details, message });
  const state = { isLow: false };
  const keeping = keepLimits(registry, {
    logger: { info: log, warn: log },
    clock: () => clock.now,
    random: () => luck,
    budget: { isLow: () => state.isLow },
  });
  return { registry, keeping, clock, lines, state };
}

t.test('after a 429 nobody is asked before the time that it named', async (t) => {
  const { registry, keeping, clock, lines } = open();
  registry.script = failing('rate-limited', { retryAfter: 30 });
  const first = await expectFailure(t, keeping.resolve('a', 'v1'), 'rate-limited');
  t.equal(first.isUnasked, false);
  t.equal(keeping.isLimited, true);
  clock.now += 29_999;
  const asked = [...registry.asked];
  for (const question of [
    keeping.resolve('b', 'v2'),
    keeping.fetchManifest('a', digest),
    keeping.referrers('a', digest),
  ]) {
    const error = await expectFailure(t, question, 'rate-limited');
    t.equal(error.retryAfter, 1);
    t.equal(error.isUnasked, true);
    t.match(
      error.message,
      /^lab\.local \(lab\.local\) is not asked for another 1 s: rate-limited at/,
    );
  }
  const tags = { origin: 'https://lab.local', path: '/v2/a/tags/list', method: 'GET' } as const;
  await t.rejects(keeping.dispatcher.request(tags), { code: 'rate-limited' });
  t.strictSame(registry.asked, asked);
  clock.now += 1;
  registry.script = () => undefined;
  await keeping.resolve('b', 'v2');
  t.equal(keeping.isLimited, false);
  t.strictSame(lines, [
    {
      ...{ upstream: 'lab.local', url: 'https://lab.local', of: 'manifests', seconds: 30 },
      ...{ reason: 'rate-limited at HEAD a v1', message: 'upstream limits us' },
    },
  ]);
});

t.test('blobs are limited apart from the rest', async (t) => {
  const { registry, keeping } = open();
  registry.script = failing('rate-limited', { only: /^HEAD/ });
  await expectFailure(t, keeping.resolve('a', 'v1'), 'rate-limited');
  await readAll((await keeping.openBlob('a', digest)).body);
  const other = open();
  other.registry.script = failing('rate-limited', { only: /^BLOB/ });
  await expectFailure(t, other.keeping.openBlob('a', digest), 'rate-limited');
  await other.keeping.resolve('a', 'v1');
  t.equal(other.keeping.hasRoom?.(), false, 'what nobody waits for are blobs');
  await expectFailure(t, other.keeping.openBlob('b', digest), 'rate-limited');
  t.equal(other.registry.asked.length, 2);
});

for (const [said, pause] of [
  [undefined, 10_000],
  [0, 1_000],
  [86_400, 900_000],
] as const) {
  t.test(`Retry-After ${said ?? 'missing'} is ${pause} ms`, async (t) => {
    const { registry, keeping, clock } = open();
    registry.script = failing('rate-limited', { retryAfter: said });
    await expectFailure(t, keeping.resolve('a', 'v1'), 'rate-limited');
    registry.script = () => undefined;
    clock.now += pause - 1;
    await expectFailure(t, keeping.resolve('a', 'v1'), 'rate-limited');
    clock.now += 1;
    await keeping.resolve('a', 'v1');
    t.equal(registry.asked.length, 2);
  });
}

t.test('up to a tenth more is left to chance, and nothing less', async (t) => {
  const { registry, keeping, clock } = open({ luck: 0.5 });
  registry.script = failing('rate-limited', { retryAfter: 100 });
  await expectFailure(t, keeping.resolve('a', 'v1'), 'rate-limited');
  clock.now += 104_999;
  t.equal(keeping.isLimited, true);
  clock.now += 1;
  t.equal(keeping.isLimited, false);
});

t.test('what nobody waits for is not asked while the budget is low or after a 429', async (t) => {
  const { registry, keeping, clock, state } = open();
  t.equal(keeping.hasRoom?.(), true);
  state.isLow = true;
  t.equal(keeping.hasRoom?.(), false);
  await keeping.resolve('a', 'v1');
  state.isLow = false;
  registry.script = failing('rate-limited', { retryAfter: 5 });
  await expectFailure(t, keeping.resolve('a', 'v1'), 'rate-limited');
  t.equal(keeping.hasRoom?.(), false);
  clock.now += 5_000;
  t.equal(keeping.hasRoom?.(), true);
});

t.test('the budget of a registry is its own answers’, and shows in its status', async (t) => {
  const registry = await openFakeRegistry(t);
  const elsewhere = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, { schemaVersion: 2 }, { tag: 'v1' });
  const blob = registry.putBlob(REPOSITORY, 'hello');
  elsewhere.putBlob(REPOSITORY, 'hello');
  const nothing = (): void => undefined;
  const upstream = createSparedUpstream({
    name: 'registry.test',
    url: new URL(registry.url),
    insecureHttp: true,
    privateHosts: [elsewhere.host],
    logger: { debug: nothing, info: nothing, warn: nothing },
    clock: () => 0,
  });
  t.teardown(() => upstream.close());
  const status = {
    upstream: 'registry.test',
    url: registry.url,
    isOpen: false,
    openRepositories: 0,
    isLimited: false,
    budget: undefined,
  };
  t.strictSame(upstream.status(), status);
  const headers = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '42;w=21600' };
  registry.fault(/manifests/, { kind: 'headers', headers });
  await upstream.resolve(REPOSITORY, 'v1');
  const budget = { limit: 100, remaining: 42, window: 6 * HOUR };
  t.strictSame(upstream.status(), { ...status, budget });
  t.equal(upstream.hasRoom?.(), true);

  registry.fault(/blobs/, {
    kind: 'redirect',
    to: `${elsewhere.url}/v2/${REPOSITORY}/blobs/${blob}`,
  });
  elsewhere.fault(/./, { kind: 'headers', headers: { 'ratelimit-remaining': '1' } });
  const { body } = await upstream.openBlob(REPOSITORY, blob);
  t.equal((await readAll(body)).toString(), 'hello');
  t.strictSame(upstream.status().budget, budget, 'a place that the registry leads to has its own');

  registry.fault(/manifests/, {
    ...{ kind: 'status', status: 429 },
    headers: { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' },
  });
  await expectFailure(t, upstream.resolve(REPOSITORY, 'v1'), 'rate-limited');
  t.match(upstream.status(), { isLimited: true, budget: { remaining: 0 } });
  t.equal(upstream.hasRoom?.(), false);
});
