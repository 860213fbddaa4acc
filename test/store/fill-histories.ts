/**
 * A worker thread that tries random histories of one blob each: random readers on a fill whose source fails in random
 * ways. It throws at the first in which a reader got a wrong byte or an unproven tail, something wrong was kept, a file or
 * descriptor was left behind, or the source was made to send more than it had to.
 */
import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { digestOf } from '../../src/oci/digest.ts';
import { FillError, type BlobReader, type BlobStore } from '../../src/store/blob-store.ts';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { openings, ScriptedUpstream } from './scripted-source.ts';
import {
  contentOf,
  hasty,
  noSource,
  openDescriptors,
  readAndClose,
  turns,
  until,
  type Content,
} from './sources.ts';

export interface Work {
  /** For a store of its own. */
  readonly folder: string;
  readonly histories: number;
}

/** Fills by how they ended. */
export interface Tried {
  readonly good: number;
  readonly failed: number;
  /** Good, though the source broke off. */
  readonly mended: number;
}

const HELD_TAIL = 1000;
const LARGEST = 12_000;

interface ReaderPlan {
  /** Event-loop turns before it asks. */
  readonly delay: number;
  /** Where it begins, as a part of the size. */
  readonly start: number;
  readonly step: number;
  /** Where it goes on after its first read, as a part of the size; else it reads in order. */
  readonly jump: number | null;
  /** Reads before it leaves. */
  readonly reads: number;
  /** Leaves in the middle of its last read. */
  readonly hasty: boolean;
  readonly inspects: boolean;
}

const readerPlan: fc.Arbitrary<ReaderPlan> = fc.record({
  delay: fc.nat(12),
  start: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })),
  step: fc.integer({ min: LARGEST / 20, max: LARGEST }),
  jump: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 4 }),
  reads: fc.oneof(fc.nat(3), fc.constant(30)),
  hasty: fc.boolean(),
  inspects: fc.integer({ min: 0, max: 4 }).map((dice) => dice === 4),
});

const history = fc.record({
  size: fc.oneof(
    fc.integer({ min: 4, max: 2 * HELD_TAIL }),
    fc.integer({ min: 4, max: LARGEST }),
    fc.constantFrom(HELD_TAIL - 1, HELD_TAIL, HELD_TAIL + 1),
  ),
  script: openings(LARGEST),
  readers: fc.array(readerPlan, { maxLength: 4 }),
});

type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

const noise = contentOf(LARGEST);
let contents = 0;

/** Content that no other history has, so that none finds what another left on its way. */
function newContent(size: number): Content {
  const bytes = Buffer.from(noise.subarray(0, size));
  bytes.writeUInt32BE(++contents);
  return { bytes, size, digest: digestOf(bytes) };
}

/** What a reader is given must be what was sent, and of the tail nothing but what was proven. */
class Reading {
  readonly #content: Content;
  readonly #upstream: ScriptedUpstream;
  readonly #tail: number;

  constructor(content: Content, upstream: ScriptedUpstream, holdsAll: boolean) {
    this.#content = content;
    this.#upstream = upstream;
    this.#tail = holdsAll ? 0 : Math.max(0, content.size - HELD_TAIL);
  }

  async read(reader: BlobReader, position: number, step: number): Promise<number> {
    const target = Buffer.alloc(step);
    const count = await reader.read(target, position);
    this.#check(target.subarray(0, count), position);
    return count;
  }

  #check(got: Buffer, position: number): void {
    const { bytes, size } = this.#content;
    const end = position + got.length;
    if (got.length === 0 && position < size) throw new Error(`an end at ${position} of ${size}`);
    const isTail = end > this.#tail || got.length === 0;
    if (isTail && !this.#upstream.isProvable) throw new Error(`unproven bytes up to ${end}`);
    const sent = isTail ? [] : this.#upstream.accounts.filter(({ fresh }) => fresh >= end);
    const right = [bytes, ...sent.map(({ image }) => image)];
    if (!right.some((image) => image.subarray(position, end).equals(got))) {
      throw new Error(`wrong bytes from ${position} to ${end}`);
    }
  }
}

