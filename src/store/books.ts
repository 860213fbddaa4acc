/** What a bounded store keeps: counted in memory, written to its usage in batches, never in the way of a read or fill. */
import { setImmediate } from 'node:timers/promises';
import type { Digest } from '../oci/digest.ts';
import type { StoreLogger } from './blob-files.ts';
import type { PulledManifest } from './blob-store.ts';
import type { BlobUse, Candidate, ImageGraph, Place, Pull, Usage, UsageChange } from './usage.ts';

/** Changes that may wait to be written, and milliseconds that they may wait. */
const WAITING = 1024;
const INTERVAL = 60_000;
/** Changes written at a time: a few milliseconds of the thread that serves everyone, with a million blobs. */
const BATCH = 64;
/** Changes that wait at most while the usage cannot be written; the oldest are forgotten first. */
const MAX_WAITING = 16 * WAITING;
/** References of one manifest that wait at most. */
const MAX_NAMES = 16;
/** Bytes of manifests whose pulls wait, from which on they are written, and that they take at most. */
const WAITING_BYTES = 16 * 1024 * 1024;
const GONE: UsageChange = { kind: 'gone', size: 0 };

export interface BooksOptions {
  readonly usage: Usage;
  /** Bytes; larger blobs are not counted but listed in {@link Books.oversize}. */
  readonly largest: number;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly logger: StoreLogger;
  /** Called after changes were written in passing, which may have made {@link Books.bytes} larger. */
  readonly onWritten: () => void;
  /** Called for manifests that were pulled and are not on the disk. */
  readonly onMissing: (pulled: PulledManifest) => void;
}

