/** Blobs in a folder of the local disk, each under its digest, each proven before it gets that name. */
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { digestMatches, type Digest } from '../oci/digest.ts';
import { FillError, type BlobReader, type BlobStore, type FillOptions } from './blob-store.ts';
import type { SourceOptions } from './blob-source.ts';
import { isAbsent, nodeDiskIo, storageFailed, type DiskIo } from './disk-io.ts';
import { DiskLayout } from './disk-layout.ts';
import { FileReader } from './file-reader.ts';
import { FillReader } from './fill-reader.ts';
import { Fill } from './fill.ts';
import { lockFolder, type FolderLock } from './folder-lock.ts';
import { Lifetime } from './lifetime.ts';
import { checkInspectable, inspectBytes, isSound, readWhole } from './proof.ts';
import { openFile, type SharedFile } from './shared-file.ts';
import { TempFile, type TempFileEvents } from './temp-file.ts';

/** Bytes at the end of a blob that nobody gets before the proof. */
export const HELD_TAIL = 64 * 1024;

export interface StoreLogger {
  warn(details: object, message: string): void;
}

export interface DiskBlobStoreOptions {
  /** The cache folder; created with mode 0700, and this process's alone until the store is closed. */
  readonly path: string;
  readonly logger?: StoreLogger | undefined;
  /** Bytes at the end of a blob that nobody gets before the proof; at least 1, 64 KiB unless told. */
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
  const lock = await lockFolder(options.path);
  try {
    const layout = await DiskLayout.open(options.io ?? nodeDiskIo, options.path);
    return new DiskBlobStore(options, lock, layout);
  } catch (error) {
    lock.release();
    throw error;
  }
}

type LookUp = BlobReader | 'absent' | 'other-size';

class DiskBlobStore implements BlobStore {
  readonly #io: DiskIo;
  readonly #logger: StoreLogger | undefined;
  readonly #heldTail: number;
  readonly #delay: SourceOptions['delay'];
  readonly #lock: FolderLock;
  readonly #layout: DiskLayout;
  readonly #lifetime = new Lifetime();
  readonly #fills = new Map<Digest, Fill>();
  #closing: Promise<void> | undefined;

  constructor(options: DiskBlobStoreOptions, lock: FolderLock, layout: DiskLayout) {
    this.#io = options.io ?? nodeDiskIo;
    this.#logger = options.logger;
    this.#heldTail = Math.max(1, options.heldTail ?? HELD_TAIL);
    this.#delay = options.delay ?? ((ms, signal) => delay(ms, undefined, { signal }));
    this.#lock = lock;
    this.#layout = layout;
  }

  stat(digest: Digest): Promise<number | undefined> {
    return this.#lifetime.during(() => sizeOf(this.#layout.blobPath(digest)));
  }

