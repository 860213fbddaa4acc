/**
 * An upstream that stalls, resets, ends early, changes a byte, counts wrong, drips, refuses, redirects without end and
 * answers ranges with something else: in random order, to clients that ask for random parts, read slowly and go away.
 * Whatever happens, no client gets a byte of a tail that is not proven or a whole blob that is not the blob, nothing
 * wrong is kept, nothing is left behind, and nothing that arrived is asked for again.
 *
 * The store alone is tried with far more histories in `test/store/fill.property.test.ts`; this is the whole proxy, over
 * sockets. `COUNTERSIGN_HISTORIES=10` tries ten times as many.
 */
import fc from 'fast-check';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { digestHex, type Digest } from '../../src/oci/digest.ts';
import { HELD_TAIL } from '../../src/store/disk-blob-store.ts';
import { times } from '../helpers/effort.ts';
import { startFaultyRegistry } from '../helpers/faulty-registry.ts';
import { putImage } from '../helpers/image.ts';
import { openLab, TEAM } from '../helpers/lab.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { askRoughly } from '../helpers/rough-client.ts';
import { cosign2 } from '../helpers/signer.ts';
import { contentOf, hasty, openDescriptors } from '../store/sources.ts';
import {
  checkAnswer,
  checkTraffic,
  findPauses,
  histories,
  rangeOf,
  type History,
} from './faulty-upstream.ts';

const HISTORIES = times(200);
t.setTimeout(1_200_000 + 4_000 * HISTORIES);

/** Milliseconds until a stalled body is given up. */
const STALL = 250;
const SIZES = [1, 5_000, HELD_TAIL, HELD_TAIL + 1, 200_000, 700_000];
const LAYERS = SIZES.map((size, index) => contentOf(size, index + 1));
/** Asks after the last fault until the blob must be there: a pause of the machine can look like a stall. */
const PATIENCE = 5;

/** Until it is so; a test that waits in vain ends by its timeout. */
async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

t.test('no fault of an upstream reaches a client as content', async (t) => {
  const registry = await openFakeRegistry(t);
  const image = putImage(registry, TEAM, 'app', { tag: 'v1', layers: LAYERS });
  const faulty = await startFaultyRegistry(t, registry);
  const { proxy, signer, get } = await openLab(t, {
    upstreams: { 'lab.local': faulty },
    upstream: { timeouts: { body: STALL } },
    blobs: { delay: () => Promise.resolve(), io: hasty },
  });
  cosign2(registry, TEAM, image.digest, signer);
  t.equal((await get('manifests/v1')).status, 200);
  const folder = join(proxy.path, 'v1');
  const pathOf = (digest: Digest): string =>
    join(folder, 'blobs', 'sha256', digestHex(digest).slice(0, 2), digestHex(digest));
  const sums = { answered: 0, whole: 0, blobs: 0, sent: 0, answers: 0, pauses: 0 };

  /** When nobody works on the blob any more: not a client, not the proxy, not the upstream. */
  async function settled(): Promise<void> {
    await eventually(() => readdirSync(join(folder, 'tmp')).length === 0);
    await eventually(() => faulty.answers.every(({ over }) => over));
    await eventually(() => openDescriptors(folder) === 0);
  }

  async function live(history: History): Promise<void> {
    const digest = image.layers[history.blob] ?? image.config;
    const bytes = LAYERS[history.blob] ?? Buffer.alloc(0);
    const target = `/v2/lab.local/${TEAM}/blobs/${digest}`;
    rmSync(pathOf(digest), { force: true });
    const before = faulty.answers.length;
    faulty.plan(digest, history.faults);
    const answers = await Promise.all(
      history.clients.map((client) =>
        askRoughly(proxy.url, target, { ...client, range: rangeOf(client) }),
      ),
    );
    await settled();
    const isKept = existsSync(pathOf(digest));
    for (const [index, client] of history.clients.entries()) {
      const answer = answers[index];
      if (answer === undefined) continue;
      const wrong = checkAnswer(history, bytes, client, answer, isKept);
      if (wrong !== undefined) throw new Error(wrong);
      sums.answered++;
      if (answer.body.equals(bytes)) sums.whole++;
    }

    let patience = PATIENCE;
    while (patience > 0 && !existsSync(pathOf(digest))) {
      if (faulty.left(digest) === 0) patience--;
      await askRoughly(proxy.url, target);
      await settled();
    }
    const asked = faulty.answers.slice(before);
    const wrong = checkTraffic(asked, bytes.length);
    if (wrong !== undefined) throw new Error(wrong);
    if (!readFileSync(pathOf(digest)).equals(bytes)) throw new Error('kept wrong bytes');
    const { body } = await askRoughly(proxy.url, target);
    if (!body.equals(bytes)) throw new Error('served wrong bytes from the cache');
    if (faulty.answers.length > before + asked.length) throw new Error('asked for what is kept');
    sums.blobs += bytes.length;
    sums.answers += asked.length;
    sums.pauses += findPauses(asked).length;
    sums.sent += asked.reduce((sum, { sent }) => sum + sent, 0);
  }

  await fc.assert(fc.asyncProperty(histories(SIZES), live), { numRuns: HISTORIES });
  t.comment(`${HISTORIES} histories: ${JSON.stringify(sums)}`);
  t.ok(sums.whole > HISTORIES / 10, 'some got the whole blob');
  t.ok(sums.answers > 2 * HISTORIES, 'and some not at once');
  t.ok(sums.pauses < HISTORIES / 10, 'what works is broken off by a busy machine alone');
});
