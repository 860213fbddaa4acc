/** Sources for the store's tests: content made from a seed, given whole, in pieces, or when the test says so. */
import { readdirSync, readlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import type { BlobReader, BlobSource } from '../../src/store/blob-store.ts';
import { nodeDiskIo, type DiskIo } from '../../src/store/disk-io.ts';

/** Bytes that differ from place to place and from seed to seed. */
export function contentOf(size: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let state = (seed * 2_654_435_761) >>> 0;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export interface Content {
  readonly bytes: Buffer;
  readonly size: number;
  readonly digest: Digest;
}

export function someContent(size: number, seed = 1): Content {
  const bytes = contentOf(size, seed);
  return { bytes, size, digest: digestOf(bytes) };
}

/** The bytes in chunks, from the offset asked for. */
export function sourceOf(bytes: Buffer, chunkSize = 16_384): BlobSource {
  return (offset) => {
    return Promise.resolve({ offset, size: bytes.length, body: chunks(bytes, offset, chunkSize) });
  };
}

async function* chunks(bytes: Buffer, offset: number, chunkSize: number): AsyncGenerator<Buffer> {
  for (let at = offset; at < bytes.length; at += chunkSize) {
    await Promise.resolve();
    yield* lend(bytes.subarray(at, at + chunkSize));
  }
}

/** What a source gives belongs to whoever reads it only until the next is asked for. */
export function* lend(bytes: Buffer): Generator<Buffer> {
  const lent = Buffer.from(bytes);
  yield lent;
  lent.fill('written over');
}

/** A source that must not be asked. */
export const noSource: BlobSource = () => Promise.reject(new Error('the source was asked'));

/** A source that the test feeds by hand; each opening is one entry in `offsets`. */
export class HandFedSource {
  readonly offsets: number[] = [];
  readonly signals: AbortSignal[] = [];
  /** What the next openings declare. */
  declared: number | undefined;
  /** Where the next openings start, whatever was asked for. */
  startsAt: number | undefined;
  #queue: (Buffer | Error | 'end')[] = [];
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  readonly source: BlobSource = (offset, signal) => {
    this.offsets.push(offset);
    this.signals.push(signal);
    signal.addEventListener('abort', () => {
      this.fail(new Error('aborted'));
    });
    const body = this.#body();
    return Promise.resolve({ offset: this.startsAt ?? offset, size: this.declared, body });
  };

  feed(bytes: Buffer): void {
    this.#push(bytes);
  }

  end(): void {
    this.#push('end');
  }

  fail(error: Error): void {
    this.#push(error);
  }

  #push(item: Buffer | Error | 'end'): void {
    this.#queue.push(item);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async *#body(): AsyncGenerator<Buffer> {
    for (;;) {
      const item = this.#queue.shift();
      if (item === undefined) await this.#wake.promise;
      else if (item === 'end') return;
      else if (item instanceof Error) throw item;
      else yield* lend(item);
    }
  }
}

/** The bytes of a reader from a position to the end, in reads of at most `step` bytes. */
export async function readFrom(reader: BlobReader, position = 0, step = 10_000): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let at = position; ;) {
    const target = Buffer.alloc(step);
    const bytes = await reader.read(target, at);
    if (bytes === 0) return Buffer.concat(parts);
    parts.push(target.subarray(0, bytes));
    at += bytes;
  }
}

/** Reads and closes. */
export async function readAndClose(reader: BlobReader): Promise<Buffer> {
  try {
    return await readFrom(reader);
  } finally {
    await reader.close();
  }
}

/** Lets everything that can happen now happen. */
export async function turns(count = 30): Promise<void> {
  for (let turn = 0; turn < count; turn++) await setImmediate();
}

/** Whether the promise is still open after everything that can happen now happened. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const settled = (): void => {
    pending = false;
  };
  promise.then(settled, settled);
  await turns();
  return pending;
}

const now = (): Promise<void> => Promise.resolve();
/** A disk for tests that do not cut the power. */
export const hasty: DiskIo = { ...nodeDiskIo, sync: now, syncFolder: now };

/** Descriptors of this process on files below the folder; Linux only, elsewhere always 0. */
export function openDescriptors(below: string): number {
  if (process.platform !== 'linux') return 0;
  let count = 0;
  for (const fd of readdirSync('/proc/self/fd')) {
    if (linkOf(`/proc/self/fd/${fd}`).startsWith(below)) count++;
  }
  return count;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // The descriptor that listed the folder is gone by now.
    return '';
  }
}

/** Names of the files below a folder, relative to it, without the lock. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'lock')
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** Waits, turn by turn, until the condition holds; a test that waits in vain ends by its timeout. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await setImmediate();
}
