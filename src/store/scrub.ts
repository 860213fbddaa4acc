/** Hashing everything that is kept again, at a bounded rate, and taking out what is not what its name says. */
import { constants } from 'node:fs';
import { lstat, open, rm, type FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { digestAlgorithm, finishDigest, startDigest, type Digest } from '../oci/digest.ts';
import { isAbsent } from './disk-io.ts';
import { shelvesOf, type KeptFile } from './kept-files.ts';

const STEP = 1024 * 1024;

export interface ScrubOptions {
  /** The cache folder; a proxy may be at work on it. */
  readonly path: string;
  /** Bytes read in a second; undefined for as fast as it goes. */
  readonly rate: number | undefined;
  /** Called after each megabyte and each blob. */
  readonly onProgress: (progress: ScrubProgress) => void;
  readonly onFinding: (finding: ScrubFinding) => void;
  /** Ends it between two reads. */
  readonly signal?: AbortSignal;
}

export interface ScrubProgress {
  readonly blobs: number;
  /** Read, of blobs. */
  readonly bytes: number;
  readonly findings: number;
}

export interface ScrubFinding {
  readonly path: string;
  /** `damaged` was removed; what cannot be read, and what is no blob of ours, is left. */
  readonly kind: 'damaged' | 'unreadable' | 'foreign';
  /** Words of the system, for what cannot be read. */
  readonly reason?: string;
}

/** @returns what was looked at, also when the signal ended it. */
export async function scrub(options: ScrubOptions): Promise<ScrubProgress> {
  const { path, onProgress, onFinding, signal } = options;
  const progress = { blobs: 0, bytes: 0, findings: 0 };
  const pace = createPace(options.rate);
  const buffer = Buffer.allocUnsafeSlow(STEP);
  const isOver = (): boolean => signal?.aborted === true;
  const find = (finding: ScrubFinding): void => {
    progress.findings++;
    onFinding(finding);
  };
  const onRead = async (bytes: number): Promise<void> => {
    progress.bytes += bytes;
    onProgress(progress);
    await pace(bytes);
    signal?.throwIfAborted();
  };
  for await (const { files } of shelvesOf(path)) {
    for (const file of files) {
      if (isOver()) return progress;
      try {
        const finding = await look(file, buffer, onRead);
        if (finding !== undefined) find(finding);
      } catch (error) {
        if (isOver()) return progress;
        if (isAbsent(error)) continue;
        const reason = error instanceof Error ? error.message : String(error);
        find({ path: file.path, kind: 'unreadable', reason });
      }
      if (file.digest !== undefined) progress.blobs++;
      onProgress(progress);
    }
  }
  return progress;
}

async function look(
  { path, digest }: KeptFile,
  buffer: Buffer,
  onRead: (bytes: number) => Promise<void>,
): Promise<ScrubFinding | undefined> {
  if (digest === undefined) return { path, kind: 'foreign' };
  // Never through a link, and never waiting for the other end of a pipe.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags);
  try {
    if ((await hash(file, digest, buffer, onRead)) === digest) return undefined;
    // Who reads it now keeps his descriptor; nobody opens it any more. One that took its place meanwhile stays.
    const [damaged, present] = [await file.stat(), await lstat(path)];
    if (damaged.ino === present.ino && damaged.dev === present.dev) await rm(path, { force: true });
    return { path, kind: 'damaged' };
  } finally {
    await file.close();
  }
}

async function hash(
  file: FileHandle,
  digest: Digest,
  buffer: Buffer,
  onRead: (bytes: number) => Promise<void>,
): Promise<Digest> {
  const running = startDigest(digest);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length);
    if (bytesRead === 0) return finishDigest(running, digestAlgorithm(digest));
    running.update(buffer.subarray(0, bytesRead));
    await onRead(bytesRead);
  }
}

/** Waits as long as the bytes so far should have taken. */
function createPace(rate: number | undefined): (bytes: number) => Promise<void> {
  const begun = performance.now();
  let total = 0;
  return async (bytes) => {
    if (rate === undefined) return;
    total += bytes;
    const ahead = (total / rate) * 1000 - (performance.now() - begun);
    if (ahead > 1) await delay(ahead);
  };
}