export class Books {
  readonly #options: BooksOptions;
  readonly #waiting = new Map<Digest, UsageChange>();
  readonly #pulls = new Map<Digest, Pull & PulledManifest>();
  #pulledBytes = 0;
  readonly #arriving = new Map<Digest, number>();
  readonly #oversize = new Map<Digest, number>();
  #written = 0;
  /** Bytes of blobs that are gone and not written as such. */
  #leaving = 0;
  #use = 0;
  #writtenAt: number;
  #failing = false;
  #warnedAt = -Infinity;
  #isWriting = false;
  /** What waits is written though nothing more happens. */
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: BooksOptions) {
    this.#options = options;
    this.#writtenAt = options.clock();
    this.#attempt(() => {
      const { bytes, lastUse, larger } = options.usage.summary(options.largest);
      this.#written = bytes;
      this.#use = lastUse;
      for (const { digest, size } of larger) this.#oversize.set(digest, size);
    });
  }

  /** Sum of the sizes of what is kept and what is arriving. */
  get bytes(): number {
    return this.#written - this.#leaving;
  }

  /** Blobs too large to be kept, with their sizes. */
  get oversize(): ReadonlyMap<Digest, number> {
    return this.#oversize;
  }

  /** What an earlier process may have left on the disk or not. */
  unsettled(): readonly BlobUse[] {
    return this.#attempt(() => this.#options.usage.arriving()) ?? [];
  }

  /** Of the small or the other candidates used after a place in the order, the one least recently used. */
  oldest(small: boolean, after: Place | undefined): Candidate | undefined {
    return this.#attempt(() => this.#options.usage.oldest(small, after));
  }

  /** What goes with a candidate. */
  graph(root: Digest): ImageGraph {
    return this.#attempt(() => this.#options.usage.graph(root)) ?? { blobs: [], pulls: [] };
  }

  /** Whether one of the references by which a graph was pulled is among those asked for; where it is unknown, it is. */
  isNamed({ pulls }: ImageGraph, isMeant: (name: string) => boolean): boolean {
    const search = (): boolean => {
      for (const { name } of pulls) if (isMeant(name)) return true;
      return false;
    };
    return this.#attempt(search) ?? true;
  }

  /** A candidate is gone, with all of {@link graph}. */
  unlink(root: Digest): void {
    this.#attempt(() => {
      this.#options.usage.unlink(root);
    });
  }

  /** What a manifest names belongs to it. */
  link(manifest: Digest, members: readonly Digest[]): void {
    this.#attempt(() => {
      this.#options.usage.link(manifest, members);
    });
  }

  /** What is attached to an image belongs to it. */
  attach(image: Digest, content: Digest): void {
    this.#attempt(() => {
      this.#options.usage.attach(image, content);
    });
  }

  /** A manifest was served. It touches nothing but memory. */
  pulled(manifest: PulledManifest): void {
    const { digest, bytes, name } = manifest;
    // Clients ask for the tag first and then for its digest.
    const names = [...(this.#pulls.get(digest)?.names ?? []), name];
    this.#forgetPull(digest);
    const isFull = this.#pulls.size >= MAX_WAITING || this.#pulledBytes >= 2 * WAITING_BYTES;
    if (isFull) return;
    this.#pulledBytes += bytes.length;
    const use = ++this.#use;
    const latest = new Set(names.slice(-MAX_NAMES));
    this.#pulls.set(digest, { ...manifest, names: latest, use, at: this.#options.clock() });
    this.#writeWhenDue();
  }

  /** Whether the blob was used, which {@link oldest} does not know yet. */
  isFresher(digest: Digest): boolean {
    return this.#pulls.has(digest) || (this.#waiting.get(digest) ?? GONE).kind !== 'gone';
  }

  /** A blob begins to be written. It is counted at once, and written at once so that no kill can leave it unknown. */
  begin(digest: Digest, size: number): void {
    this.#arriving.set(digest, (this.#arriving.get(digest) ?? 0) + 1);
    this.#forget(digest);
    this.#noteSize(digest, size);
    const change: UsageChange = { kind: 'arriving', size, use: ++this.#use };
    if (!this.#write(new Map([[digest, change]]))) this.#wait(digest, change);
  }

  /** The end of what {@link begin} began; what became of the blob is said by {@link used} or {@link gone}. */
  end(digest: Digest): void {
    const others = (this.#arriving.get(digest) ?? 1) - 1;
    if (others === 0) this.#arriving.delete(digest);
    else this.#arriving.set(digest, others);
  }

  isArriving(digest: Digest): boolean {
    return this.#arriving.has(digest);
  }

  /** A complete blob was used. It touches nothing but memory, also for a blob that was unknown until now. */
  used(digest: Digest, size: number): void {
    if (this.isArriving(digest)) return;
    this.#noteSize(digest, size);
    this.#wait(digest, { kind: 'kept', size, use: ++this.#use });
  }

  /** A blob is on the disk no more; `size` in bytes where it is known to have been counted. */
  gone(digest: Digest, size = 0): void {
    this.#oversize.delete(digest);
    const counted = size <= this.#options.largest ? size : 0;
    this.#leaving += counted;
    this.#wait(digest, { kind: 'gone', size: counted });
  }

  /** Writes what waits now, a batch in each turn of the event loop; says whether it could be written. */
  async flush(): Promise<boolean> {
    for (let batches = Math.ceil(this.#waiting.size / BATCH); batches > 0; batches--) {
      if (!this.#writeBatch()) return false;
      await setImmediate();
    }
    for (let batches = Math.ceil(this.#pulls.size / BATCH); batches > 0; batches--) {
      if (!this.#writePulls()) return false;
      await setImmediate();
    }
    return true;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    await this.flush();
    this.#attempt(() => {
      this.#options.usage.close();
    });
    this.#closed = true;
  }

  #noteSize(digest: Digest, size: number): void {
    if (size > this.#options.largest) this.#oversize.set(digest, size);
    else this.#oversize.delete(digest);
  }

  #wait(digest: Digest, change: UsageChange): void {
    this.#forget(digest);
    this.#waiting.set(digest, change);
    for (const [oldest] of this.#waiting) {
      if (this.#waiting.size <= MAX_WAITING) break;
      this.#forget(oldest);
    }
    this.#writeWhenDue();
  }

  #writeWhenDue(): void {
    const due =
      Math.abs(this.#options.clock() - this.#writtenAt) >= INTERVAL ||
      (!this.#failing &&
        (this.#waiting.size + this.#pulls.size >= WAITING || this.#pulledBytes >= WAITING_BYTES));
    if (this.#isWriting || this.#closed) return;
    if (due) void this.#writeInPassing();
    else this.#timer ??= setTimeout(() => void this.#writeInPassing(), INTERVAL).unref();
  }

  /** Whoever used a blob does not wait for the database. */
  async #writeInPassing(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isWriting = true;
    this.#writtenAt = this.#options.clock();
    await setImmediate();
    await this.flush();
    this.#isWriting = false;
    this.#options.onWritten();
  }

  #forgetPull(digest: Digest): void {
    this.#pulledBytes -= this.#pulls.get(digest)?.bytes.length ?? 0;
    this.#pulls.delete(digest);
  }

  #forget(digest: Digest): void {
    const change = this.#waiting.get(digest);
    if (change === undefined) return;
    if (change.kind === 'gone') this.#leaving -= change.size;
    this.#waiting.delete(digest);
  }

  #writeBatch(): boolean {
    const batch = new Map<Digest, UsageChange>();
    // The earliest first, so that a kill between two batches leaves the uses up to some moment.
    for (const [digest, change] of this.#waiting) {
      if (batch.size >= BATCH) break;
      batch.set(digest, change);
    }
    if (!this.#write(batch)) return false;
    for (const digest of batch.keys()) this.#forget(digest);
    return true;
  }

  #writePulls(): boolean {
    const batch = new Map([...this.#pulls].slice(0, BATCH));
    const missing = this.#attempt(() => this.#options.usage.pulled(batch));
    if (missing === undefined) return false;
    for (const [digest, pull] of batch) {
      // Pulled again meanwhile, it waits again.
      if (this.#pulls.get(digest) === pull) this.#forgetPull(digest);
      if (missing.includes(digest)) this.#options.onMissing(pull);
    }
    return true;
  }

  #write(changes: ReadonlyMap<Digest, UsageChange>): boolean {
    const grown = this.#attempt(() => this.#options.usage.write(changes, this.#options.largest));
    if (grown !== undefined) this.#written += grown;
    return grown !== undefined;
  }

  /** Books that cannot be kept cost the order of use, never an answer. */
  #attempt<T>(work: () => T): T | undefined {
    if (this.#closed) return undefined;
    try {
      const result = work();
      this.#failing = false;
      return result;
    } catch (error) {
      this.#failing = true;
      // Now and then, not for every blob.
      const now = this.#options.clock();
      if (Math.abs(now - this.#warnedAt) >= INTERVAL) {
        this.#warnedAt = now;
        this.#options.logger.warn({ err: error }, 'the use of the cache could not be recorded');
      }
      return undefined;
    }
  }
}
