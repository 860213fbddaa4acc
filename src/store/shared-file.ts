/** One descriptor read by position by any number of holders, closed when the last of them and its last read are done. */
import { fstat, open, read } from 'node:fs';
import { FillError } from './blob-store.ts';
import { closeQuietly, isAbsent, storageFailed } from './disk-io.ts';

export class SharedFile {
  readonly #fd: number;
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers();
  #holds = 1;

  /** Takes over an open descriptor; the caller is its first holder. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  get fd(): number {
    return this.#fd;
  }

  /** When the descriptor is closed. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  hold(): this {
    this.#holds++;
    return this;
  }

  release(): void {
    if (--this.#holds === 0) void closeQuietly(this.#fd).then(this.#closed.resolve);
  }

  /**
   * Up to `length` bytes from `position`, where at least one is known to be.
   * A read holds the descriptor: closed under a read, its number could be another file's before the read runs.
   * @throws {FillError} `storage-failed`
   */
  read(target: Buffer, length: number, position: number): Promise<number> {
    this.#holds++;
    return new Promise((resolve, reject) => {
      read(this.#fd, target, 0, length, position, (error, bytes) => {
        this.release();
        if (error) reject(storageFailed('read a blob', error));
        else if (bytes === 0 && length > 0) reject(shortened(position));
        else resolve(bytes);
      });
    });
  }
}

function shortened(position: number): FillError {
  return new FillError('storage-failed', `cannot read a blob: its file ends at byte ${position}`);
}

/**
 * An existing file and its size in bytes; undefined where there is none.
 * @throws {FillError} `storage-failed`
 */
export function openFile(
  path: string,
): Promise<{ readonly file: SharedFile; readonly size: number } | undefined> {
  return new Promise((resolve, reject) => {
    open(path, 'r', (error, fd) => {
      if (error) {
        if (isAbsent(error)) resolve(undefined);
        else reject(storageFailed('open a blob', error));
        return;
      }
      const file = new SharedFile(fd);
      fstat(fd, (statError, stats) => {
        if (statError === null && stats.isFile()) {
          resolve({ file, size: stats.size });
        } else {
          file.release();
          reject(storageFailed('open a blob', statError ?? new Error('it is not a file')));
        }
      });
    });
  });
}
