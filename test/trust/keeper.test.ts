/** A trust root that stays fresh in the background, and stays usable when nothing else works. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { TrustKeeper, type TrustKeeperOptions } from '../../src/trust/keeper.ts';
import type { TrustSource } from '../../src/trust/trust-source.ts';
import { sigstoreRoot, type SigstoreRoot } from '../../src/trust/trust-root.ts';
import { createTufSource } from '../../src/trust/tuf.ts';
import { parseTrustedRoot } from '../../src/trust/trusted-root.ts';
import { createSigstore, SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { startTufServer } from '../helpers/tuf-repository.ts';
import { testdir } from '../helpers/testdir.ts';

const HOUR = 3_600_000;
const DEADLINE = 60_000;
const json = (): string => JSON.stringify(createSigstore().trustedRootJson());
const [ONE, TWO, SHIPPED] = [json(), json(), json()];
const shipped = parseTrustedRoot(Buffer.from(SHIPPED));
const ids = new Map(
  [ONE, TWO, SHIPPED].map((text) => [
    text,
    sigstoreRoot('x', parseTrustedRoot(Buffer.from(text)), { source: 'x' }).id,
  ]),
);
const idOf = (text: string): string => ids.get(text) ?? 'unknown';

interface Timer {
  readonly work: () => void;
  readonly delay: number;
}

function setUp(t: Test, folder: string = testdir(t, {})) {
  const state = { now: SIGSTORE_TIME, answer: ONE as string | Error | Promise<never>, fetches: 0 };
  const source: TrustSource = {
    name: 'https://tuf.test',
    id: 'this one',
    fetch: async () => {
      state.fetches++;
      if (state.answer instanceof Error) throw state.answer;
      return Buffer.from(await state.answer);
    },
  };
  const timers = new Set<Timer>();
  const changes: { root: SigstoreRoot; previous: SigstoreRoot }[] = [];
  const warnings: string[] = [];
  const create = (options: Partial<TrustKeeperOptions> = {}): TrustKeeper => {
    timers.clear();
    return new TrustKeeper({
      name: 'ours',
      source,
      folder,
      refresh: HOUR,
      clock: () => state.now,
      random: () => 0.5,
      schedule: (work, delay) => {
        const timer = { work, delay };
        timers.add(timer);
        return { cancel: () => timers.delete(timer) };
      },
      logger: {
        info: () => undefined,
        warn: (_fields, message) => warnings.push(message),
      },
      onChange: (root, previous) => changes.push({ root, previous }),
      ...options,
    });
  };
  const delays = (): readonly number[] => [...timers].map(({ delay }) => delay);
  return { state, source, timers, changes, warnings, folder, create, delays };
}

t.test('a root that was never fetched says so, and why', async (t) => {
  const { state, create, changes } = setUp(t);
  const keeper = create();
  await keeper.start();
  t.match(keeper.current(), { name: 'ours', unavailable: 'it was never fetched' });
  t.same(keeper.current().authorities.certificateAuthorities, []);
  state.answer = new Error('no answer from tuf.test');
  t.equal(await keeper.refresh(), false);
  t.match(keeper.current().unavailable, /never fetched: no answer from tuf.test/);
  state.answer = ONE;
  t.equal(await keeper.refresh(), true);
  t.equal(keeper.current().unavailable, undefined);
  t.equal(keeper.current().id, idOf(ONE));
  t.match(keeper.current().source, 'https://tuf.test, fetched 2026-03-01T12:00:00.000Z');
  t.equal(changes.at(-1)?.root, keeper.current());
});

t.test('the shipped root answers at once, without anybody being asked', async (t) => {
  const { state, create, delays } = setUp(t);
  const keeper = create({ shipped });
  t.equal(keeper.current().id, idOf(SHIPPED));
  await keeper.start();
  t.equal(state.fetches, 0, 'only the timer asks');
  t.same(delays(), [0]);
  t.equal(keeper.current().source, 'shipped with countersign');
  t.equal(keeper.current().staleAfter, undefined);
});

t.test('the timer fetches, and fetches again after the interval', async (t) => {
  const { state, timers, create, delays } = setUp(t);
  const keeper = create({ shipped });
  await keeper.start();
  for (const { work } of [...timers]) work();
  await keeper.refresh();
  t.equal(state.fetches, 1, 'who asks meanwhile joins');
  t.equal(keeper.current().id, idOf(ONE));
  t.same(delays(), [HOUR]);
});

t.test('other content is another id; the same content only stays fresh for longer', async (t) => {
  const { state, changes, create } = setUp(t);
  const keeper = create({ maxStaleness: 10 });
  await keeper.start();
  await keeper.refresh();
  t.equal(keeper.current().staleAfter, SIGSTORE_TIME + 10);
  state.now += 5;
  await keeper.refresh();
  const last = changes.at(-1);
  t.equal(last?.root.id, last?.previous.id);
  t.equal(keeper.current().staleAfter, SIGSTORE_TIME + 15);
  state.answer = TWO;
  await keeper.refresh();
  t.match(changes.at(-1), { root: { id: idOf(TWO) }, previous: { id: idOf(ONE) } });
});

t.test('a failure keeps the old root, and pauses grow', async (t) => {
  const { state, create, delays, warnings } = setUp(t);
  const keeper = create({ maxStaleness: 10 });
  await keeper.start();
  await keeper.refresh();
  state.answer = new Error('down');
  state.now += 11;
  const pauses: number[] = [];
  for (let time = 0; time < 9; time++) {
    await keeper.refresh();
    pauses.push(...delays());
  }
  t.equal(keeper.current().id, idOf(ONE));
  t.ok((keeper.current().staleAfter ?? Infinity) < state.now, 'and it is stale');
  t.same(pauses.slice(0, 4), [22_500, 45_000, 90_000, 180_000]);
  t.equal(pauses.at(-1), HOUR * 0.75);
  t.equal(warnings.length, 9);
  state.answer = ONE;
  t.equal(await keeper.refresh(), true);
  t.ok((keeper.current().staleAfter ?? 0) > state.now);
  state.answer = new Error('down again');
  await keeper.refresh();
  t.same(delays(), [22_500], 'from the beginning');
});

t.test('a root that cannot be read is refused, and the old one stays', async (t) => {
  const { state, create, warnings } = setUp(t);
  const keeper = create();
  await keeper.start();
  await keeper.refresh();
  for (const answer of ['{', '{}', ONE.replaceAll('"start"', '"begin"')]) {
    state.answer = answer;
    t.equal(await keeper.refresh(), false);
    t.equal(keeper.current().id, idOf(ONE));
  }
  t.equal(warnings.length, 3);
});

t.test('a fetch that never ends is given up', async (t) => {
  const { state, timers, create } = setUp(t);
  const keeper = create();
  await keeper.start();
  state.answer = new Promise<never>(() => undefined);
  const refreshed = keeper.refresh();
  const deadline = [...timers].find(({ delay }) => delay === DEADLINE);
  t.ok(deadline);
  deadline?.work();
  t.equal(await refreshed, false);
  t.match(keeper.current().unavailable, /no answer within 60 s/);
});

t.test('closing ends what is under way, and nothing begins after it', async (t) => {
  const { state, timers, create, warnings } = setUp(t);
  const keeper = create({ shipped });
  await keeper.start();
  state.answer = new Promise<never>(() => undefined);
  const refreshed = keeper.refresh();
  await keeper.close();
  t.equal(await refreshed, false);
  t.equal(await keeper.refresh(), false);
  t.equal(timers.size, 0);
  t.same(warnings, []);
  t.equal(state.fetches, 1);
  t.equal(keeper.current().id, idOf(SHIPPED));
});

t.test(
  'a restart begins with what was fetched last, and waits for the rest of the interval',
  async (t) => {
    const { state, folder, create, delays } = setUp(t);
    const first = create({ shipped, maxStaleness: 2 * HOUR });
    await first.start();
    await first.refresh();
    await first.close();
    state.answer = new Error('down');
    state.now += HOUR / 4;
    const second = create({ shipped, maxStaleness: 2 * HOUR });
    await second.start();
    t.equal(second.current().id, idOf(ONE));
    t.equal(second.current().staleAfter, SIGSTORE_TIME + 2 * HOUR);
    t.same(delays(), [HOUR * 0.75]);
    t.same(readdirSync(folder), ['last-known-good.json']);
    state.now = SIGSTORE_TIME - HOUR;
    const third = create({ maxStaleness: HOUR });
    await third.start();
    t.equal(third.current().staleAfter, SIGSTORE_TIME, 'a clock set back makes nothing fresh');
  },
);

t.test('the age of a shipped root counts from when it was first relied upon', async (t) => {
  const { state, create } = setUp(t);
  await create({ shipped, maxStaleness: HOUR }).start();
  state.now += 5 * HOUR;
  const again = create({ shipped, maxStaleness: HOUR });
  await again.start();
  t.equal(again.current().id, idOf(SHIPPED));
  t.equal(again.current().staleAfter, SIGSTORE_TIME + HOUR);
});

t.test('a damaged file, and what another source left, are not used', async (t) => {
  const { folder, source, warnings, create } = setUp(t);
  const first = create();
  await first.start();
  await first.refresh();
  const file = join(folder, 'last-known-good.json');
  const whole = readFileSync(file, 'utf8');
  const kept = JSON.parse(whole) as Record<string, unknown>;
  const damaged = [
    whole.slice(0, 500),
    '',
    '[]',
    JSON.stringify({ ...kept, version: 2 }),
    JSON.stringify({ ...kept, since: SIGSTORE_TIME + HOUR }),
    JSON.stringify({ ...kept, content: Buffer.from(TWO).toString('base64') }),
    JSON.stringify({ ...kept, content: null }),
    ' '.repeat(3 * 1024 * 1024),
  ];
  for (const text of damaged) {
    writeFileSync(file, text);
    const keeper = create({ shipped });
    await keeper.start();
    t.equal(keeper.current().id, idOf(SHIPPED), text.slice(0, 20));
  }
  t.equal(warnings.length, damaged.length);
  writeFileSync(file, whole);
  const other = create({ shipped, source: { ...source, id: 'another one' } });
  await other.start();
  t.equal(other.current().id, idOf(SHIPPED));
  const same = create({ shipped });
  await same.start();
  t.equal(same.current().id, idOf(ONE), 'and the file was good');
});

t.test('a disk that takes nothing leaves the root fresh in memory', async (t) => {
  const folder = join(testdir(t, { file: 'not a folder' }), 'file');
  const { create, warnings } = setUp(t, folder);
  const keeper = create();
  await keeper.start();
  t.equal(await keeper.refresh(), true);
  t.equal(keeper.current().id, idOf(ONE));
  t.ok(warnings.includes('trust root not kept on disk'));
});

t.test('end to end with a TUF repository', async (t) => {
  const server = await startTufServer(t);
  const { folder, create, changes } = setUp(t);
  const source = createTufSource(
    { mirror: server.url, initialRoot: server.initialRoot },
    { folder, retries: 0 },
  );
  server.publish({ 'trusted_root.json': ONE });
  const keeper = create({ source, maxStaleness: HOUR });
  await keeper.start();
  t.equal(await keeper.refresh(), true);
  t.equal(keeper.current().id, idOf(ONE));

  server.publish({ 'trusted_root.json': TWO });
  server.replace(/^\/targets\//, Buffer.from(SHIPPED));
  t.equal(await keeper.refresh(), false, 'a target that was tampered with');
  t.equal(keeper.current().id, idOf(ONE));
  server.restore();
  t.equal(await keeper.refresh(), true);
  t.match(changes.at(-1), { root: { id: idOf(TWO) }, previous: { id: idOf(ONE) } });
  await keeper.close();

  await server.stop();
  const restarted = create({ source, maxStaleness: HOUR });
  await restarted.start();
  t.equal(await restarted.refresh(), false);
  t.equal(restarted.current().id, idOf(TWO), 'the last that was good');
});

t.test('offline, a root is as it was kept or shipped, and nobody is asked', async (t) => {
  const first = setUp(t);
  const online = first.create();
  await online.start();
  t.equal(await online.refresh(), true);
  await online.close();
  const { create, state, delays } = setUp(t, first.folder);
  const keeper = create({ isOffline: true, maxStaleness: 24 * HOUR });
  await keeper.start();
  t.equal(keeper.current().id, idOf(ONE));
  t.equal(keeper.current().staleAfter, SIGSTORE_TIME + 24 * HOUR, 'its age still counts');
  t.equal(await keeper.refresh(), false);
  t.strictSame(delays(), []);
  t.equal(state.fetches, 0);
  await keeper.close();

  const never = setUp(t, `${first.folder}/other`).create({ isOffline: true });
  await never.start();
  t.equal(never.current().unavailable, 'it was never fetched, and the configuration says offline');
});