async function follow(
  store: BlobStore,
  content: Content,
  upstream: ScriptedUpstream,
  plan: ReaderPlan,
): Promise<void> {
  const { digest, size } = content;
  await turns(plan.delay);
  const inspect = plan.inspects ? { inspect: (): undefined => undefined } : {};
  const reader = await store.fill(digest, { ...upstream.options(), ...inspect });
  const reading = new Reading(content, upstream, plan.inspects);
  let position = Math.floor(plan.start * size);
  try {
    for (let read = 0; read < plan.reads; read++) {
      const count = await reading.read(reader, position, plan.step);
      if (count === 0) break;
      const jumps = read === 0 && plan.jump !== null;
      position = jumps ? Math.floor(plan.jump * size) : position + count;
    }
    const last = plan.hasty ? reading.read(reader, position, plan.step) : undefined;
    await Promise.all([last?.catch(unlessClosed), reader.close()]);
  } finally {
    await reader.close();
  }
}

function unlessClosed(error: unknown): void {
  if (!(error instanceof FillError && error.code === 'closed')) throw error;
}

/** A reader may fail as the fill does, and in no other way. */
function unlessFailed(error: unknown): void {
  const expected = ['source-failed', 'size-mismatch', 'digest-mismatch'];
  if (!(error instanceof FillError && expected.includes(error.code))) throw error;
}

/** Asks until the faults are over; then the blob is had, and kept. */
async function drain(
  store: BlobStore,
  content: Content,
  upstream: ScriptedUpstream,
): Promise<void> {
  const { bytes, digest, size } = content;
  for (;;) {
    const mustSucceed = upstream.isSound;
    try {
      const reader = await store.fill(digest, upstream.options());
      if (!(await readAndClose(reader)).equals(bytes)) throw new Error('served wrong bytes');
      break;
    } catch (error) {
      if (mustSucceed) throw error;
      unlessFailed(error);
    }
  }
  await upstream.idle();
  const kept = await readAndClose(await store.fill(digest, { size, source: noSource }));
  if (!kept.equals(bytes)) throw new Error('kept wrong bytes');
}

async function live(store: BlobStore, history: History): Promise<ScriptedUpstream> {
  const content = newContent(history.size);
  const upstream = new ScriptedUpstream(content, history.script);
  await Promise.all(
    history.readers.map((plan) => follow(store, content, upstream, plan).catch(unlessFailed)),
  );
  await drain(store, content, upstream);
  const wrong = upstream.check();
  if (wrong !== undefined) throw new Error(wrong);
  await store.remove(content.digest);
  return upstream;
}

const now = (): Promise<void> => Promise.resolve();

/** What failed is removed in passing; what is leaked stays, so it is found after any later history. */
async function nothingIsLeft(folder: string): Promise<void> {
  await until(() => readdirSync(join(folder, 'v1', 'tmp')).length === 0);
  await until(() => openDescriptors(join(folder, 'v1')) === 0);
}

async function work({ folder, histories }: Work): Promise<Tried> {
  const tried = { good: 0, failed: 0, mended: 0 };
  const store = await openDiskBlobStore({
    path: folder,
    delay: now,
    heldTail: HELD_TAIL,
    io: hasty,
  });
  const property = fc.asyncProperty(history, async (history) => {
    for (const { complete, openings } of (await live(store, history)).accounts) {
      tried[complete === true ? 'good' : 'failed']++;
      if (complete === true && openings > 1) tried.mended++;
    }
    if (contents % 20 === 0) await nothingIsLeft(folder);
  });
  await fc.assert(property, { numRuns: histories });
  await nothingIsLeft(folder);
  await store.close();
  return tried;
}

parentPort?.postMessage(await work(workerData as Work));
