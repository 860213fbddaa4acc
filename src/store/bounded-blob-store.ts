/** A blob store that keeps at most so many bytes: whatever another store keeps, less the images pulled least recently. */
import type { Digest } from '../oci/digest.ts';
import type {
  BlobReader,
  BlobSource,
  BlobStore,
  FillOptions,
  Images,
  PulledManifest,
} from './blob-store.ts';
import { Books } from './books.ts';
import { Eviction, type EvictionLogger } from './eviction.ts';
import { HeldReader, Holds } from './holds.ts';
import type { Usage } from './usage.ts';

/** Room is made when the cache is fuller than the first part of its size, until it is as full as the second. */
const HIGH = 0.95;
const LOW = 0.9;

export interface BoundedBlobStoreOptions {
  /** Bytes that complete blobs may take. */
  readonly maxBytes: number;
  /** Taken over: it is closed with the store. */
  readonly usage: Usage;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly logger: EvictionLogger;
  /** Whether the operator wants an image of this name (a reference) to stay; absent: none. */
  readonly isKept?: ((name: string) => boolean) | undefined;
}

export interface BoundedBlobStore extends BlobStore, Images {
  /** When no blob is being removed to make room. */
  settled(): Promise<void>;
  /** Writes into the books what it was told until now; says whether it could be written. */
  flush(): Promise<boolean>;
}

/**
 * Bounds a store, which is taken over: it is closed with this one. What only it knows, and not the books, counts from
 * the first time that it is read.
 *
 * A blob counts from the moment it begins to arrive, so room is made while it does, and nobody waits for that. What is
 * being read or written stays: its bytes would stay on the disk anyway, until the last reader is gone. So more than
 * `maxBytes` are kept only while everything that could go is in use. A blob that would leave room for nothing else,
 * larger than nine tenths of `maxBytes`, is served and removed after its last reader.
 */
export async function boundBlobStore(
  inner: BlobStore,
  options: BoundedBlobStoreOptions,
): Promise<BoundedBlobStore> {
  const store = new BoundedStore(inner, options);
  await store.begin();
  return store;
}

