/** Who is left alone after which failures, for how long, who tries again, and what that means for everybody else. */
import t, { type Test } from 'tap';
import { breakCircuit } from '../../src/upstream/circuit-breaker.ts';
import { CredentialsError } from '../../src/upstream/credential.ts';
import { UpstreamError } from '../../src/upstream/upstream.ts';
import { expectFailure } from '../helpers/open-upstream.ts';
import { failing, MANIFEST, scriptUpstream } from '../helpers/scripted-upstream.ts';

const { digest } = MANIFEST;
const limits = { failures: 3, firstRest: 4_000, longestRest: 16_000 };

function open(luck = 1) {
  const registry = scriptUpstream();
  const clock = { now: 1_000_000 };
  const lines: object[] = [];
  const log = (details: object, message?: string) => void lines.push({ ...details, message });
  const breaking = breakCircuit(registry, {
    logger: { info: log, warn: log },
    clock: () => clock.now,
    // The longest possible rest, unless told.
    random: () => luck,
    limits,
  });
  return { registry, breaking, clock, lines };
}

type Opened = ReturnType<typeof open>;

/** So many questions for a tag, all of which fail. */
async function fail(t: Test, { breaking }: Opened, times: number, path = 'a'): Promise<void> {
  for (let time = 0; time < times; time++) await t.rejects(breaking.resolve(path, 'v1'));
}

const dead = failing('unreachable');
const broken = failing('unreachable', { status: 500, only: / bad / });

t.test('after three failures in a row nobody is asked, and everybody is told why', async (t) => {
  const opened = open();
  const { registry, breaking } = opened;
  registry.script = dead;
  await fail(t, opened, 2);
  t.equal(breaking.isOpen, false);
  await fail(t, opened, 1, 'b');
  t.equal(breaking.isOpen, true);
  t.equal(breaking.hasRoom?.(), false);
  registry.asked.length = 0;
  registry.script = () => undefined;
  for (const question of [
    breaking.resolve('a', 'v1'),
    breaking.fetchManifest('c', digest),
    breaking.referrers('a', digest),
    breaking.openBlob('d', digest),
  ]) {
    const error = await expectFailure(t, question, 'unreachable');
    t.equal(error.retryAfter, 4);
    t.equal(error.isUnasked, true);
    t.match(
      error.message,
      'lab.local (lab.local) is not asked for another 4 s after 3 failures in a row, ' +
        'the last of which was: unreachable at HEAD b v1',
    );
  }
  await t.rejects(
    breaking.dispatcher.request({ origin: 'https://lab.local', path: '/', method: 'GET' }),
    {
      code: 'unreachable',
    },
  );
  t.strictSame(registry.asked, []);
});

t.test('an answer between failures, whatever it says, ends the row', async (t) => {
  const opened = open();
  const { registry, breaking } = opened;
  for (const code of ['not-found', 'unauthorized', 'rate-limited', 'digest-mismatch'] as const) {
    registry.script = dead;
    await fail(t, opened, 2);
    registry.script = failing(code);
    await fail(t, opened, 1, 'b');
  }
  registry.script = dead;
  await fail(t, opened, 2);
  t.equal(breaking.isOpen, false);
  t.equal(registry.asked.length, 14);
});

t.test('after its rest one question tries it, and the others are told without', async (t) => {
  const opened = open();
  const { registry, breaking, clock } = opened;
  registry.script = dead;
  await fail(t, opened, 3);
  clock.now += 3_999;
  await fail(t, opened, 1);
  t.equal(registry.asked.length, 3);
  clock.now += 1;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  registry.script = () => promise;
  const trial = breaking.resolve('a', 'v1');
  await fail(t, opened, 5);
  t.equal((await expectFailure(t, breaking.openBlob('a', digest), 'unreachable')).retryAfter, 1);
  t.equal(registry.asked.length, 4);
  resolve(undefined);
  t.equal((await trial).digest, digest);
  t.equal(breaking.isOpen, false);
  await breaking.resolve('a', 'v1');
});

