/** One blob on its way from its source to the disk, read by any number of followers while it grows. */
import { digestAlgorithm, finishDigest, startDigest, type Digest } from '../oci/digest.ts';
import { FillError, type BlobReader, type BlobSource } from './blob-store.ts';
import { openSource, receive, type SourceOptions } from './blob-source.ts';
import { storageFailed } from './disk-io.ts';
import type { SharedFile } from './shared-file.ts';
import type { TempFile } from './temp-file.ts';
import { UnkeptReader } from './unkept-reader.ts';

/** A fill that nobody reads any more is finished all the same when at most so many bytes are missing. */
export const FINISH_UNREAD = 64 * 1024 * 1024;

export interface FillParts {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly source: BlobSource;
  /** Bytes at the end that nobody gets before size and digest are proven. */
  readonly heldTail: number;
  readonly delay: SourceOptions['delay'];
  /** Asked once, when nobody else can start the same fill any more. */
  readonly isComplete: () => Promise<boolean>;
  readonly createTemp: () => Promise<TempFile>;
  /** The blob is published, or the fill failed and another may start. Called once. */
  readonly onEnd: (failure: FillError | undefined) => void;
}

export class Fill {
  readonly size: number;
  readonly #parts: FillParts;
  readonly #abort = new AbortController();
  readonly #opened = Promise.withResolvers<'filling' | 'complete'>();
  readonly #finished: PromiseWithResolvers<void> = Promise.withResolvers();
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();
  #creating: Promise<TempFile> | undefined;
  #temp: TempFile | undefined;
  /** What is being written. */
  #arriving: { readonly start: number; readonly bytes: Buffer } | undefined;
  #failure: FillError | undefined;
  #proven = false;
  #ended = false;
  #readers = 0;

  constructor(parts: FillParts) {
    this.size = parts.size;
    this.#parts = parts;
    // A fill that nobody awaits must not end the process.
    this.#opened.promise.catch(() => undefined);
    void this.#run();
  }

  /** Whether readers can follow; `complete` when the blob was there after all. @throws {FillError} */
  get opened(): Promise<'filling' | 'complete'> {
    return this.#opened.promise;
  }

  /** When nothing of it remains but a published blob and the readers' hold on it. Never rejects. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** Size and digest are what was asked for. */
  get proven(): boolean {
    return this.#proven;
  }

  /** Why it ended early. Where that is `storage-failed`, readers go on without the disk. */
  get failure(): FillError | undefined {
    return this.#failure;
  }

  /** Bytes from the start that may leave now: never one of the tail before the proof. */
  get safeLimit(): number {
    if (this.#proven) return this.size;
    return Math.min(this.#received, Math.max(0, this.size - this.#parts.heldTail));
  }

  get #received(): number {
    if (this.#arriving === undefined) return this.written;
    return this.#arriving.start + this.#arriving.bytes.length;
  }

  /** Bytes from the start that are in the file. */
  get written(): number {
    return this.#temp?.written ?? 0;
  }

  /** Copies what may leave and is on its way to the disk. @returns bytes, 0 where those at the position are not. */
  copyArriving(target: Buffer, position: number): number {
    if (this.#arriving === undefined) return 0;
    const { start, bytes } = this.#arriving;
    const from = position - start;
    if (from < 0) return 0;
    return bytes.copy(target, 0, from, Math.max(from, this.safeLimit - start));
  }

  /** Settles when the safe limit, the proof, the failure or a reader may have changed. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** A reader that counts as one until {@link leave}. */
  join(): void {
    this.#readers++;
  }

  leave(): void {
    this.#readers--;
    const missing = this.size - this.#received;
    if (this.#readers === 0 && missing > FINISH_UNREAD) {
      this.abort(new FillError('closed', 'nobody reads the blob any more'));
    }
    this.wake();
  }

  /** A hold on the growing file; none where the disk would not take it. */
  holdFile(): SharedFile | undefined {
    return this.#temp?.file.hold();
  }

  /** A reader on the same blob for when the disk failed; who has it holds the file. */
  goOn(file: SharedFile | undefined): BlobReader {
    return new UnkeptReader(this.#parts, { file, written: this.written });
  }

  wake(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }

  /** Ends it for everyone and removes what was written; no effect once the bytes are proven or it failed. */
  abort(failure: FillError): void {
    if (!this.#proven) this.#fail(failure);
  }

  async #run(): Promise<void> {
    try {
      const complete = await this.#parts.isComplete();
      this.#throwIfEnded();
      if (complete) {
        this.#opened.resolve('complete');
      } else {
        const temp = await this.#receive();
        this.#proven = true;
        this.wake();
        await temp.publish(this.#parts.digest);
      }
      this.#end(undefined);
      this.#finished.resolve();
    } catch (error) {
      this.#fail(storageFailed('fill a blob', error));
    }
  }

  /** The whole blob in a file, of the declared size and digest. @throws {FillError} */
  async #receive(): Promise<TempFile> {
    const { digest, size, source, delay } = this.#parts;
    const options = { source, size, delay, signal: this.#abort.signal };
    const opened = await openSource(options, 0);
    this.#throwIfEnded();
    this.#creating = this.#parts.createTemp();
    const temp = await this.#creating;
    this.#throwIfEnded();
    this.#temp = temp;
    this.#opened.resolve('filling');
    const hash = startDigest(digest);
    for await (const chunk of receive(options, opened)) {
      this.#throwIfEnded();
      // Readers that wait for it need not wait for the disk.
      this.#arriving = { start: temp.written, bytes: chunk };
      const writing = temp.write(chunk);
      this.wake();
      hash.update(chunk);
      await writing;
      this.#arriving = undefined;
    }
    this.#throwIfEnded();
    const actual = finishDigest(hash, digestAlgorithm(digest));
    if (actual !== digest) {
      throw new FillError('digest-mismatch', `expected ${digest}, got ${actual}`);
    }
    return temp;
  }

  #throwIfEnded(): void {
    if (this.#failure) throw this.#failure;
  }

  #fail(failure: FillError): void {
    if (this.#ended) return;
    this.#failure = failure;
    this.#arriving = undefined;
    this.#end(failure);
    if (failure.code === 'storage-failed') this.#opened.resolve('filling');
    else this.#opened.reject(failure);
    this.#abort.abort(failure);
    this.wake();
    void this.#discard();
  }

  #end(failure: FillError | undefined): void {
    this.#ended = true;
    this.#parts.onEnd(failure);
  }

  async #discard(): Promise<void> {
    try {
      const temp = await this.#creating;
      await temp?.discard();
    } catch {
      // A temporary file that cannot be removed now is removed when the store opens next.
    }
    this.#finished.resolve();
  }
}
