/** Tars as tests want them: entry by entry, also such as no writer makes. */
import { Header, Pax, type HeaderData } from 'tar';

export interface TarEntry {
  readonly name: string;
  readonly bytes?: Buffer | undefined;
  /** Laid over the header. */
  readonly header?: HeaderData;
  /** Records of an extended header before it. */
  readonly pax?: ConstructorParameters<typeof Pax>[0];
}

const BLOCK = 512;

/** A whole tar, with its end. */
export function tarOf(entries: Iterable<TarEntry>): Buffer {
  const end = Buffer.alloc(2 * BLOCK);
  return Buffer.concat([...[...entries].map(entryOf), end]);
}

export function entryOf({ name, bytes = Buffer.alloc(0), header, pax }: TarEntry): Buffer {
  const encoded = new Header({
    path: name,
    type: 'File',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: new Date(0),
    size: bytes.length,
    ...header,
  });
  encoded.encode();
  return Buffer.concat([
    ...(pax === undefined ? [] : [new Pax(pax).encode()]),
    encoded.block ?? Buffer.alloc(BLOCK),
    bytes,
    Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK),
  ]);
}

/** Sets the sum of a header anew after its bytes were changed. */
export function resum(block: Buffer): Buffer {
  block.write('        ', 148, 'latin1');
  const sum = block.subarray(0, BLOCK).reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