t.test(
  'after its rest there is room for what nobody waits for, which may be what tries',
  async (t) => {
    const opened = open();
    const { registry, breaking, clock } = opened;
    registry.script = dead;
    await fail(t, opened, 3);
    clock.now += 3_999;
    t.equal(breaking.hasRoom?.(), false);
    clock.now += 1;
    t.equal(breaking.hasRoom?.(), true);
    await fail(t, opened, 1);
    t.equal(breaking.hasRoom?.(), false, 'it was in vain');
    clock.now += 8_000;
    registry.script = () => undefined;
    const trial = breaking.resolve('a', 'v1');
    t.equal(breaking.hasRoom?.(), false, 'somebody tries');
    await trial;
    t.equal(breaking.hasRoom?.(), true);
  },
);

t.test('who tries in vain makes the rest longer, up to the longest', async (t) => {
  const opened = open();
  const { registry, clock } = opened;
  registry.script = dead;
  await fail(t, opened, 3);
  for (const rest of [4_000, 8_000, 16_000, 16_000]) {
    const before = registry.asked.length;
    clock.now += rest - 1;
    await fail(t, opened, 1);
    t.equal(registry.asked.length, before, `${rest} ms are not over`);
    clock.now += 1;
    await fail(t, opened, 2);
    t.equal(registry.asked.length, before + 1);
  }
});

t.test('after it answered, the first rest is short again', async (t) => {
  const opened = open();
  const { registry, clock } = opened;
  registry.script = dead;
  await fail(t, opened, 3);
  clock.now += 4_000;
  await fail(t, opened, 1);
  clock.now += 8_000;
  registry.script = () => undefined;
  await opened.breaking.resolve('a', 'v1');
  registry.script = dead;
  await fail(t, opened, 3);
  clock.now += 4_000;
  registry.script = () => undefined;
  await opened.breaking.resolve('a', 'v1');
});

t.test('nobody is asked sooner than he asked for, within the longest rest', async (t) => {
  for (const [retryAfter, rest] of [
    [2, 4],
    [9, 9],
    [3_600, 16],
  ] as const) {
    const { registry, breaking } = open();
    registry.script = failing('unreachable', { status: 503, retryAfter });
    for (let time = 0; time < 3; time++) await t.rejects(breaking.resolve('a', 'v1'));
    t.equal((await expectFailure(t, breaking.resolve('a', 'v1'), 'unreachable')).retryAfter, rest);
  }
});

t.test('half of the rest is left to chance', async (t) => {
  const opened = open(0);
  opened.registry.script = dead;
  await fail(t, opened, 3);
  opened.clock.now += 2_000;
  opened.registry.script = () => undefined;
  await opened.breaking.resolve('a', 'v1');
});

t.test('5xx proves that somebody is there', async (t) => {
  const opened = open();
  const { registry, breaking, clock } = opened;
  registry.script = dead;
  await fail(t, opened, 2);
  registry.script = broken;
  await fail(t, opened, 1, 'bad');
  registry.script = dead;
  await fail(t, opened, 2);
  t.equal(breaking.isOpen, false);
  await fail(t, opened, 1);
  t.equal(breaking.isOpen, true);
  clock.now += 4_000;
  registry.script = broken;
  await fail(t, opened, 1, 'bad');
  t.equal(breaking.isOpen, false, 'also to who tries');
});

t.test('silence is no answer to who tries', async (t) => {
  const opened = open();
  const { registry, clock } = opened;
  registry.script = dead;
  await fail(t, opened, 3);
  clock.now += 4_000;
  registry.script = failing('timeout');
  await fail(t, opened, 1);
  clock.now += 7_999;
  await fail(t, opened, 1, 'b');
  t.equal(registry.asked.length, 4);
  clock.now += 1;
  registry.script = () => undefined;
  await opened.breaking.resolve('b', 'v1');
});

t.test('who tries a repository and finds nobody leaves that trial to the next', async (t) => {
  const opened = open();
  const { registry, breaking, clock } = opened;
  registry.script = broken;
  await fail(t, opened, 3, 'bad');
  clock.now += 4_000;
  registry.script = dead;
  await fail(t, opened, 1, 'bad');
  registry.script = () => undefined;
  await breaking.resolve('bad', 'v1');
  t.equal(breaking.openRepositories, 0);
});

