/** Which blobs are in use, and by how many: nobody's use of a blob ends another's. */
import type { Digest } from '../oci/digest.ts';
import type { BlobReader } from './blob-store.ts';

export class Holds {
  readonly #counts = new Map<Digest, number>();
  readonly #onRelease: (digest: Digest) => void;

  /** `onRelease` is called when the last hold on a blob ended. */
  constructor(onRelease: (digest: Digest) => void) {
    this.#onRelease = onRelease;
  }

  has(digest: Digest): boolean {
    return this.#counts.has(digest);
  }

  take(digest: Digest): void {
    this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
  }

  release(digest: Digest): void {
    const others = (this.#counts.get(digest) ?? 1) - 1;
    if (others > 0) {
      this.#counts.set(digest, others);
    } else {
      this.#counts.delete(digest);
      this.#onRelease(digest);
    }
  }
}

/** A reader that holds its blob until it is closed. */
export class HeldReader implements BlobReader {
  readonly size: number;
  readonly #reader: BlobReader;
  readonly #holds: Holds;
  readonly #digest: Digest;
  #open = true;

  /** Takes a hold of its own. */
  constructor(reader: BlobReader, holds: Holds, digest: Digest) {
    this.size = reader.size;
    this.#reader = reader;
    this.#holds = holds;
    this.#digest = digest;
    holds.take(digest);
  }

  read(target: Buffer, position: number): Promise<number> {
    return this.#reader.read(target, position);
  }

  close(): Promise<void> {
    const closing = this.#reader.close();
    if (this.#open) {
      this.#open = false;
      this.#holds.release(this.#digest);
    }
    return closing;
  }
}
