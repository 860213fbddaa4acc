import t from 'tap';
import type { Failed } from '../../src/carry/answer.ts';
import { createPatience, PATIENCE, type Again } from '../../src/carry/patience.ts';

const BUSY: Failed = { outcome: 'failed', message: 'busy' };

/** Attempts that come to nothing, and the pauses between them. */
async function pausesOf(again: Omit<Again, 'again'>, random = 0, fruitless = Infinity) {
  let now = 1_000;
  const pauses: number[] = [];
  const patiently = createPatience({
    clock: () => now,
    random: () => random,
    wait: async (ms) => {
      pauses.push(ms);
      now += ms;
    },
  });
  const answer = await patiently(async (number) =>
    number > fruitless ? { outcome: 'got', value: number } : { again: BUSY, ...again },
  );
  return { pauses, answer };
}

t.test('pauses grow up to a bound, with something of chance in them', async (t) => {
  const { pauses, answer } = await pausesOf({});
  t.strictSame(pauses, [250, 500, 1000, 2000, 4000, 8000, 15_000]);
  t.equal(pauses.length, PATIENCE.attempts - 1);
  t.equal(answer, BUSY, 'and the last answer is told');
  t.strictSame((await pausesOf({}, 0.5)).pauses.slice(0, 2), [375, 750]);
});

t.test('what works is told at once', async (t) => {
  const { pauses, answer } = await pausesOf({}, 0, 2);
  t.equal(pauses.length, 2);
  t.strictSame(answer, { outcome: 'got', value: 3 });
});

t.test('a moment that is named is waited for, unless it is too far away', async (t) => {
  t.equal((await pausesOf({ retryAfter: 7 })).pauses[0], 7_250);
  t.strictSame((await pausesOf({ retryAfter: 121 })).pauses, []);
  const { pauses } = await pausesOf({ retryAfter: 119 });
  t.equal(pauses.length, 4, 'and not beyond the deadline');
});

t.test('a failure that is final, and an interruption, end it', async (t) => {
  const patiently = createPatience({ wait: () => Promise.reject(new Error('aborted')) });
  const refused: Failed = { outcome: 'refused', message: 'no' };
  t.equal(await patiently(async () => refused), refused);
  t.match(await patiently(async () => ({ again: BUSY })), { message: 'interrupted' });
});
