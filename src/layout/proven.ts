/** Bytes on their way, counted and hashed: who reads them to the end has what the digest names, or an error. */
import { digestAlgorithm, finishDigest, startDigest, type Digest } from '../oci/digest.ts';

export interface Content {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** Content that is not what its descriptor says. */
export class ContentError extends Error {
  override readonly name = 'ContentError';
}

/**
 * Passes the chunks on, never more of them than the size.
 * @throws {ContentError} at the latest in the place of the end; whatever `body` throws.
 */
export async function* proven(
  body: AsyncIterable<Uint8Array>,
  { digest, size }: Content,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = startDigest(digest);
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > size) throw new ContentError(`expected ${digest} to have ${size} bytes, got more`);
    hash.update(chunk);
    yield chunk;
  }
  if (length !== size) {
    throw new ContentError(`expected ${digest} to have ${size} bytes, got ${length}`);
  }
  const actual = finishDigest(hash, digestAlgorithm(digest));
  if (actual !== digest) throw new ContentError(`expected content of ${digest}, got ${actual}`);
}
