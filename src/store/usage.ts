/** What the books of a bounded store are written in: which blobs are kept, how large, and in which order last used. */
import type { Digest } from '../oci/digest.ts';

/**
 * Bytes below which a blob is small. Manifests, configurations and signatures are: without them nothing can be decided
 * or served while upstream is away, and together they take next to nothing. So they stay until all large content went.
 */
export const SMALL = 64 * 1024;

/** One blob in the books. */
export interface BlobUse {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** The place in the order of use: a later use has a larger number, no two have the same. */
  readonly use: number;
}

export type UsageChange =
  /** Perhaps on the disk: a process that is killed now leaves it half-written, or complete. */
  | { readonly kind: 'arriving'; readonly size: number; readonly use: number }
  /** On the disk, last used at that place in the order. */
  | { readonly kind: 'kept'; readonly size: number; readonly use: number }
  /** No longer on the disk; `size` is what it gave back in bytes, as far as known. */
  | { readonly kind: 'gone'; readonly size: number };

export interface UsageSummary {
  /** Sum of the sizes of all blobs of at most the size asked about. */
  readonly bytes: number;
  /** The largest place in the order of use, 0 where there is none. */
  readonly lastUse: number;
  /** The blobs of more than the size asked about. */
  readonly larger: readonly BlobUse[];
}

/** Answers at once, from the calling thread; every method throws what the database throws. */
export interface Usage {
  /** Its cost grows with the number of blobs: a tenth of a second for a million. */
  summary(largest: number): UsageSummary;
  /** Blobs that were arriving when the books were written last. */
  arriving(): readonly BlobUse[];
  /** Of the small or the other blobs used after a place in the order, the one least recently used. */
  oldest(small: boolean, after: number): BlobUse | undefined;
  /**
   * All changes or none of them.
   * @returns by how many bytes the sum grew, counting blobs of at most `largest` bytes.
   */
  write(changes: ReadonlyMap<Digest, UsageChange>, largest: number): number;
  close(): void;
}
