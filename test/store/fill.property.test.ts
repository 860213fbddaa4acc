/**
 * Random readers on a fill whose source fails in random ways: what they get, what is kept, what is left behind, and what
 * the source was made to send. `COUNTERSIGN_HISTORIES=10` tries ten times as many histories.
 */
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { times } from '../helpers/effort.ts';
import type { Tried, Work } from './fill-histories.ts';
import { testdir } from '../helpers/testdir.ts';

const HISTORIES = times(10_000);
t.setTimeout(1_200_000 + 100 * HISTORIES);

/** Threads, each with a store of its own: while one waits for the disk, another goes on. */
const THREADS = 2;

/** In a thread without the test runner's hooks, which would take most of the time. */
async function tryHistories(folder: string): Promise<Tried> {
  const workerData: Work = { folder, histories: Math.ceil(HISTORIES / THREADS) };
  const script = new URL('fill-histories.ts', import.meta.url);
  const messages: unknown[] = await once(
    new Worker(script, { workerData, execArgv: [] }),
    'message',
  );
  return messages[0] as Tried;
}

t.test(
  'whatever happens, readers get right bytes only, and no tail before the proof',
  async (t) => {
    const folder = testdir(t);
    const threads = Array.from({ length: THREADS }, () =>
      tryHistories(mkdtempSync(join(folder, '-'))),
    );
    const sums = { good: 0, failed: 0, mended: 0 };
    for (const { good, failed, mended } of await Promise.all(threads)) {
      sums.good += good;
      sums.failed += failed;
      sums.mended += mended;
    }
    t.comment(`${HISTORIES} histories, fills: ${JSON.stringify(sums)}`);
    t.ok(sums.good >= HISTORIES, 'in the end every blob was had');
    t.ok(
      sums.failed > HISTORIES / 10 && sums.mended > HISTORIES / 10,
      'after all sorts of trouble',
    );
  },
);
