import fc from 'fast-check';
import { join } from 'node:path';
import t from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import type { BlobSource, BlobStore } from '../../src/store/blob-store.ts';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { contentOf, filesBelow, openDescriptors, turns, until, type Content } from './sources.ts';

/** More histories than a quick run tries: `FUZZ_RUNS=10000`. */
const numRuns = Number(process.env['FUZZ_RUNS'] ?? 150);
const HELD_TAIL = 5000;

interface ReaderPlan {
  /** Event-loop turns before it asks. */
  readonly delay: number;
  readonly step: number;
  /** Where each of its reads starts, as a part of the size; it goes on in order from the last. */
  readonly jumps: readonly number[];
  /** Reads before it leaves. */
  readonly reads: number;
  readonly inspects: boolean;
}

const readerPlan: fc.Arbitrary<ReaderPlan> = fc.record({
  delay: fc.nat(12),
  step: fc.integer({ min: 1, max: 30_000 }),
  jumps: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }),
  reads: fc.nat(60),
  inspects: fc.boolean(),
});

const history = fc.record({
  seed: fc.nat(),
  size: fc.oneof(fc.integer({ min: 4, max: 2 * HELD_TAIL }), fc.integer({ min: 4, max: 120_000 })),
  chunks: fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 8 }),
  /** After so many chunks the source breaks, ends early, or starts over. */
  breaks: fc.array(
    fc.record({
      after: fc.integer({ min: 1, max: 4 }),
      startsOver: fc.boolean(),
      ends: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
  /** Which byte is wrong, as a part of the size. */
  corrupt: fc.option(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { freq: 1 }),
  extra: fc.nat(5).map((dice) => dice === 0),
  readers: fc.array(readerPlan, { minLength: 1, maxLength: 6 }),
});

type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

let contents = 0;

/** Content that no other history has, so that none finds what another left on its way. */
function newContent({ size, seed }: History): Content {
  const bytes = contentOf(size, seed);
  bytes.writeUInt32BE(++contents);
  return { bytes, size, digest: digestOf(bytes) };
}

/** A source that behaves as the history says, and tells when it has given everything. */
class PlannedSource {
  ended = false;
  #opened = 0;
  readonly #bytes: Buffer;
  readonly #history: History;

  constructor(bytes: Buffer, history: History) {
    this.#bytes = bytes;
    this.#history = history;
  }

  readonly source: BlobSource = (asked) => {
    const plan = this.#history.breaks[this.#opened++];
    const offset = plan?.startsOver ? 0 : asked;
    return Promise.resolve({ offset, size: undefined, body: this.#body(offset, plan) });
  };

  async *#body(
    offset: number,
    plan: History['breaks'][number] | undefined,
  ): AsyncGenerator<Buffer> {
    const { chunks } = this.#history;
    let at = offset;
    for (let index = 0; at < this.#bytes.length; index++) {
      if (plan && index >= plan.after) {
        if (plan.ends) return;
        throw new Error('connection reset');
      }
      let end = at + (chunks[index % chunks.length] ?? 1);
      // A break just where the blob should end would hide that there is more.
      if (end === this.#history.size) end++;
      const chunk = this.#bytes.subarray(at, end);
      at += chunk.length;
      await turns(index % 3);
      // Everything has left the source; only the store can know whether it is right.
      if (at >= this.#bytes.length) this.ended = true;
      yield chunk;
    }
  }
}

/** What one reader got must be right, and nothing of the tail may come before the source gave its last byte. */
async function follow(
  store: BlobStore,
  content: Content,
  planned: PlannedSource,
  plan: ReaderPlan,
  mayEnd: boolean,
): Promise<string | undefined> {
  const { bytes, digest, size } = content;
  await turns(plan.delay);
  const inspect = plan.inspects ? (): undefined => undefined : undefined;
  const options = { size, source: planned.source, ...(inspect && { inspect }) };
  const reader = await store.fill(digest, options);
  try {
    let position = 0;
    for (let read = 0; read < plan.reads; read++) {
      const jump = plan.jumps[read];
      if (jump !== undefined) position = Math.floor(jump * size);
      const target = Buffer.alloc(plan.step);
      const count = await reader.read(target, position);
      if (count === 0 && position < size) return `an end at ${position} of ${size}`;
      if (count === 0 && !mayEnd) return 'an end of wrong content';
      const got = target.subarray(0, count);
      const end = position + count;
      const tail = plan.inspects ? 0 : Math.max(0, size - HELD_TAIL);
      if (end > tail && !(planned.ended && mayEnd)) return `unproven byte ${end - 1} of ${size}`;
      if (mayEnd && !got.equals(bytes.subarray(position, end))) return `wrong bytes at ${position}`;
      position = end;
    }
    return undefined;
  } finally {
    await reader.close();
  }
}

t.test(
  'whatever happens, readers get right bytes only, and no tail before the proof',
  async (t) => {
    const folder = t.testdir();
    const delay = (): Promise<void> => Promise.resolve();
    const store = await openDiskBlobStore({ path: folder, delay, heldTail: HELD_TAIL });
    let good = 0;
    await fc.assert(
      fc.asyncProperty(history, async (history) => {
        const content = newContent(history);
        const extra = Buffer.alloc(history.extra ? 1 : 0);
        const sent = Buffer.concat([content.bytes, extra]);
        if (history.corrupt !== null) {
          const at = Math.floor(history.corrupt * history.size);
          sent[at] = (sent[at] ?? 0) ^ 0x40;
        }
        const sound = history.corrupt === null && !history.extra;
        const planned = new PlannedSource(sent, history);
        const outcomes = await Promise.allSettled(
          history.readers.map((plan) => follow(store, content, planned, plan, sound)),
        );
        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') {
            if (outcome.value !== undefined) throw new Error(outcome.value);
          } else if (sound) throw outcome.reason;
        }
        // Whoever asked last may have gone before the fill ended.
        await until(() => filesBelow(join(folder, 'v1', 'tmp')).length === 0);
        const kept = await store.stat(content.digest);
        if (kept !== (sound ? content.size : undefined))
          throw new Error(`kept ${String(kept)} bytes`);
        if (sound && !(await store.get(content.digest, content.size))?.equals(content.bytes)) {
          throw new Error('kept wrong bytes');
        }
        await store.remove(content.digest);
        await until(() => openDescriptors(join(folder, 'v1')) === 0);
        if (sound) good++;
      }),
      { numRuns },
    );
    t.ok(good > numRuns / 10, `${good} of ${numRuns} histories ended well`);
    await store.close();
  },
);
