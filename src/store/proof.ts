/** Reading content back and proving it again: what lies on a disk may have changed since it was written. */
import { digestAlgorithm, finishDigest, startDigest, type Digest } from '../oci/digest.ts';
import { FillError, type BlobReader, type Inspection } from './blob-store.ts';

/** Largest blob in bytes that an {@link Inspection} is given, since it needs it as a whole. */
export const MAX_INSPECTED = 64 * 1024 * 1024;

const STEP = 1024 * 1024;

/** The whole blob, which the caller has bounded. @throws {FillError} */
export async function readWhole(reader: BlobReader): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(reader.size);
  let position = 0;
  while (position < bytes.length) {
    position += await reader.read(bytes.subarray(position), position);
  }
  // Of a blob in flight, the last word is the proof and not the last byte.
  await reader.read(Buffer.allocUnsafe(1), position);
  return bytes;
}

/** Whether the blob is what the digest names, in memory that does not grow with it. @throws {FillError} */
export async function isSound(reader: BlobReader, digest: Digest): Promise<boolean> {
  const hash = startDigest(digest);
  const buffer = Buffer.allocUnsafeSlow(STEP);
  for (let position = 0; position < reader.size;) {
    const bytes = await reader.read(buffer, position);
    hash.update(buffer.subarray(0, bytes));
    position += bytes;
  }
  return finishDigest(hash, digestAlgorithm(digest)) === digest;
}

/** @throws {FillError} `inspection-failed` when there would be too much to look at. */
export function checkInspectable(size: number): void {
  if (size > MAX_INSPECTED) {
    throw new FillError(
      'inspection-failed',
      `expected at most ${MAX_INSPECTED} bytes of content to inspect, got ${size}`,
    );
  }
}

/** @throws {FillError} `inspection-failed` */
export function inspectBytes(bytes: Buffer, inspect: Inspection): void {
  const reason = inspect(bytes);
  if (reason !== undefined) throw new FillError('inspection-failed', reason);
}
