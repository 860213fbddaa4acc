/** Writes a tar archive (ustar) that is the same bytes whenever it is made. */

export interface TarEntry {
  /** Without a leading slash; a folder ends with one. */
  readonly path: string;
  readonly content?: Buffer;
  readonly mode?: number;
}

const blockSize = 512;

/** The archive, with its two closing blocks. */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap((entry) => {
    const content = entry.content ?? Buffer.alloc(0);
    const padding = Buffer.alloc((blockSize - (content.length % blockSize)) % blockSize);
    return [header(entry, content.length), content, padding];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockSize)]);
}

function header(entry: TarEntry, size: number): Buffer {
  const isFolder = entry.path.endsWith('/');
  const block = Buffer.alloc(blockSize);
  block.write(entry.path, 0, 100);
  block.write(octal(entry.mode ?? (isFolder ? 0o755 : 0o644), 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(1_700_000_000, 12), 136);
  block.write(' '.repeat(8), 148);
  block.write(isFolder ? '5' : '0', 156);
  block.write('ustar\0' + '00', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}
