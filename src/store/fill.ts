/** One blob on its way from its source to the disk, read by any number of followers while it grows. */
import { digestAlgorithm, finishDigest, startDigest, type Digest } from '../oci/digest.ts';
import { FillError, type BlobSource } from './blob-store.ts';
import { openSource, receive, type SourceOptions } from './blob-source.ts';
import { storageFailed } from './disk-io.ts';
import type { SharedFile } from './shared-file.ts';
import type { TempFile, TempFileEvents } from './temp-file.ts';

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
  readonly createTemp: (events: TempFileEvents) => Promise<TempFile>;
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

  get failure(): FillError | undefined {
    return this.#failure;
  }

  /** Bytes from the start that may leave now: never one of the tail before the proof. */
  get safeLimit(): number {
    if (this.#proven) return this.size;
    return Math.min(this.#temp?.written ?? 0, Math.max(0, this.size - this.#parts.heldTail));
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
    const missing = this.size - (this.#temp?.written ?? 0);
    if (this.#readers === 0 && missing > FINISH_UNREAD) {
      this.abort(new FillError('closed', 'nobody reads the blob any more'));
    }
    this.wake();
  }

  /** A hold on the growing file; only after {@link opened}. */
  holdFile(): SharedFile {
    if (this.#temp === undefined) throw new FillError('closed', 'the fill has no file');
    return this.#temp.file.hold();
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
    this.#creating = this.#parts.createTemp({
      onWritten: () => {
        this.wake();
      },
      onFailed: (failure) => {
        this.#fail(failure);
      },
    });
    const temp = await this.#creating;
    this.#throwIfEnded();
    this.#temp = temp;
    this.#opened.resolve('filling');
    const hash = startDigest(digest);
    for await (const chunk of receive(options, opened)) {
      this.#throwIfEnded();
      hash.update(chunk);
      const full = temp.push(chunk);
      if (full) await full;
    }
    await temp.flush();
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
    this.#end(failure);
    this.#opened.reject(failure);
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
