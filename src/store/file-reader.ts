/** A reader on a complete blob: one descriptor, positional reads into the caller's buffer, nothing in between. */
import { FillError, type BlobReader } from './blob-store.ts';
import type { SharedFile } from './shared-file.ts';

export class FileReader implements BlobReader {
  readonly size: number;
  readonly #file: SharedFile;
  readonly #onClose: (reader: BlobReader) => void;
  #open = true;

  /** Takes over one hold on the file. */
  constructor(file: SharedFile, size: number, onClose: (reader: BlobReader) => void) {
    this.size = size;
    this.#file = file;
    this.#onClose = onClose;
  }

  read(target: Buffer, position: number): Promise<number> {
    if (!this.#open) return Promise.reject(new FillError('closed', 'the reader is closed'));
    const left = this.size - position;
    if (left <= 0) return Promise.resolve(0);
    return this.#file.read(target, left < target.length ? left : target.length, position);
  }

  close(): Promise<void> {
    if (this.#open) {
      this.#open = false;
      this.#file.release();
      this.#onClose(this);
    }
    return this.#file.closed;
  }
}
