/**
 * Making room: the images pulled least recently, each with all that no other image needs, in small steps, ahead of need,
 * and never anything that is in use.
 */
import { setImmediate } from 'node:timers/promises';
import type { Digest } from '../oci/digest.ts';
import type { StoreLogger } from './blob-files.ts';
import type { Books } from './books.ts';
import type { Candidate, Place } from './usage.ts';

/** Blobs that cannot be removed, in one run, before it is given up. */
const FAILURES = 16;
/** Passes in a row that find everything in use, before the run ends: the next arrival is soon enough. */
const FRUITLESS = 3;
/** Milliseconds before another run after one that failed. */
const PAUSE = 60_000;
/** Milliseconds before another run after one that met nothing but what is to stay. */
const KEPT_PAUSE = 5000;

/** Takes one line for each run: information, or a warning when a blob could not be removed. */
export interface EvictionLogger extends StoreLogger {
  info(details: object, message: string): void;
}

export interface EvictionOptions {
  readonly books: Books;
  /** Bytes. */
  readonly maxBytes: number;
  /** A run begins above so many bytes and ends at or below so many. */
  readonly marks: { readonly high: number; readonly low: number };
  /** Whether somebody reads or writes the blob. */
  readonly isBusy: (digest: Digest) => boolean;
  /** Whether the operator wants an image of this reference to stay. */
  readonly isKept: (name: string) => boolean;
  readonly remove: (digest: Digest) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly logger: EvictionLogger;
}

export class Eviction {
  readonly #options: EvictionOptions;
  readonly #leaving = new Map<Digest, Promise<void>>();
  /** What would have been removed, had it not been in use. */
  readonly #passedOver = new Set<Digest>();
  #running: Promise<void> | undefined;
  #woken = false;
  #outdated = false;
  #stopped = false;
  #notBefore = -Infinity;
  #removed = { images: 0, blobs: 0, bytes: 0 };
  /** Images that were passed over since they are to stay. */
  #kept = 0;
  #warnedAt = -Infinity;
  #failed: { blobs: number; last: unknown } = { blobs: 0, last: undefined };

  constructor(options: EvictionOptions) {
    this.#options = options;
  }

