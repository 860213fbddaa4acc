/** A file that is being written, from its first byte to its name. */
import type { Digest } from '../oci/digest.ts';
import { storageFailed, type DiskIo } from './disk-io.ts';
import type { DiskLayout } from './disk-layout.ts';
import { SharedFile } from './shared-file.ts';

export class TempFile {
  /** Shared with whoever reads behind the writer. */
  readonly file: SharedFile;
  readonly #io: DiskIo;
  readonly #layout: DiskLayout;
  readonly #path: string;
  #written = 0;
  /** The last write; it never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  #discarded = false;

  private constructor(io: DiskIo, layout: DiskLayout, path: string, fd: number) {
    this.#io = io;
    this.#layout = layout;
    this.#path = path;
    this.file = new SharedFile(fd);
  }

  /** @throws {FillError} `storage-failed` */
  static async create(io: DiskIo, layout: DiskLayout): Promise<TempFile> {
    const path = layout.newTempPath();
    try {
      return new TempFile(io, layout, path, await io.create(path));
    } catch (error) {
      throw storageFailed('create a temporary file', error);
    }
  }

  /** Bytes that can be read back. */
  get written(): number {
    return this.#written;
  }

  /**
   * Writes behind what was written. To be called again only after it is done; the bytes must not change before.
   * @throws {FillError} `storage-failed`
   */
  write(bytes: Buffer): Promise<void> {
    const writing = attempt('write a blob', this.#write(bytes));
    this.#last = writing.catch(() => undefined);
    return writing;
  }

  /** Gives the content its name, durably. @throws {FillError} `storage-failed` */
  async publish(digest: Digest): Promise<void> {
    await attempt('sync a blob', this.#io.sync(this.file.fd));
    await attempt('publish a blob', this.#layout.publish(this.#path, digest));
    this.file.release();
  }

  /** Lets go of the file and removes it, whatever state it is in. */
  async discard(): Promise<void> {
    if (this.#discarded) return;
    this.#discarded = true;
    // Closed under a write, the descriptor could be another file's before the write runs.
    await this.#last;
    this.file.release();
    await attempt('remove a temporary file', this.#io.remove(this.#path));
  }

  async #write(bytes: Buffer): Promise<void> {
    for (let rest = bytes; rest.length > 0;) {
      const count = await this.#io.write(this.file.fd, [rest], this.#written);
      if (count === 0) throw new Error('no byte was written');
      this.#written += count;
      rest = rest.subarray(count);
    }
  }
}

async function attempt(operation: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw storageFailed(operation, error);
  }
}
