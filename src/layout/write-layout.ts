/** Writes an OCI image layout (image-spec image-layout.md) as a tar: content hashed while it is written. */
import type { Digest } from '../oci/digest.ts';
import { blobEntry } from './layout.ts';
import { proven, type Content } from './proven.ts';
import { TAR_END, tarHeader, tarPadding, tarSize } from './tar-writer.ts';

const MARKER = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

/** Content on its way into a layout. */
export interface LayoutBlob extends Content {
  readonly open: () => AsyncIterable<Uint8Array>;
}

export interface WrittenLayout {
  /** `index.json` */
  readonly index: Buffer;
  /** Each digest once, in the order in which they are written. */
  readonly blobs: readonly LayoutBlob[];
}

/** Resolves when the bytes are taken; they are the writer's until then. */
export type Write = (bytes: Uint8Array) => Promise<void>;

/** Content that is in memory. */
export function blobOf(digest: Digest, bytes: Buffer): LayoutBlob {
  return { digest, size: bytes.length, open: () => pieceOf(bytes) };
}

/** Bytes of the whole tar. */
export function layoutSize({ index, blobs }: WrittenLayout): number {
  return blobs.reduce(
    (sum, { digest, size }) => sum + tarSize(blobEntry(digest), size),
    tarSize('oci-layout', MARKER.length) + tarSize('index.json', index.length) + TAR_END.length,
  );
}

/**
 * The same layout gives the same bytes.
 * @throws {ContentError} for content that is not what its digest says; whatever opening, reading and writing throw.
 */
export async function writeLayout({ index, blobs }: WrittenLayout, write: Write): Promise<void> {
  await writeEntry('oci-layout', MARKER, write);
  await writeEntry('index.json', index, write);
  for (const blob of blobs) {
    await write(tarHeader(blobEntry(blob.digest), blob.size));
    for await (const chunk of proven(blob.open(), blob)) await write(chunk);
    await write(tarPadding(blob.size));
  }
  await write(TAR_END);
}

async function writeEntry(path: string, bytes: Buffer, write: Write): Promise<void> {
  await write(tarHeader(path, bytes.length));
  await write(bytes);
  await write(tarPadding(bytes.length));
}

// eslint-disable-next-line @typescript-eslint/require-await
async function* pieceOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