  open(digest: Digest, size: number): Promise<BlobReader | undefined> {
    return this.#lifetime.during(async () => {
      const found = await this.#lookUp(digest, size);
      return typeof found === 'string' ? undefined : found;
    });
  }

  fill(digest: Digest, options: FillOptions): Promise<BlobReader> {
    return this.#lifetime.during(async () => {
      const { inspect } = options;
      if (inspect === undefined) return this.#provide(digest, options);
      checkInspectable(options.size);
      const reader = await this.#provide(digest, options);
      try {
        const bytes = await readWhole(reader);
        if (!digestMatches(bytes, digest)) throw await this.#removeDamage(digest);
        inspectBytes(bytes, inspect);
        return reader;
      } catch (error) {
        await reader.close();
        throw error;
      }
    });
  }

  put(digest: Digest, bytes: Buffer): Promise<void> {
    return this.#lifetime.during(async () => {
      if (!digestMatches(bytes, digest)) {
        throw new FillError('digest-mismatch', `expected ${digest}, got other content`);
      }
      const temp = await this.#createTemp({ onWritten: ignore, onFailed: ignore });
      try {
        if (bytes.length > 0) void temp.push(bytes);
        await temp.publish(digest);
      } catch (error) {
        await temp.discard().catch(ignore);
        throw error;
      }
    });
  }

  get(digest: Digest, maxBytes: number): Promise<Buffer | undefined> {
    return this.#lifetime.during(async () => {
      const found = await openFile(this.#layout.blobPath(digest));
      if (found === undefined) return undefined;
      const reader = this.#reader(found.file, found.size);
      try {
        if (reader.size > maxBytes) return undefined;
        const bytes = await readWhole(reader);
        if (digestMatches(bytes, digest)) return bytes;
        await this.#removeDamage(digest);
        return undefined;
      } finally {
        await reader.close();
      }
    });
  }

  remove(digest: Digest): Promise<void> {
    return this.#lifetime.during(() => this.#remove(digest));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** A reader from the disk, from a fill under way, or from a new fill: whichever is there first. */
  async #provide(digest: Digest, options: FillOptions): Promise<BlobReader> {
    for (;;) {
      const fill = this.#fills.get(digest);
      if (fill !== undefined && fill.size !== options.size) {
        // One of the two sizes is a lie. Which one, the end of this fill tells.
        await fill.finished;
        continue;
      }
      if (fill !== undefined) {
        const reader = await this.#follow(fill);
        if (reader !== undefined) return reader;
        continue;
      }
      const found = await this.#lookUp(digest, options.size);
      if (found === 'other-size') {
        throw new FillError('size-mismatch', `expected ${options.size} bytes of ${digest}`);
      }
      if (found !== 'absent') return found;
      // Between the look and now another caller may have started; from here to the start nobody can.
      if (!this.#fills.has(digest)) this.#startFill(digest, options);
    }
  }

  #startFill(digest: Digest, { size, source }: FillOptions): void {
    this.#lifetime.throwIfClosed();
    const fill = new Fill({
      digest,
      size,
      source,
      heldTail: this.#heldTail,
      delay: this.#delay,
      isComplete: async () => (await sizeOf(this.#layout.blobPath(digest))) !== undefined,
      createTemp: (events) => this.#createTemp(events),
      onEnd: (failure) => {
        this.#fills.delete(digest);
        if (failure !== undefined && failure.code !== 'closed') {
          this.#logger?.warn({ digest, code: failure.code, err: failure }, 'a blob was not kept');
        }
      },
    });
    this.#fills.set(digest, fill);
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

  async #lookUp(digest: Digest, size: number): Promise<LookUp> {
    const found = await openFile(this.#layout.blobPath(digest));
    if (found === undefined) return 'absent';
    const reader = this.#reader(found.file, found.size);
    if (reader.size === size) return reader;
    try {
      // A manifest that lies about a size must not take good content away from those that do not.
      if (await isSound(reader, digest)) return 'other-size';
      await this.#removeDamage(digest);
      return 'absent';
    } finally {
      await reader.close();
    }
  }

  #reader(file: SharedFile, size: number): BlobReader {
    this.#lifetime.addFile(file);
    return this.#lifetime.addReader(new FileReader(file, size, this.#lifetime.removeReader));
  }

  async #createTemp(events: TempFileEvents): Promise<TempFile> {
    const temp = await TempFile.create(this.#io, this.#layout, events);
    this.#lifetime.addFile(temp.file);
    return temp;
  }

  async #removeDamage(digest: Digest): Promise<FillError> {
    this.#logger?.warn({ digest }, 'a stored blob is damaged: it is removed and fetched anew');
    await this.#remove(digest);
    return new FillError('digest-mismatch', `the stored content of ${digest} was damaged`);
  }

  async #remove(digest: Digest): Promise<void> {
    try {
      await this.#io.remove(this.#layout.blobPath(digest));
    } catch (error) {
      throw storageFailed('remove a blob', error);
    }
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

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw storageFailed('look for a blob', error);
  }
}

function ignore(): void {
  // Whoever waits for the outcome learns it there.
}
