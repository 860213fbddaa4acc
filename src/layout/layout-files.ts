/** The port to the files of a layout, wherever they lie, and reading them whole or as a stream. */
import { CHUNK } from './bounds.ts';
import { LayoutError, shown } from './layout-error.ts';

/** One file; close it once. */
export interface LayoutFile {
  /** Bytes. */
  readonly size: number;
  /** At least one byte unless it is the end. @throws {LayoutError} */
  read(target: Buffer, position: number): Promise<number>;
  close(): Promise<void>;
}

/** Files under relative names with slashes, each of them once, none of them a link. */
export interface LayoutFiles {
  /** Sizes in bytes. */
  readonly sizes: ReadonlyMap<string, number>;
  /** @throws {LayoutError} `missing` */
  open(name: string): Promise<LayoutFile>;
  close(): Promise<void>;
}

/** The whole file. @throws {LayoutError} `missing`, `too-large`, `unreadable`. */
export async function readWhole(
  files: LayoutFiles,
  name: string,
  maxBytes: number,
): Promise<Buffer> {
  const size = files.sizes.get(name);
  if (size !== undefined && size > maxBytes) {
    throw new LayoutError(
      'too-large',
      `expected ${shown(name)} to have at most ${maxBytes} bytes, got ${size}`,
    );
  }
  const file = await files.open(name);
  try {
    const bytes = Buffer.alloc(file.size);
    for (let position = 0; position < bytes.length;) {
      const count = await file.read(bytes.subarray(position), position);
      if (count === 0) throw ended(name);
      position += count;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** The file from an offset. A chunk is its reader's until the next one is asked for. @throws {LayoutError} */
export async function* streamFile(
  files: LayoutFiles,
  name: string,
  offset = 0,
): AsyncGenerator<Buffer> {
  const file = await files.open(name);
  try {
    const buffer = Buffer.allocUnsafeSlow(CHUNK);
    for (let position = offset; position < file.size;) {
      const wanted = Math.min(buffer.length, file.size - position);
      const count = await file.read(buffer.subarray(0, wanted), position);
      if (count === 0) throw ended(name);
      position += count;
      yield buffer.subarray(0, count);
    }
  } finally {
    await file.close();
  }
}

function ended(name: string): LayoutError {
  return new LayoutError('truncated', `${shown(name)} became shorter while it was read`);
}
