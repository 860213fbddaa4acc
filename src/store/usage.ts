/** What the books of a bounded store are written in: what is kept, what belongs together, and in which order it was used. */
import type { Digest } from '../oci/digest.ts';

/**
 * Bytes below which a blob is small. Small content that belongs to no image goes last: it takes next to nothing, and
 * without it nothing can be decided or served while upstream is away.
 */
export const SMALL = 64 * 1024;

/** One blob in the books. */
export interface BlobUse {
  readonly digest: Digest;
  /** Bytes; 0 for what is not on the disk. */
  readonly size: number;
}

/** Where a search for what was used least recently goes on. */
export interface Place {
  readonly use: number;
  readonly id: number;
}

/** What goes next: an image as a whole, or content that belongs to none. */
export interface Candidate extends Place {
  readonly digest: Digest;
}

export type UsageChange =
  /** Perhaps on the disk: a process that is killed now leaves it half-written, or complete. */
  | { readonly kind: 'arriving'; readonly size: number; readonly use: number }
  /** On the disk, last used at that place in the order. */
  | { readonly kind: 'kept'; readonly size: number; readonly use: number }
  /** No longer on the disk; `size` is what it gave back in bytes, as far as known. */
  | { readonly kind: 'gone'; readonly size: number };

/** The last pull of a manifest. */
export interface Pull {
  /** The place in the order of use: a later use has a larger number. */
  readonly use: number;
  /** The references, as canonical text. */
  readonly names: ReadonlySet<string>;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface UsageSummary {
  /** Sum of the sizes of all blobs of at most the size asked about. */
  readonly bytes: number;
  /** The largest place in the order of use, 0 where there is none. */
  readonly lastUse: number;
  /** The blobs of more than the size asked about. */
  readonly larger: readonly BlobUse[];
}

/** The last pull under a reference. */
export interface NamedPull {
  /** The reference, as canonical text. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** An image and what no other image needs; of the largest only so much as can be looked at at once. */
export interface ImageGraph {
  /** Of the image first; also what is not on the disk. */
  readonly blobs: readonly BlobUse[];
  /** The references by which it, or what it consists of, was pulled; read while they are gone through. */
  readonly pulls: Iterable<NamedPull>;
}

/** Answers at once, from the calling thread; every method throws what the database throws. */
export interface Usage {
  /** When it was opened. Its cost grows with the number of blobs: a tenth of a second for a million. */
  summary(largest: number): UsageSummary;
  /** What is on the disk, by digest, after one. */
  list(after: string, limit: number): readonly BlobUse[];
  /** Blobs that were arriving when the books were written last. */
  arriving(): readonly BlobUse[];
  /** Of the images and large blobs, or of the small ones, that were used after a place, the one least recently used. */
  oldest(small: boolean, after: Place | undefined): Candidate | undefined;
  /**
   * All changes or none of them.
   * @returns by how many bytes the sum grew, counting blobs of at most `largest` bytes.
   */
  write(changes: ReadonlyMap<Digest, UsageChange>, largest: number): number;
  /** What a manifest names belongs to it from now on, whether it is on the disk or not. */
  link(manifest: Digest, members: readonly Digest[]): void;
  /** What is attached to an image goes with it, unless it is an image itself; beyond some number it goes for itself. */
  attach(image: Digest, content: Digest): void;
  /**
   * Manifests were pulled, and so were the images that they are parts of. All or none of them.
   * @returns those that are not on the disk.
   */
  pulled(pulls: ReadonlyMap<Digest, Pull>): readonly Digest[];
  /** Size in bytes of what is on the disk, 0 for anything else. */
  sizeOf(digest: Digest): number;
  /** What would go with an image, or with a blob that belongs to none. */
  graph(root: Digest): ImageGraph;
  /**
   * Forgets an image and what only it named; what is still on the disk stays in the books, on its own. An image that is
   * on the disk, or arrives, is left as it is.
   */
  unlink(root: Digest): void;
  close(): void;
}