t.test('408 is one failure, and costs nobody any time', async (t) => {
  const opened = open();
  opened.registry.script = failing('timeout', { status: 408 });
  await fail(t, opened, 4);
  t.equal(opened.registry.asked.length, 3);
});

t.test('a repository that fails closes no other', async (t) => {
  const opened = open();
  const { registry, breaking, clock } = opened;
  registry.script = broken;
  await fail(t, opened, 4, 'bad');
  t.equal(registry.asked.length, 3);
  await breaking.resolve('good', 'v1');
  t.equal(breaking.isOpen, false);
  t.equal(breaking.openRepositories, 1);
  t.equal(breaking.hasRoom?.(), true);
  await breaking.openBlob('bad', digest).catch(() => undefined);
  t.equal(registry.asked.at(-1), `BLOB bad ${digest}`, 'its blobs may well be there');
  clock.now += 4_000;
  registry.script = () => undefined;
  await breaking.resolve('bad', 'v1');
  t.equal(breaking.openRepositories, 0);
});

t.test('blobs that cannot be had leave the registry alone in nothing else', async (t) => {
  const { registry, breaking } = open();
  registry.script = failing('unreachable', { only: /^BLOB/ });
  for (let time = 0; time < 4; time++) await t.rejects(breaking.openBlob('a', digest));
  t.equal(registry.asked.length, 3);
  t.equal(breaking.isOpen, false);
  await breaking.fetchManifest('a', digest);
});

t.test(
  'a registry that fails at every question for referrers is asked for manifests',
  async (t) => {
    const { registry, breaking } = open();
    registry.script = failing('unreachable', { status: 500, only: /^REFERRERS/ });
    for (let time = 0; time < 5; time++) await t.rejects(breaking.referrers('a', digest));
    t.equal(registry.asked.length, 3);
    await breaking.resolve('a', 'v1');
    await breaking.fetchManifest('a', digest);
    t.equal(breaking.openRepositories, 1);
    registry.script = dead;
    for (let time = 0; time < 3; time++) await t.rejects(breaking.referrers('b', digest));
    t.equal(breaking.isOpen, true, 'no connection is everybody’s trouble');
  },
);

t.test('one timeout is enough', async (t) => {
  const { registry, breaking } = open();
  registry.script = failing('timeout', { only: / slow / });
  await t.rejects(breaking.resolve('slow', 'v1'));
  const error = await expectFailure(t, breaking.resolve('slow', 'v1'), 'timeout');
  t.equal(error.retryAfter, 4);
  t.equal(registry.asked.length, 1);
  await breaking.resolve('other', 'v1');
  const caused = (code: string) => ({ cause: Object.assign(new Error('connect'), { code }) });
  registry.script = failing('timeout', caused('ETIMEDOUT'));
  await t.rejects(breaking.resolve('other', 'v1'));
  t.equal(breaking.isOpen, false, 'one of several addresses is not yet all of them');
  registry.script = failing('timeout', caused('UND_ERR_CONNECT_TIMEOUT'));
  await t.rejects(breaking.resolve('other', 'v1'));
  t.equal(breaking.isOpen, true, 'no connection is everybody’s trouble');
});

t.test('a deadline of the caller is silence, a caller who went away is not', async (t) => {
  const { registry, breaking } = open();
  registry.script = failing('aborted');
  const gone = AbortSignal.abort();
  for (let time = 0; time < 5; time++) {
    await t.rejects(breaking.resolve('a', 'v1', { signal: gone }));
  }
  t.equal(registry.asked.length, 5);
  const late = AbortSignal.abort(new DOMException('too late', 'TimeoutError'));
  for (let time = 0; time < 5; time++) {
    await t.rejects(breaking.resolve('a', 'v1', { signal: late }));
  }
  t.equal(registry.asked.length, 8);
  await expectFailure(t, breaking.resolve('a', 'v1'), 'timeout');
});

