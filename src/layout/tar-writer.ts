/** Headers of a tar (POSIX ustar, pax for what does not fit) that are the same whenever and wherever they are written. */
import { Header, Pax } from 'tar';

const BLOCK = 512;
/** Two blocks of zeros. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

/** What stands before the content of a file. */
export function tarHeader(path: string, size: number): Buffer {
  const entry = {
    path,
    size,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: new Date(0),
    type: 'File',
  } as const;
  const header = new Header(entry);
  const block = Buffer.alloc(BLOCK);
  const needsPax = header.encode(block);
  if (!needsPax) return block;
  const { mtime } = entry;
  return Buffer.concat([paddedPax(new Pax({ path, size, uid: 0, gid: 0, mtime })), block]);
}

/** What stands behind it, so that the next header begins at a block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** Bytes that the content takes with its header and padding. */
export function tarSize(path: string, size: number): number {
  return tarHeader(path, size).length + size + tarPadding(size).length;
}

/** Without what the buffer had before: the last block is filled with zeros. */
function paddedPax(pax: Pax): Buffer {
  const encoded = pax.encode();
  const length = Buffer.byteLength(pax.encodeBody());
  encoded.fill(0, BLOCK + length);
  return encoded;
}