class BoundedStore implements BoundedBlobStore {
  readonly #inner: BlobStore;
  readonly #books: Books;
  readonly #eviction: Eviction;
  readonly #holds: Holds;
  readonly #checks = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(inner: BlobStore, options: BoundedBlobStoreOptions) {
    const { maxBytes, usage, clock, logger, isKept = () => false } = options;
    const marks = { high: Math.floor(maxBytes * HIGH), low: Math.floor(maxBytes * LOW) };
    const wake = (released?: Digest): void => {
      this.#eviction.wake(released);
    };
    this.#inner = inner;
    this.#holds = new Holds(wake);
    this.#books = new Books({
      usage,
      largest: marks.low,
      clock,
      logger,
      onWritten: wake,
      onMissing: (pulled) => {
        this.#keepAgain(pulled);
      },
    });
    this.#eviction = new Eviction({
      books: this.#books,
      maxBytes,
      marks,
      isBusy: (digest) => this.#holds.has(digest),
      isKept,
      remove: (digest) => inner.remove(digest),
      clock,
      logger,
    });
  }

  /** Learns what became of the blobs that were on their way when the last process ended. */
  async begin(): Promise<void> {
    for (const { digest } of this.#books.unsettled()) await this.#check(digest);
    this.#eviction.wake();
  }

  stat(digest: Digest): Promise<number | undefined> {
    return this.#inner.stat(digest);
  }

  open(digest: Digest, size: number): Promise<BlobReader | undefined> {
    return this.#holding(digest, async () => {
      const reader = await this.#inner.open(digest, size);
      if (reader === undefined) return undefined;
      this.#books.used(digest, reader.size);
      return new HeldReader(reader, this.#holds, digest);
    });
  }

  fill(digest: Digest, options: FillOptions): Promise<BlobReader> {
    return this.#holding(digest, async () => {
      const fill = { began: false, ended: false };
      const source: BlobSource = async (offset, signal) => {
        // Only who begins a fill is asked for the source: not who finds the blob or follows another's fill.
        const opened = await options.source(offset, signal);
        // No room is made for what the upstream does not have.
        if (!fill.began && !fill.ended) {
          fill.began = true;
          this.#arrives(digest, options.size);
        }
        return opened;
      };
      const onEnd = (complete: boolean): void => {
        fill.ended = true;
        if (fill.began) this.#arrived(digest, options.size, complete);
        options.onEnd?.(complete);
      };
      const reader = await this.#inner.fill(digest, { ...options, source, onEnd });
      if (!fill.began) this.#books.used(digest, reader.size);
      return new HeldReader(reader, this.#holds, digest);
    });
  }

  put(digest: Digest, bytes: Buffer): Promise<void> {
    return this.#holding(digest, async () => {
      let complete = false;
      this.#arrives(digest, bytes.length);
      try {
        await this.#inner.put(digest, bytes);
        complete = true;
      } finally {
        this.#arrived(digest, bytes.length, complete);
      }
    });
  }

  get(digest: Digest, maxBytes: number): Promise<Buffer | undefined> {
    return this.#holding(digest, async () => {
      const bytes = await this.#inner.get(digest, maxBytes);
      if (bytes !== undefined) this.#books.used(digest, bytes.length);
      return bytes;
    });
  }

  async remove(digest: Digest): Promise<void> {
    await this.#inner.remove(digest);
    if (this.#books.isArriving(digest)) return;
    this.#books.gone(digest);
    await this.#books.flush();
  }

  link(manifest: Digest, members: readonly Digest[]): void {
    this.#books.link(manifest, members);
  }

  attach(image: Digest, content: Digest): void {
    this.#books.attach(image, content);
  }

  pulled(manifest: PulledManifest): void {
    this.#books.pulled(manifest);
  }

  flush(): Promise<boolean> {
    return this.#books.flush();
  }

  async settled(): Promise<void> {
    await Promise.all(this.#checks);
    await this.#eviction.settled();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Runs the work while the blob is held, and not before a removal of it that is under way. */
  async #holding<T>(digest: Digest, work: () => Promise<T>): Promise<T> {
    this.#holds.take(digest);
    try {
      const leaving = this.#eviction.leaving(digest);
      if (leaving !== undefined) await leaving;
      return await work();
    } finally {
      this.#holds.release(digest);
    }
  }

  #arrives(digest: Digest, size: number): void {
    this.#holds.take(digest);
    this.#books.begin(digest, size);
    this.#eviction.wake();
  }

  #arrived(digest: Digest, size: number, complete: boolean): void {
    this.#books.end(digest);
    if (complete) this.#books.used(digest, size);
    else this.#checkInPassing(digest);
    this.#holds.release(digest);
  }

  #checkInPassing(digest: Digest): void {
    const check = this.#check(digest).finally(() => {
      this.#checks.delete(check);
      this.#eviction.wake();
    });
    this.#checks.add(check);
  }

  /** Served from memory after it was removed from the disk: it is in use, so it is kept like any other. */
  #keepAgain({ digest, bytes, members }: PulledManifest): void {
    this.#books.link(digest, members());
    const keeping = this.put(digest, bytes)
      // Full or closed: it is kept another time.
      .catch(() => undefined)
      .finally(() => {
        this.#checks.delete(keeping);
      });
    this.#checks.add(keeping);
  }

  /** Books a blob as the disk has it. Never rejects: what cannot be learned now is learned at the next start. */
  async #check(digest: Digest): Promise<void> {
    try {
      const size = await this.#inner.stat(digest);
      if (this.#books.isArriving(digest)) return;
      if (size === undefined) this.#books.gone(digest);
      else this.#books.used(digest, size);
    } catch {
      // The books say still that it may be there.
    }
  }

  async #close(): Promise<void> {
    this.#eviction.stop();
    try {
      await this.#inner.close();
    } finally {
      await this.settled();
      await this.#books.close();
    }
  }
}
