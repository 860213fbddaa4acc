/** A file that is being written: batches of what arrived while the last batch went to disk, in bounded memory. */
import type { Digest } from '../oci/digest.ts';
import type { FillError } from './blob-store.ts';
import { storageFailed, type DiskIo } from './disk-io.ts';
import type { DiskLayout } from './disk-layout.ts';
import { SharedFile } from './shared-file.ts';

/** Bytes that may wait in memory for the disk before the source is made to wait, beside one batch being written. */
const HIGH_WATER = 1024 * 1024;

export interface TempFileEvents {
  /** More bytes can be read back. */
  readonly onWritten: () => void;
  readonly onFailed: (failure: FillError) => void;
}

export class TempFile {
  /** Shared with whoever reads behind the writer. */
  readonly file: SharedFile;
  readonly #io: DiskIo;
  readonly #layout: DiskLayout;
  readonly #path: string;
  readonly #events: TempFileEvents;
  #written = 0;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #batch: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #failure: FillError | undefined;
  #discarded = false;

  private constructor(
    io: DiskIo,
    layout: DiskLayout,
    path: string,
    fd: number,
    events: TempFileEvents,
  ) {
    this.#io = io;
    this.#layout = layout;
    this.#path = path;
    this.#events = events;
    this.file = new SharedFile(fd);
  }

  static async create(io: DiskIo, layout: DiskLayout, events: TempFileEvents): Promise<TempFile> {
    const path = layout.newTempPath();
    try {
      return new TempFile(io, layout, path, await io.create(path), events);
    } catch (error) {
      throw storageFailed('create a temporary file', error);
    }
  }

  /** Bytes that can be read back. */
  get written(): number {
    return this.#written;
  }

  /** Takes bytes, which must not change afterwards; a promise means: wait for it before the next. */
  push(chunk: Buffer): Promise<void> | undefined {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    this.#draining ??= this.#drain();
    return this.#waitingBytes >= HIGH_WATER ? this.#batch : undefined;
  }

  /** Everything pushed is written. @throws {FillError} `storage-failed` */
  async flush(): Promise<void> {
    await this.#draining;
    if (this.#failure) throw this.#failure;
  }

  /** Gives the content its name, durably. @throws {FillError} `storage-failed` */
  async publish(digest: Digest): Promise<void> {
    await this.flush();
    await attempt('sync a blob', this.#io.sync(this.file.fd));
    await attempt('publish a blob', this.#layout.publish(this.#path, digest));
    this.file.release();
  }

  /** Lets go of the file and removes it, whatever state it is in. */
  async discard(): Promise<void> {
    if (this.#discarded) return;
    this.#discarded = true;
    await this.#draining;
    this.file.release();
    await attempt('remove a temporary file', this.#io.remove(this.#path));
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#discarded && !this.#failure) {
      const buffers = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      this.#batch = this.#write(buffers);
      await this.#batch;
    }
    this.#draining = undefined;
  }

  /** Never rejects: a failure is kept, told, and thrown by the next {@link flush}. */
  async #write(buffers: Buffer[]): Promise<void> {
    try {
      for (let rest = buffers; rest.length > 0;) {
        const bytes = await this.#io.write(this.file.fd, rest, this.#written);
        if (bytes === 0) throw new Error('no byte was written');
        this.#written += bytes;
        rest = dropBytes(rest, bytes);
      }
      this.#events.onWritten();
    } catch (error) {
      this.#failure = storageFailed('write a blob', error);
      this.#events.onFailed(this.#failure);
    }
  }
}

function dropBytes(buffers: Buffer[], count: number): Buffer[] {
  const rest: Buffer[] = [];
  let left = count;
  for (const buffer of buffers) {
    if (left < buffer.length) rest.push(left === 0 ? buffer : buffer.subarray(left));
    left = Math.max(0, left - buffer.length);
  }
  return rest;
}

async function attempt(operation: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw storageFailed(operation, error);
  }
}
