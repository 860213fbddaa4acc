/** A reader that goes on where the disk failed a fill: the same bytes under the same proof, kept by nobody. */
import { digestAlgorithm, finishDigest, startDigest, type Digest } from '../oci/digest.ts';
import { FillError, type BlobReader } from './blob-store.ts';
import { openSource, receive, type SourceOptions } from './blob-source.ts';
import { storageFailed } from './disk-io.ts';
import type { SharedFile } from './shared-file.ts';

/** Bytes that are read back at once. */
const STEP = 1024 * 1024;

export interface UnkeptBlob extends Omit<SourceOptions, 'signal'> {
  readonly digest: Digest;
  /** Bytes at the end that nobody gets before size and digest are proven. */
  readonly heldTail: number;
}

/** What reached the disk before it failed; nothing where there is no file. */
export interface Remainder {
  readonly file: SharedFile | undefined;
  /** Bytes of the file, which do not change any more. */
  readonly written: number;
}

/** Each has a source of its own from where the file ends, in memory that does not grow with the blob. */
export class UnkeptReader implements BlobReader {
  readonly size: number;
  readonly #blob: UnkeptBlob;
  readonly #remainder: Remainder;
  readonly #abort = new AbortController();
  #last: Promise<unknown> = Promise.resolve();
  #pass: Pass | undefined;

  /** The file's holder must hold it until the reader is closed. */
  constructor(blob: UnkeptBlob, remainder: Remainder) {
    this.size = blob.size;
    this.#blob = blob;
    this.#remainder = remainder;
  }

  read(target: Buffer, position: number): Promise<number> {
    const { file, written } = this.#remainder;
    const safe = Math.min(written, this.size - this.#blob.heldTail);
    if (file !== undefined && position < safe) {
      return file.read(target, Math.min(target.length, safe - position), position);
    }
    // One after the other: bytes come in order.
    const reading = this.#last.then(() => this.#readOn(target, position));
    this.#last = reading.catch(() => undefined);
    return reading;
  }

  async close(): Promise<void> {
    this.#abort.abort(new FillError('closed', 'the reader is closed'));
    await this.#last;
    await this.#pass?.end();
  }

  async #readOn(target: Buffer, position: number): Promise<number> {
    const { signal } = this.#abort;
    signal.throwIfAborted();
    if (this.#pass === undefined || position < this.#pass.start) {
      await this.#pass?.end();
      this.#pass = new Pass(this.#blob, this.#remainder, signal);
    }
    const bytes = await this.#pass.read(target, position).catch((error: unknown) => {
      signal.throwIfAborted();
      throw error;
    });
    signal.throwIfAborted();
    return bytes;
  }
}

/** One way through all bytes from the first to the last, hashed. */
class Pass {
  readonly #blob: UnkeptBlob;
  readonly #bytes: AsyncGenerator<Buffer, void, undefined>;
  readonly #hash;
  /** What came and may still be asked for, and where it begins and ends. */
  #held: Buffer[] = [];
  #start = 0;
  #end = 0;
  #proven = false;
  #failure: FillError | undefined;

  constructor(blob: UnkeptBlob, remainder: Remainder, signal: AbortSignal) {
    this.#blob = blob;
    this.#bytes = bytesOf(blob, remainder, signal);
    this.#hash = startDigest(blob.digest);
  }

  /** The first byte that can still be read. */
  get start(): number {
    return this.#start;
  }

  /** @throws {FillError} */
  async read(target: Buffer, position: number): Promise<number> {
    const { size, heldTail } = this.#blob;
    const safe = Math.max(0, size - heldTail);
    for (;;) {
      this.#forget(position);
      const limit = this.#proven ? size : Math.min(this.#end, safe);
      if (position < limit) return this.#copy(target, position, limit);
      if (this.#proven) return 0;
      await this.#next();
    }
  }

  async end(): Promise<void> {
    await this.#bytes.return().catch(() => undefined);
  }

  /** What is before the position, in whole chunks. */
  #forget(position: number): void {
    for (let [first] = this.#held; first !== undefined; [first] = this.#held) {
      if (this.#start + first.length > position) break;
      this.#start += first.length;
      this.#held.shift();
    }
  }

  #copy(target: Buffer, position: number, limit: number): number {
    const [first] = this.#held;
    if (first === undefined) return 0;
    const from = position - this.#start;
    const length = Math.min(target.length, first.length - from, limit - position);
    return first.copy(target, 0, from, from + length);
  }

  async #next(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      const next = await this.#bytes.next();
      if (next.done === true) {
        this.#prove();
      } else {
        this.#hash.update(next.value);
        this.#held.push(Buffer.from(next.value));
        this.#end += next.value.length;
      }
    } catch (error) {
      this.#failure = storageFailed('read a blob', error);
      throw this.#failure;
    }
  }

  #prove(): void {
    const { digest } = this.#blob;
    const actual = finishDigest(this.#hash, digestAlgorithm(digest));
    if (actual !== digest) {
      throw new FillError('digest-mismatch', `expected ${digest}, got ${actual}`);
    }
    this.#proven = true;
  }
}

/** Exactly `size` bytes. @throws {FillError} */
async function* bytesOf(
  blob: UnkeptBlob,
  { file, written }: Remainder,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const kept = file === undefined ? 0 : written;
  for (let position = 0; file !== undefined && position < kept;) {
    signal.throwIfAborted();
    const buffer = Buffer.allocUnsafeSlow(Math.min(STEP, kept - position));
    const bytes = await file.read(buffer, buffer.length, position);
    yield buffer.subarray(0, bytes);
    position += bytes;
  }
  if (kept === blob.size) return;
  const options = { ...blob, signal };
  yield* receive(options, await openSource(options, kept), kept);
}
