/** The port to the bytes we keep, by digest: what is complete, and what is on its way. */
import type { Digest } from '../oci/digest.ts';

/** Random access to one blob, complete or still filling. Close it exactly once; closing twice is harmless. */
export interface BlobReader {
  /** Whole size in bytes, known from the start. */
  readonly size: number;
  /**
   * Reads into `target` from `position`, at least one byte and at most `target.length`; 0 only at the end.
   * On a filling blob it waits for the bytes; the tail comes only after size and digest are proven.
   * @throws {FillError} when the fill failed or the bytes are not what the digest says.
   */
  read(target: Buffer, position: number): Promise<number>;
  close(): Promise<void>;
}

/**
 * Opens the upstream's bytes from an offset; called again with a later offset when a fill resumes.
 * `offset` of the answer is where `body` starts, at most what was asked for; `size` is the whole blob's where known.
 * A chunk of `body` must not change until the next one is asked for; afterwards it may.
 */
export type BlobSource = (
  offset: number,
  signal: AbortSignal,
) => Promise<{
  readonly offset: number;
  readonly size: number | undefined;
  readonly body: AsyncIterable<Buffer>;
}>;

/**
 * Looks at proven bytes before any of them is served; a string is the reason to refuse them.
 * A blob with an inspection holds back everything, not only its tail.
 */
export type Inspection = (bytes: Buffer) => string | undefined;

export interface FillOptions {
  /** Exact size in bytes that the admitted manifest declares. */
  readonly size: number;
  readonly source: BlobSource;
  readonly inspect?: Inspection;
  /** Called once if this call began a fill: when that fill is over, with whether the blob is complete. Must not throw. */
  readonly onEnd?: (complete: boolean) => void;
}

export interface BlobStore {
  /** Size in bytes of a complete blob. */
  stat(digest: Digest): Promise<number | undefined>;
  /**
   * A complete blob of exactly `size` bytes. A file of another size is reported as absent: removed when it is damaged,
   * kept when it is what its digest says and `size` is not.
   */
  open(digest: Digest, size: number): Promise<BlobReader | undefined>;
  /**
   * A reader on the blob, whoever provides it: complete already, being filled already, or filled from now on.
   * One source is open per digest, however many ask. With an inspection it resolves after the proof and the inspection,
   * also for a blob that is complete already; only this caller is refused.
   * @throws {FillError} when the source cannot be opened or declares another size, or the content is refused.
   */
  fill(digest: Digest, options: FillOptions): Promise<BlobReader>;
  /** Small content as a whole, proven against its digest before it is kept. @throws {FillError} */
  put(digest: Digest, bytes: Buffer): Promise<void>;
  /** Small content as a whole, proven again when it is read; damage is removed; it and more than `maxBytes` are absent. */
  get(digest: Digest, maxBytes: number): Promise<Buffer | undefined>;
  remove(digest: Digest): Promise<void>;
  /** Aborts fills and leaves no temporary file. */
  close(): Promise<void>;
}

/** A manifest that was served. */
export interface PulledManifest {
  readonly digest: Digest;
  readonly bytes: Buffer;
  /** The reference, as canonical text. */
  readonly name: string;
  /** What it names. */
  readonly members: () => readonly Digest[];
}

/** What a store has to know to make room by images. None fails: it costs the order in which room is made. */
export interface Images {
  /** What a manifest names belongs to it, and goes with it unless something else names it too. */
  link(manifest: Digest, members: readonly Digest[]): void;
  /** What is attached to an image goes with it, but is no reason for anything else to stay. */
  attach(image: Digest, content: Digest): void;
  /** A manifest was served; also the image that it is a part of was pulled. It costs next to nothing. */
  pulled(manifest: PulledManifest): void;
}

export type FillErrorCode =
  /** The upstream gave no or not all bytes; `cause` says why. */
  | 'source-failed'
  /** More or fewer bytes than the manifest declares. */
  | 'size-mismatch'
  | 'digest-mismatch'
  /** {@link Inspection} refused the content. */
  | 'inspection-failed'
  /** The disk, not the content. */
  | 'storage-failed'
  | 'closed';

export class FillError extends Error {
  override readonly name = 'FillError';
  readonly code: FillErrorCode;

  constructor(code: FillErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
