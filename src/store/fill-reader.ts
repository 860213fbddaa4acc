/** A reader that follows a fill: it takes what is safe from what arrives or from its file, and waits for the rest. */
import { FillError, type BlobReader } from './blob-store.ts';
import type { Fill } from './fill.ts';
import type { SharedFile } from './shared-file.ts';

export class FillReader implements BlobReader {
  readonly size: number;
  readonly #fill: Fill;
  readonly #file: SharedFile | undefined;
  readonly #onClose: (reader: BlobReader) => void;
  /** Instead of the file, once the disk failed. */
  #unkept: BlobReader | undefined;
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
    // Closed meanwhile, it holds no descriptor: the number may be another file's by now.
    this.#throwIfOver();
    if (this.#file === undefined || this.#isUnkept()) return this.#readOn(target, position);
    const copied = this.#fill.copyArriving(target, position);
    if (copied > 0) return copied;
    const { safeLimit, written } = this.#fill;
    const length = Math.min(target.length, Math.min(safeLimit, written) - position);
    if (length <= 0) return 0;
    const bytes = await this.#file.read(target, length, position);
    this.#throwIfOver();
    return bytes;
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#fill.leave();
    this.#onClose(this);
    // It may be reading the file.
    await this.#unkept?.close();
    this.#file?.release();
  }

  /** Until a byte at the position, or the end, is safe to give away, or the disk failed. */
  async #waitFor(position: number): Promise<void> {
    for (;;) {
      this.#throwIfOver();
      if (this.#isUnkept()) return;
      // Even "here is the end" is only said once the end is proven.
      if (position < this.#fill.safeLimit || this.#fill.proven) return;
      await this.#fill.changed;
    }
  }

  /** What is proven is all in the file, whether it gets its name or not. */
  #isUnkept(): boolean {
    return this.#fill.failure !== undefined && !this.#fill.proven;
  }

  #readOn(target: Buffer, position: number): Promise<number> {
    this.#unkept ??= this.#fill.goOn(this.#file);
    return this.#unkept.read(target, position);
  }

  #throwIfOver(): void {
    if (!this.#open) throw new FillError('closed', 'the reader is closed');
    const { failure } = this.#fill;
    if (failure !== undefined && failure.code !== 'storage-failed') throw failure;
  }
}
