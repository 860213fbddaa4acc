/**
 * The process is killed, `kill -9`, while it writes. Whatever lies on the disk then may be half a blob, and a cache that
 * trusts what it finds would serve it, or run it, for ever after. So a blob gets its name only when it is proven and
 * whole, everything else is swept away at the next opening, and a decision is recorded as a whole or not at all.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { digestHex, digestOf } from '../../src/oci/digest.ts';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { openSqliteRecords } from '../../src/store/sqlite-records.ts';
import { times } from '../helpers/effort.ts';
import { decisionOf, numberedContent } from '../store/numbered.ts';
import {
  filesBelow,
  openDescriptors,
  readAndClose,
  someContent,
  sourceOf,
} from '../store/sources.ts';
import { testdir } from '../helpers/testdir.ts';

/** `COUNTERSIGN_HISTORIES=10` kills ten times as many. */
const KILLS = times(200);
/** Of those, at random moments instead of at every step in turn. */
const RANDOM_KILLS = Math.ceil(KILLS / 5);
/** Processes at a time: one starts while what another left is looked at. */
const LANES = 2;
// Each of many processes starts in its own time on a busy machine.
t.setTimeout(600_000 + 6_000 * KILLS);

/** Without the test runner's hooks, and with one compilation for all: each of many starts is to be quick. */
const env = { PATH: process.env['PATH'], NODE_COMPILE_CACHE: testdir(t) };
/** What those processes fill. */
const LARGE = someContent(200_000);
const scripts = join(import.meta.dirname, '..', 'store');

/** The store opens clean, and every file in it is what its name says. */
async function checkFolder(t: Test, folder: string, what: string): Promise<number> {
  const store = await openDiskBlobStore({ path: folder });
  const files = filesBelow(join(folder, 'v1'));
  for (const file of files) {
    const actual = digestOf(readFileSync(join(folder, 'v1', file)));
    if (basename(file) !== digestHex(actual)) t.fail(`${what}: ${file} holds ${actual}`);
  }
  t.notOk(
    files.some((file) => file.startsWith('tmp')),
    `${what}: no temporary file`,
  );
  const { digest, size, bytes } = LARGE;
  const reader = await store.fill(digest, { size, source: sourceOf(bytes) });
  t.ok((await readAndClose(reader)).equals(bytes), `${what}: the blob can be had`);
  await store.close();
  t.equal(openDescriptors(folder), 0);
  return files.length;
}

/** Whether the process was killed before it came to its end. */
async function killAt(folder: string, step: number, round: number): Promise<boolean> {
  const script = join(scripts, 'kill-yourself.ts');
  const child = spawn(process.execPath, [script, folder, String(step), String(round)], {
    env,
    stdio: 'inherit',
  });
  await once(child, 'exit');
  if (child.signalCode === null && child.exitCode !== 0) {
    throw new Error(`it ended with ${String(child.exitCode)} at step ${step} of round ${round}`);
  }
  return child.signalCode !== null;
}

async function first<T>(found: Promise<readonly T[]>): Promise<T | undefined> {
  return (await found)[0];
}

t.test('a kill at any step of a put and a fill leaves nothing that is not proven', async (t) => {
  const parent = testdir(t);
  const left = new Set<number>();
  let rounds = 0;
  let kills = 0;

  /** A kill at each step; in every other round the process that finds what is left is killed as well. */
  async function playRound(round: number): Promise<void> {
    for (let step = 0; ; step++) {
      const folder = mkdtempSync(join(parent, '-'));
      const isKilled = await killAt(folder, step, round);
      if (isKilled) kills++;
      if (isKilled && round % 2 === 1 && (await killAt(folder, step >> 1, round))) kills++;
      left.add(await checkFolder(t, folder, `killed at step ${step} of round ${round}`));
      rmSync(folder, { recursive: true });
      if (isKilled) continue;
      t.ok(step > 20, `there were ${step} steps`);
      return;
    }
  }

  // Whoever is killed leaves no compilation behind.
  t.notOk(await killAt(mkdtempSync(join(parent, '-')), Infinity, 0));

  async function play(): Promise<void> {
    while (kills < KILLS - RANDOM_KILLS) await playRound(rounds++);
  }
  await Promise.all(Array.from({ length: LANES }, play));
  t.comment(`${kills} kills in ${rounds} rounds`);
  // Both are there at once where the second is named before the first is removed.
  left.delete(2);
  t.strictSame([...left].sort(), [0, 1], 'before and after a blob');
});

t.test('kills at random moments, one after another in one folder, do no harm', async (t) => {
  const folder = testdir(t);
  const file = join(folder, 'records.db');
  let decided = 0;
  for (let kill = 0; kill < RANDOM_KILLS; kill++) {
    const script = join(scripts, 'work-until-killed.ts');
    const child = spawn(process.execPath, [script, folder], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = createInterface(child.stdout)[Symbol.asyncIterator]();
    await said.next();
    // The first decides something, however long that takes on a busy machine.
    if (kill === 0) await said.next();
    await delay(Math.random() * 60);
    child.kill('SIGKILL');
    await once(child, 'exit');

    await checkFolder(t, folder, `kill ${kill}`);
    const records = await openSqliteRecords({ file });
    for (let number = 0; ; number++) {
      const { verdict, grants, pin } = decisionOf(number);
      const found = await Promise.all([
        records.findVerdict(verdict),
        first(records.findGrants(grants[0], 'blob', 1)),
        first(records.findGrants(grants[1], 'manifest', 1)),
        records.findPin(pin.repository, pin.tag),
      ]);
      const parts = found.filter((part) => part !== undefined).length;
      if (parts !== 0 && parts !== 4) t.fail(`decision ${number} has ${parts} of its parts`);
      if (parts === 0) {
        decided = Math.max(decided, number);
        break;
      }
    }
    await records.close();
  }
  t.ok(decided > 0, `${decided} decisions were recorded`);
  const store = await openDiskBlobStore({ path: folder });
  const { digest, size } = numberedContent(0);
  t.ok(await store.get(digest, size));
  await store.close();
});
