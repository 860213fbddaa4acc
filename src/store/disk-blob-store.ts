/** Blobs in a folder of the local disk, each under its digest, each proven before it gets that name. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { digestMatches, type Digest } from '../oci/digest.ts';
import { BlobFiles, type StoreLogger } from './blob-files.ts';
import type { SourceOptions } from './blob-source.ts';
import { FillError, type BlobReader, type BlobStore, type FillOptions } from './blob-store.ts';
import { nodeDiskIo, type DiskIo } from './disk-io.ts';
import { DiskLayout, importFolder } from './disk-layout.ts';
import { FillReader } from './fill-reader.ts';
import { Fill } from './fill.ts';
import { lockFolder, type FolderLock } from './folder-lock.ts';
import { Lifetime } from './lifetime.ts';
import { checkInspectable, inspectBytes, readWhole } from './proof.ts';
import { StoreError } from './store-error.ts';

/** Bytes at the end of a blob that nobody gets before the proof; blobs not larger are held as a whole. */
export const HELD_TAIL = 64 * 1024;

/** Milliseconds for which a command that looks may be in the way of a start. */
const PATIENCE = 200;

export interface DiskBlobStoreOptions {
  /** The cache folder; created with mode 0700, and this process's alone until the store is closed. */
  readonly path: string;
  readonly logger?: StoreLogger | undefined;
  /** Told of each blob that the disk would not take and that is served without being kept. Must not throw. */
  readonly onUnkept?: (() => void) | undefined;
  /** In place of {@link HELD_TAIL}; at least 1. */
  readonly heldTail?: number;
  /** Waits between attempts at a source; replaced in tests. */
  readonly delay?: SourceOptions['delay'];
  /** Replaced in tests, to make the disk fail. */
  readonly io?: DiskIo;
}

/**
 * Takes the folder, removes what a killed process left half-written, and opens the store on it.
 * Nothing is scanned: the time it takes does not depend on how much is kept.
 * @throws {StoreError} `in-use` when another process has the folder, `storage-failed`.
 */
export async function openDiskBlobStore(options: DiskBlobStoreOptions): Promise<BlobStore> {
  const lock = await lockFolder(options.path, PATIENCE);
  try {
    const layout = await DiskLayout.open(options.io ?? nodeDiskIo, options.path);
    return new DiskBlobStore(options, lock, layout);
  } catch (error) {
    lock.release();
    const reason = error instanceof Error ? error.message : String(error);
    throw new StoreError('storage-failed', `cannot use ${options.path}: ${reason}`, error);
  }
}

/**
 * Opens the store beside the process that has the folder, for who brings proven blobs from elsewhere. Its unfinished files
 * lie in a folder of its own, which it has alone; complete ones are moved into the one store.
 * @throws {StoreError} `in-use` while another such process works on the folder, `storage-failed`.
 */
export async function openDiskBlobStoreBeside(options: DiskBlobStoreOptions): Promise<BlobStore> {
  const work = importFolder(options.path);
  const lock = await lockFolder(work).catch((error: unknown) => {
    if (!(error instanceof StoreError && error.code === 'in-use')) throw error;
    const message = `another import, or cache gc, works on ${options.path}: wait until it is done`;
    throw new StoreError('in-use', message, error);
  });
  try {
    const temp = join(work, 'tmp');
    const layout = await DiskLayout.open(options.io ?? nodeDiskIo, options.path, { temp });
    return new DiskBlobStore(options, lock, layout);
  } catch (error) {
    lock.release();
    const reason = error instanceof Error ? error.message : String(error);
    throw new StoreError('storage-failed', `cannot use ${options.path}: ${reason}`, error);
  }
}

class DiskBlobStore implements BlobStore {
  readonly #logger: StoreLogger | undefined;
  readonly #onUnkept: (() => void) | undefined;
  readonly #heldTail: number;
  readonly #delay: SourceOptions['delay'];
  readonly #lock: FolderLock;
  readonly #lifetime = new Lifetime();
  readonly #files: BlobFiles;
  readonly #fills = new Map<Digest, Fill>();
  #closing: Promise<void> | undefined;

