/** Blobs handed over to nginx in front of us, by X-Accel-Redirect, and kept until it has opened them. */
import type { GrantedBlob } from '../admission/blobs.ts';
import type { Digest } from '../oci/digest.ts';
import type { BlobReader } from '../store/blob-store.ts';

/** Milliseconds for which a blob stays after it was handed over: nginx opens it when it has our headers. */
const KEPT = 15_000;
/** Blobs held at a time, each by one descriptor; with more in so short a time we send the bytes ourselves. */
const MAX_HELD = 1024;

interface Held {
  readonly reader: BlobReader;
  timer: NodeJS.Timeout;
}

export class Handover {
  readonly #locate: (digest: Digest) => string;
  readonly #held = new Set<Held>();
  /** Those that will be there for long enough to be handed over once more. */
  readonly #fresh = new Map<Digest, Held>();
  #opening = 0;
  #closed = false;

  constructor(locate: (digest: Digest) => string) {
    this.#locate = locate;
  }

  /**
   * Where nginx finds the blob, which is there from now on for {@link KEPT}; undefined when it is for us to send: not
   * complete, attached content, or one too many.
   */
  async offer(blob: GrantedBlob): Promise<string | undefined> {
    const { digest, size, openKept } = blob;
    if (openKept === undefined) return undefined;
    if (this.#fresh.get(digest)?.reader.size === size) return this.#locate(digest);
    if (this.#held.size + this.#opening >= MAX_HELD) return undefined;
    this.#opening++;
    try {
      const reader = await openKept();
      if (reader === undefined) return undefined;
      if (this.#closed) {
        await reader.close();
        return undefined;
      }
      this.#hold(digest, reader);
      return this.#locate(digest);
    } catch {
      // Whatever is wrong is met again, and told, by who sends it.
      return undefined;
    } finally {
      this.#opening--;
    }
  }

  /** Lets go of everything. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#fresh.clear();
    await Promise.all([...this.#held].map((held) => this.#release(held)));
  }

  /** For twice the time: whoever comes in the first half has the second. Then it is opened, and so used, anew. */
  #hold(digest: Digest, reader: BlobReader): void {
    const end = (): void => void this.#release(held);
    const age = (): void => {
      if (this.#fresh.get(digest) === held) this.#fresh.delete(digest);
      held.timer = setTimeout(end, KEPT).unref();
    };
    const held: Held = { reader, timer: setTimeout(age, KEPT).unref() };
    this.#held.add(held);
    this.#fresh.set(digest, held);
  }

  #release(held: Held): Promise<void> {
    clearTimeout(held.timer);
    this.#held.delete(held);
    return held.reader.close();
  }
}
