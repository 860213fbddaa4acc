/** The complete blobs of a disk store: looked up, read back, written and removed as files. */
import { stat } from 'node:fs/promises';
import { digestMatches, type Digest } from '../oci/digest.ts';
import { FillError, type BlobReader } from './blob-store.ts';
import { isAbsent, storageFailed, type DiskIo } from './disk-io.ts';
import type { DiskLayout } from './disk-layout.ts';
import { FileReader } from './file-reader.ts';
import type { Lifetime } from './lifetime.ts';
import { isSound, readWhole } from './proof.ts';
import { openFile } from './shared-file.ts';
import { TempFile } from './temp-file.ts';

export interface StoreLogger {
  warn(details: object, message: string): void;
}

export interface BlobFilesParts {
  readonly io: DiskIo;
  readonly layout: DiskLayout;
  readonly lifetime: Lifetime;
  readonly logger: StoreLogger | undefined;
}

export class BlobFiles {
  readonly #parts: BlobFilesParts;

  constructor(parts: BlobFilesParts) {
    this.#parts = parts;
  }

  /** Bytes of a complete blob. @throws {FillError} `storage-failed` */
  async stat(digest: Digest): Promise<number | undefined> {
    try {
      return (await stat(this.#parts.layout.blobPath(digest))).size;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw storageFailed('look for a blob', error);
    }
  }

  /**
   * A reader on a blob of this size. A file of another size is hashed: damage is removed and absent, but a manifest
   * that lies about a size must not take good content away from those that do not.
   * @throws {FillError} `storage-failed`
   */
  async open(digest: Digest, size: number): Promise<BlobReader | 'absent' | 'other-size'> {
    const reader = await this.#reader(digest);
    if (reader === undefined) return 'absent';
    if (reader.size === size) return reader;
    try {
      if (await isSound(reader, digest)) return 'other-size';
      await this.removeDamage(digest);
      return 'absent';
    } finally {
      await reader.close();
    }
  }

  /** The whole content, proven; undefined when absent, larger than the bound, or damaged and therefore removed. */
  async get(digest: Digest, maxBytes: number): Promise<Buffer | undefined> {
    const reader = await this.#reader(digest);
    if (reader === undefined) return undefined;
    try {
      if (reader.size > maxBytes) return undefined;
      const bytes = await readWhole(reader);
      if (digestMatches(bytes, digest)) return bytes;
      await this.removeDamage(digest);
      return undefined;
    } finally {
      await reader.close();
    }
  }

  /** @throws {FillError} `digest-mismatch` or `storage-failed` */
  async put(digest: Digest, bytes: Buffer): Promise<void> {
    if (!digestMatches(bytes, digest)) {
      throw new FillError('digest-mismatch', `expected ${digest}, got other content`);
    }
    const temp = await this.createTemp();
    try {
      await temp.write(bytes);
      await temp.publish(digest);
    } catch (error) {
      await temp.discard().catch(() => undefined);
      throw error;
    }
  }

  /** @throws {FillError} `storage-failed` */
  async remove(digest: Digest): Promise<void> {
    try {
      await this.#parts.io.remove(this.#parts.layout.blobPath(digest));
    } catch (error) {
      throw storageFailed('remove a blob', error);
    }
  }

  async removeDamage(digest: Digest): Promise<void> {
    this.#parts.logger?.warn({ digest }, 'a stored blob is damaged: it is removed');
    await this.remove(digest);
  }

  async createTemp(): Promise<TempFile> {
    const { io, layout, lifetime } = this.#parts;
    const temp = await TempFile.create(io, layout);
    lifetime.addFile(temp.file);
    return temp;
  }

  async #reader(digest: Digest): Promise<BlobReader | undefined> {
    const { layout, lifetime } = this.#parts;
    const found = await openFile(layout.blobPath(digest));
    if (found === undefined) return undefined;
    lifetime.addFile(found.file);
    return lifetime.addReader(new FileReader(found.file, found.size, lifetime.removeReader));
  }
}