  constructor(options: DiskBlobStoreOptions, lock: FolderLock, layout: DiskLayout) {
    const { io = nodeDiskIo, logger } = options;
    this.#logger = logger;
    this.#onUnkept = options.onUnkept;
    this.#heldTail = Math.max(1, options.heldTail ?? HELD_TAIL);
    this.#delay = options.delay ?? ((ms, signal) => delay(ms, undefined, { signal }));
    this.#lock = lock;
    this.#files = new BlobFiles({ io, layout, logger, lifetime: this.#lifetime });
  }

  stat(digest: Digest): Promise<number | undefined> {
    return this.#lifetime.during(() => this.#files.stat(digest));
  }

  open(digest: Digest, size: number): Promise<BlobReader | undefined> {
    return this.#lifetime.during(async () => {
      const found = await this.#files.open(digest, size);
      return typeof found === 'string' ? undefined : found;
    });
  }

  fill(digest: Digest, options: FillOptions): Promise<BlobReader> {
    return this.#lifetime.during(async () => {
      if (options.inspect === undefined) return this.#provide(digest, options);
      checkInspectable(options.size);
      const reader = await this.#provide(digest, options);
      try {
        const bytes = await readWhole(reader);
        if (!digestMatches(bytes, digest)) {
          await this.#files.removeDamage(digest);
          throw new FillError('digest-mismatch', `the stored content of ${digest} was damaged`);
        }
        inspectBytes(bytes, options.inspect);
        return reader;
      } catch (error) {
        await reader.close();
        throw error;
      }
    });
  }

  put(digest: Digest, bytes: Buffer): Promise<void> {
    return this.#lifetime.during(() => this.#files.put(digest, bytes));
  }

  get(digest: Digest, maxBytes: number): Promise<Buffer | undefined> {
    return this.#lifetime.during(() => this.#files.get(digest, maxBytes));
  }

  remove(digest: Digest): Promise<void> {
    return this.#lifetime.during(() => this.#files.remove(digest));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** A reader from a fill under way, from the disk, or from a new fill. @throws {FillError} */
  async #provide(digest: Digest, options: FillOptions): Promise<BlobReader> {
    for (;;) {
      const fill = this.#fills.get(digest);
      if (fill?.size === options.size) {
        const reader = await this.#follow(fill);
        if (reader !== undefined) return reader;
      } else if (fill !== undefined) {
        // One of the two sizes is a lie. Which one, the end of this fill tells.
        await fill.finished;
      } else {
        const found = await this.#files.open(digest, options.size);
        if (found === 'other-size') {
          throw new FillError('size-mismatch', `expected ${digest} to have ${options.size} bytes`);
        }
        if (found !== 'absent') return found;
        // Another caller may have started meanwhile; from here to the start nobody can.
        if (!this.#fills.has(digest)) this.#startFill(digest, options);
      }
    }
  }

  #startFill(digest: Digest, { size, source, onEnd }: FillOptions): void {
    this.#lifetime.throwIfClosed();
    const fill = new Fill({
      digest,
      size,
      source,
      heldTail: this.#heldTail,
      delay: this.#delay,
      isComplete: async () => (await this.#files.stat(digest)) !== undefined,
      createTemp: () => this.#files.createTemp(),
      onEnd: (failure) => {
        this.#fills.delete(digest);
        this.#report(digest, failure);
        onEnd?.(failure === undefined);
      },
    });
    this.#fills.set(digest, fill);
  }

  #report(digest: Digest, failure: FillError | undefined): void {
    if (failure === undefined || failure.code === 'closed') return;
    if (failure.code === 'storage-failed') this.#onUnkept?.();
    this.#logger?.warn({ digest, code: failure.code, err: failure }, 'a blob was not kept');
  }

  /** A reader behind the fill; undefined when the blob turned out to be complete. @throws {FillError} */
  async #follow(fill: Fill): Promise<BlobReader | undefined> {
    fill.join();
    try {
      if ((await fill.opened) === 'filling') {
        return this.#lifetime.addReader(new FillReader(fill, this.#lifetime.removeReader));
      }
    } catch (error) {
      fill.leave();
      throw error;
    }
    fill.leave();
    return undefined;
  }

  async #close(): Promise<void> {
    this.#lifetime.beginClose();
    const fills = [...this.#fills.values()];
    for (const fill of fills) fill.abort(new FillError('closed', 'the store is closed'));
    await Promise.all(fills.map((fill) => fill.finished));
    await this.#lifetime.close();
    this.#lock.release();
  }
}
