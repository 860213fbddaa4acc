/** What a store has open and under way, so that closing it ends all of it and leaves nothing behind. */
import { FillError, type BlobReader } from './blob-store.ts';
import type { SharedFile } from './shared-file.ts';

export class Lifetime {
  readonly #operations = new Set<Promise<unknown>>();
  readonly #readers = new Set<BlobReader>();
  readonly #files = new Set<SharedFile>();
  #closed = false;

  /** Runs the work to its end before the store is closed. @throws {FillError} `closed` once closing began. */
  during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(closed());
    const operation = work();
    this.#operations.add(operation);
    const forget = (): void => {
      this.#operations.delete(operation);
    };
    operation.then(forget, forget);
    return operation;
  }

  /** For an operation about to start something long. @throws {FillError} `closed` */
  throwIfClosed(): void {
    if (this.#closed) throw closed();
  }

  /** A descriptor to wait for. */
  addFile(file: SharedFile): void {
    this.#files.add(file);
    void file.closed.then(() => this.#files.delete(file));
  }

  addReader<T extends BlobReader>(reader: T): T {
    this.#readers.add(reader);
    return reader;
  }

  readonly removeReader = (reader: BlobReader): void => {
    this.#readers.delete(reader);
  };

  /** Nothing new from now on. */
  beginClose(): void {
    this.#closed = true;
  }

  /** When every operation ended, every reader is closed and every descriptor is the system's again. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#operations);
    for (const reader of [...this.#readers]) void reader.close();
    await Promise.all([...this.#files].map((file) => file.closed));
  }
}

function closed(): FillError {
  return new FillError('closed', 'the store is closed');
}