t.test('a download under way is taken up again whatever rests', async (t) => {
  const opened = open();
  const { registry, breaking } = opened;
  registry.script = dead;
  await fail(t, opened, 3);
  for (let time = 0; time < 3; time++)
    await t.rejects(breaking.openBlob('a', digest, { offset: 1 }));
  t.equal(registry.asked.length, 6);
  await t.rejects(breaking.openBlob('a', digest, { offset: 0 }));
  t.equal(registry.asked.length, 6);
  registry.script = () => undefined;
  await breaking.openBlob('a', digest, { offset: 1 });
  t.equal(breaking.isOpen, false, 'what it brings is an answer');
});

t.test('who gives up while he tries leaves the trial to the next', async (t) => {
  const opened = open();
  const { registry, breaking, clock } = opened;
  registry.script = dead;
  await fail(t, opened, 3);
  clock.now += 4_000;
  registry.script = failing('aborted');
  await t.rejects(breaking.resolve('a', 'v1'));
  registry.script = () => undefined;
  await breaking.resolve('a', 'v1');
  t.equal(breaking.isOpen, false);
});

t.test('what never got to the registry says nothing about it', async (t) => {
  const { registry, breaking } = open();
  const unasked = { isUnasked: true };
  registry.script = failing('unauthorized', { cause: new CredentialsError('no file'), ...unasked });
  for (let time = 0; time < 4; time++) await t.rejects(breaking.resolve('a', 'v1'));
  registry.script = () => {
    throw new TypeError('a mistake of ours');
  };
  for (let time = 0; time < 4; time++) await t.rejects(breaking.resolve('a', 'v1'), TypeError);
  t.equal(registry.asked.length, 8);
});

t.test(
  'questions that fail together make one rest, and an answer that comes late ends it',
  async (t) => {
    const opened = open();
    const { registry, breaking, lines } = opened;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const late = Promise.withResolvers<undefined>();
    registry.script = (asked) => {
      if (asked.includes('late')) return late.promise;
      return promise.then(() => {
        throw new UpstreamError('unreachable', 'connection lost');
      });
    };
    const lateAnswer = breaking.resolve('late', 'v1');
    const together = Array.from({ length: 10 }, () => breaking.resolve('a', 'v1'));
    resolve(undefined);
    await Promise.allSettled(together);
    t.equal(lines.length, 1);
    t.equal(breaking.isOpen, true);
    late.resolve(undefined);
    await lateAnswer;
    t.equal(breaking.isOpen, false);
  },
);

t.test('each change is one line', async (t) => {
  const opened = open();
  const { registry, clock, lines } = opened;
  registry.script = dead;
  await fail(t, opened, 8);
  clock.now += 4_000;
  await fail(t, opened, 8);
  clock.now += 8_000;
  registry.script = broken;
  await opened.breaking.resolve('a', 'v1');
  await fail(t, opened, 8, 'bad');
  const place = { upstream: 'lab.local', url: 'https://lab.local' };
  t.strictSame(lines, [
    {
      ...place,
      ...{ failures: 3, seconds: 4, reason: 'unreachable at HEAD a v1' },
      message: 'upstream left alone',
    },
    { ...place, message: 'upstream answers again' },
    {
      ...{ ...place, repository: 'bad', side: 'manifests', failures: 3, seconds: 4 },
      ...{ reason: 'unreachable at HEAD bad v1', message: 'upstream left alone' },
    },
  ]);
});

t.test('a clock that was set back makes no rest longer', async (t) => {
  const opened = open();
  opened.registry.script = dead;
  await fail(t, opened, 3);
  opened.clock.now -= 86_400_000;
  opened.registry.script = () => undefined;
  await opened.breaking.resolve('a', 'v1');
});

t.test('failures of more repositories than are watched do not add up in memory', async (t) => {
  const opened = open();
  opened.registry.script = failing('unreachable', { status: 500 });
  for (let index = 0; index < 1_100; index++) {
    await opened.breaking.resolve(`r${index}`, 'v1').catch(() => undefined);
    await opened.breaking.resolve(`r${index}`, 'v1').catch(() => undefined);
    await opened.breaking.resolve(`r${index}`, 'v1').catch(() => undefined);
  }
  t.equal(opened.breaking.openRepositories, 1024);
});
