/** A reader that follows a fill: it reads what is safe from the growing file and waits for the rest. */
import { FillError, type BlobReader } from './blob-store.ts';
import type { Fill } from './fill.ts';
import type { SharedFile } from './shared-file.ts';

export class FillReader implements BlobReader {
  readonly size: number;
  readonly #fill: Fill;
  readonly #file: SharedFile;
  readonly #onClose: (reader: BlobReader) => void;
  #open = true;

  /** Takes over one join of the fill, which is open. */
  constructor(fill: Fill, onClose: (reader: BlobReader) => void) {
    this.size = fill.size;
    this.#fill = fill;
    this.#file = fill.holdFile();
    this.#onClose = onClose;
  }

  async read(target: Buffer, position: number): Promise<number> {
    await this.#waitFor(position);
    const length = Math.min(target.length, this.#fill.safeLimit - position);
    if (length <= 0) return 0;
    const bytes = await this.#file.read(target, length, position);
    this.#throwIfOver();
    return bytes;
  }

  close(): Promise<void> {
    if (this.#open) {
      this.#open = false;
      this.#fill.leave();
      this.#file.release();
      this.#onClose(this);
    }
    return Promise.resolve();
  }

  /** Until a byte at the position, or the end, is safe to give away. */
  async #waitFor(position: number): Promise<void> {
    for (;;) {
      this.#throwIfOver();
      // Even "here is the end" is only said once the end is proven.
      if (position < this.#fill.safeLimit || this.#fill.proven) return;
      await this.#fill.changed;
    }
  }

  #throwIfOver(): void {
    if (!this.#open) throw new FillError('closed', 'the reader is closed');
    if (this.#fill.failure) throw this.#fill.failure;
  }
}
