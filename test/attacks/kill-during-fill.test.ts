/**
 * The process is killed, `kill -9`, while it writes. Whatever lies on the disk then may be half a blob, and a cache that
 * trusts what it finds would serve it, or run it, for ever after. So a blob gets its name only when it is proven and
 * whole, everything else is swept away at the next opening, and a decision is recorded as a whole or not at all.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { digestHex, digestOf } from '../../src/oci/digest.ts';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { openSqliteRecords } from '../../src/store/sqlite-records.ts';
import { decisionOf, numberedContent } from '../store/numbered.ts';
import {
  filesBelow,
  openDescriptors,
  readAndClose,
  someContent,
  sourceOf,
} from '../store/sources.ts';

// Each of many processes starts in its own time on a busy machine.
t.setTimeout(240_000);

/** Kills at random moments; more with `KILLS=200`. */
const kills = Number(process.env['KILLS'] ?? 8);
/** Without the test runner's hooks, which would make each of many starts slow. */
const env = { PATH: process.env['PATH'] };
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
  const { digest, size, bytes } = someContent(200_000);
  const reader = await store.fill(digest, { size, source: sourceOf(bytes) });
  t.ok((await readAndClose(reader)).equals(bytes), `${what}: the blob can be had`);
  await store.close();
  t.equal(openDescriptors(folder), 0);
  return files.length;
}

t.test('a kill at any step of a put and a fill leaves nothing that is not proven', async (t) => {
  let step = 0;
  const left = new Set<number>();
  for (; ; step++) {
    const folder = t.testdir();
    const script = join(scripts, 'kill-yourself.ts');
    const child = spawn(process.execPath, [script, folder, String(step)], {
      env,
      stdio: 'inherit',
    });
    await once(child, 'exit');
    left.add(await checkFolder(t, folder, `killed at step ${step}`));
    if (child.signalCode === null) {
      t.equal(child.exitCode, 0);
      break;
    }
  }
  t.ok(step > 20, `there were ${step} steps`);
  t.strictSame([...left].sort(), [0, 1, 2], 'before, between and after the two blobs');
});

t.test('kills at random moments, one after another in one folder, do no harm', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'records.db');
  let decided = 0;
  for (let kill = 0; kill < kills; kill++) {
    const script = join(scripts, 'work-until-killed.ts');
    const child = spawn(process.execPath, [script, folder], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await delay(Math.random() * 60);
    child.kill('SIGKILL');
    await once(child, 'exit');

    await checkFolder(t, folder, `kill ${kill}`);
    const records = await openSqliteRecords({ file });
    for (let number = 0; ; number++) {
      const { verdict, grants, pin } = decisionOf(number);
      const found = await Promise.all([
        records.findVerdict(verdict),
        records.findGrant(grants[0], 'blob'),
        records.findGrant(grants[1], 'manifest'),
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