  /** Says that there is more than before, or that a blob is no longer in use. Returns at once. */
  wake(released?: Digest): void {
    // The end of a use is news only of a blob that a run met in use: every other would be a run for nothing.
    if (released !== undefined && !this.#passedOver.delete(released)) return;
    this.#woken = true;
    if (this.#isDue()) this.#running ??= this.#run();
  }

  /** The removal of a blob that is under way; who uses a blob marks it busy first and then waits for that. */
  leaving(digest: Digest): Promise<void> | undefined {
    return this.#leaving.get(digest);
  }

  /** When no run is under way. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** No further removal begins. */
  stop(): void {
    this.#stopped = true;
  }

  #isDue(): boolean {
    const { books, marks, clock } = this.#options;
    if (this.#stopped || clock() < this.#notBefore) return false;
    return books.oversize.size > 0 || books.bytes > marks.high;
  }

  #isGivenUp(): boolean {
    return this.#stopped || this.#failed.blobs >= FAILURES;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    this.#removed = { images: 0, blobs: 0, bytes: 0 };
    this.#failed = { blobs: 0, last: undefined };
    // Whoever woke it does not wait for the database.
    await setImmediate();
    let fruitless = 0;
    // What a pass is woken for may be behind the place where it is.
    while (this.#woken && this.#isDue() && !this.#isGivenUp() && fruitless < FRUITLESS) {
      this.#woken = false;
      const before = this.#removed.blobs;
      await this.#pass();
      const isWritten = await this.#options.books.flush();
      fruitless = this.#removed.blobs > before ? 0 : fruitless + 1;
      if (this.#outdated && isWritten) this.#woken = true;
    }
    this.#report();
    this.#running = undefined;
  }

  async #pass(): Promise<void> {
    const { books, isBusy, marks } = this.#options;
    this.#passedOver.clear();
    this.#outdated = false;
    this.#kept = 0;
    await books.flush();
    for (const [digest, size] of [...books.oversize]) {
      if (isBusy(digest)) this.#passedOver.add(digest);
      else await this.#remove(digest, size);
    }
    if (books.bytes <= marks.high) return;
    const allLargeWent = await this.#removeOldest(false);
    // Large content that is in use goes next: sparing it is no reason to lose the small.
    if (allLargeWent) await this.#removeOldest(true);
  }

  /** Whether nothing was passed over. */
  async #removeOldest(small: boolean): Promise<boolean> {
    const { books, marks } = this.#options;
    let allWent = true;
    for (let after: Place | undefined; books.bytes > marks.low && !this.#isGivenUp();) {
      // One at a time: while one is removed, the next may be used, and then it is no longer the next.
      const candidate = books.oldest(small, after);
      if (candidate === undefined) break;
      after = candidate;
      if (await this.#removeImage(candidate)) continue;
      allWent = false;
      // Others are served meanwhile: there may be many that stay.
      await setImmediate();
    }
    return allWent;
  }

  /** Whether it went as a whole. */
  async #removeImage({ digest: root }: Candidate): Promise<boolean> {
    const { books, isKept } = this.#options;
    const graph = books.graph(root);
    if (this.#isInUse(graph.blobs.map(({ digest }) => digest))) return false;
    if (books.isNamed(graph, isKept)) {
      this.#kept++;
      return false;
    }
    const isImage = graph.blobs.length > 1 || books.isNamed(graph, () => true);
    for (const { digest, size } of graph.blobs) {
      // Too large ones have their own turn.
      if (books.oversize.has(digest)) continue;
      // Pulled again meanwhile, the rest of the image stays.
      if (this.#isInUse([root, digest]) || this.#isGivenUp()) return false;
      if (size > 0 || digest === root) await this.#remove(digest, size);
    }
    if (isImage) {
      await books.flush();
      books.unlink(root);
      this.#removed.images++;
    }
    return true;
  }

  #isInUse(digests: readonly Digest[]): boolean {
    const { books, isBusy } = this.#options;
    const busy = digests.filter((digest) => isBusy(digest));
    for (const digest of busy) this.#passedOver.add(digest);
    // A change that is not written yet is a later use than this, which the next pass knows.
    const isFresher = digests.some((digest) => books.isFresher(digest));
    if (isFresher && busy.length === 0) this.#outdated = true;
    return isFresher || busy.length > 0;
  }

  /** Never rejects. */
  async #remove(digest: Digest, size: number): Promise<void> {
    if (this.#isGivenUp()) return;
    const removal = this.#removeAndBook(digest, size);
    this.#leaving.set(digest, removal);
    await removal;
    this.#leaving.delete(digest);
  }

  /** Booked before anyone who waits goes on, so that a new life of the blob is booked after the end of the old. */
  async #removeAndBook(digest: Digest, size: number): Promise<void> {
    try {
      await this.#options.remove(digest);
      this.#options.books.gone(digest, size);
      this.#removed.blobs++;
      this.#removed.bytes += size;
    } catch (error) {
      this.#failed.blobs++;
      this.#failed.last = error;
    }
  }

  #report(): void {
    const { books, maxBytes, clock, logger } = this.#options;
    const counts = { ...this.#removed, left: books.bytes, maxBytes };
    if (this.#failed.blobs > 0 && !this.#stopped) {
      if (this.#isDue()) this.#notBefore = clock() + PAUSE;
      const details = { ...counts, failed: this.#failed.blobs, err: this.#failed.last };
      logger.warn(details, 'blobs could not be removed from the cache to make room');
    } else if (this.#removed.blobs > 0) {
      logger.info(counts, 'the least recently used content was removed from the cache');
    }
    if (this.#kept > 0 && this.#removed.blobs === 0 && this.#isDue()) {
      this.#notBefore = Math.max(this.#notBefore, clock() + KEPT_PAUSE);
    }
    if (
      this.#kept > 0 &&
      books.bytes > this.#options.marks.high &&
      Math.abs(clock() - this.#warnedAt) >= PAUSE
    ) {
      this.#warnedAt = clock();
      const details = { images: this.#kept, left: books.bytes, maxBytes };
      logger.warn(details, 'the images that cache.keep names leave too little room');
    }
  }
}
