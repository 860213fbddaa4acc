/** Where the files of a tar lie: its headers are read, strictly, and its contents are skipped. */
import { Header, Pax } from 'tar';
import { MAX_ENTRIES, MAX_PADDING, MAX_PAX } from './bounds.ts';
import { NameBook, parseEntryName } from './entry-name.ts';
import { LayoutError, shown } from './layout-error.ts';

/** Bytes of a regular file, by position. */
export interface Bytes {
  readonly size: number;
  /** At least one byte unless it is the end. */
  read(target: Buffer, position: number): Promise<number>;
}

/** Where a file's content is. */
export interface Extent {
  readonly start: number;
  readonly size: number;
}

const BLOCK = 512;
/** Keys of extended headers that change nothing about how an entry is to be read, or that are understood. */
const PAX_KEYS = /^(?:path|size|[acm]time|[ug]id|[ug]name|comment|charset|LIBARCHIVE\.[a-z]+)$/;
/** What compressed files begin with. */
const COMPRESSIONS: readonly (readonly [name: string, tool: string, magic: string])[] = [
  ['gzip', 'gunzip', '1f8b'],
  ['zstd', 'zstd -d', '28b52ffd'],
  ['xz', 'xz -d', 'fd377a585a00'],
  ['bzip2', 'bunzip2', '425a68'],
];

/**
 * @returns regular files by their one name.
 * @throws {LayoutError} naming the entry, for whatever a writer of layouts does not write: links, devices, names that lead
 * elsewhere or are there twice, bad sums, sizes beyond the file, a missing end.
 */
export async function scanTar(bytes: Bytes): Promise<ReadonlyMap<string, Extent>> {
  const found = new Map<string, Extent>();
  const names = new NameBook();
  let pax: Pax | undefined;
  let entries = 0;
  for (let position = 0; ;) {
    const block = await readExactly(bytes, position, BLOCK);
    if (block === undefined && position === 0) {
      throw new LayoutError(
        'not-a-layout',
        `expected a tar of an OCI image layout, got a file of ${bytes.size} bytes`,
      );
    }
    if (block === undefined) {
      throw new LayoutError(
        'truncated',
        `the tar ends at byte ${bytes.size} without the two empty blocks of an end: it was cut off`,
      );
    }
    if (block.every((byte) => byte === 0)) {
      if (pax !== undefined) {
        throw new LayoutError('hostile', 'the tar ends after an extended header of nothing');
      }
      await requireEnd(bytes, position);
      return found;
    }
    if (position === 0) refuseCompressed(block);
    if (++entries > MAX_ENTRIES) {
      throw new LayoutError('too-large', `expected at most ${MAX_ENTRIES} entries in the tar`);
    }
    const { type, name, size } = readHeader(block, position, pax);
    const start = position + BLOCK;
    if (start + size > bytes.size) {
      throw new LayoutError(
        'truncated',
        `the entry ${shown(name)} has ${size} bytes by its header, the tar has ${bytes.size - start} left`,
      );
    }
    position = start + Math.ceil(size / BLOCK) * BLOCK;
    if (type === 'ExtendedHeader') {
      if (pax !== undefined) {
        throw new LayoutError('hostile', 'the tar has two extended headers for one entry');
      }
      pax = await readPax(bytes, { start, size });
      continue;
    }
    pax = undefined;
    requireKind(type, name, size);
    const path = parseEntryName(name);
    if (path !== '') names.add(path);
    if (type !== 'Directory') found.set(path, { start, size });
  }
}

interface EntryHeader {
  readonly type: string;
  readonly name: string;
  readonly size: number;
}

function readHeader(block: Buffer, position: number, pax: Pax | undefined): EntryHeader {
  const header = decode(block, position, pax);
  if (!header.cksumValid) {
    throw new LayoutError(
      position === 0 ? 'not-a-layout' : 'hostile',
      position === 0
        ? 'expected a tar of an OCI image layout, got a file with another beginning'
        : `the header at byte ${position} of the tar has a wrong sum`,
    );
  }
  const { type, path: name = '', size } = header;
  if (size === undefined || !Number.isSafeInteger(size)) {
    throw new LayoutError('hostile', `the entry ${shown(name)} has no size that can be read`);
  }
  // Of a folder the library says 0, whatever is written there: readers differ about what follows.
  const written = type === 'Directory' ? sizeField(block) + (pax?.size ?? 0) : size;
  return { type, name, size: written };
}

/** @throws {LayoutError} where the library cannot make a number of what stands for one. */
function decode(block: Buffer, position: number, pax: Pax | undefined): Header {
  try {
    return new Header(block, 0, pax);
  } catch (error) {
    const message = `the header at byte ${position} of the tar cannot be read`;
    throw new LayoutError('hostile', message, error);
  }
}

/** The size as it stands in the header, in octal digits. */
function sizeField(block: Buffer): number {
  const text = block.toString('latin1', 124, 136).replaceAll('\0', ' ').trim();
  return /^[0-7]*$/.test(text) ? Number.parseInt(text || '0', 8) : Number.NaN;
}

function requireKind(type: string, name: string, size: number): void {
  switch (type) {
    case 'File':
    case 'OldFile':
      return;
    case 'Directory':
      if (size === 0) return;
      throw new LayoutError('hostile', `the folder ${shown(name)} has content`);
    case 'Link':
    case 'SymbolicLink':
      throw new LayoutError('hostile', `the entry ${shown(name)} is a link`);
    case 'NextFileHasLongPath':
    case 'NextFileHasLongLinkpath':
    case 'GlobalExtendedHeader':
      throw new LayoutError(
        'hostile',
        `the tar has a ${type} before its entries, which layouts have no need of: write it with "tar --format=ustar" or "--format=pax"`,
      );
    default:
      throw new LayoutError(
        'hostile',
        `the entry ${shown(name)} is neither a file nor a folder, but a ${type}`,
      );
  }
}

/** POSIX.1-2001 pax: records of `length key=value\n`, each key once. */
async function readPax(bytes: Bytes, { start, size }: Extent): Promise<Pax> {
  if (size > MAX_PAX) {
    throw new LayoutError(
      'too-large',
      `expected an extended header of at most ${MAX_PAX} bytes, got ${size}`,
    );
  }
  const text = (await readExactly(bytes, start, size)) ?? Buffer.alloc(0);
  const keys = new Set<string>();
  for (let at = 0; at < text.length;) {
    const [, length = '', key = ''] =
      /^(\d{1,6}) ([^=\n]{1,256})=/.exec(text.toString('utf8', at, at + 300)) ?? [];
    const end = at + Number(length);
    if (length === '' || end > text.length || end <= at || text[end - 1] !== 0x0a) {
      throw new LayoutError('hostile', 'the tar has an extended header that cannot be read');
    }
    const value = text.toString('utf8', at + length.length + key.length + 2, end - 1);
    const isOdd = /[\n\0]/.test(value) || (key === 'size' && !/^\d{1,15}$/.test(value));
    if (isOdd || keys.has(key) || !PAX_KEYS.test(key)) {
      throw new LayoutError(
        'hostile',
        `the tar has an extended header with ${shown(key)}, which a layout has no need of, twice or at all`,
      );
    }
    keys.add(key);
    at = end;
  }
  return Pax.parse(text.toString('utf8'));
}

/** Two empty blocks, and nothing but empty ones behind them. */
async function requireEnd(bytes: Bytes, position: number): Promise<void> {
  const left = bytes.size - position;
  if (left < 2 * BLOCK) throw new LayoutError('truncated', 'the tar ends in the middle of its end');
  if (left > MAX_PADDING) {
    throw new LayoutError('hostile', `the tar goes on for ${left} bytes behind its end`);
  }
  const rest = await readExactly(bytes, position, left);
  if (rest?.some((byte) => byte !== 0) === true) {
    throw new LayoutError('hostile', 'the tar has content behind its end');
  }
}

function refuseCompressed(block: Buffer): void {
  for (const [name, tool, magic] of COMPRESSIONS) {
    if (!block.toString('hex', 0, magic.length / 2).startsWith(magic)) continue;
    throw new LayoutError(
      'compressed',
      `expected a tar that is not compressed, got ${name}: unpack it first, "${tool} FILE"`,
    );
  }
}

/** Undefined where that much is not there. */
async function readExactly(
  bytes: Bytes,
  position: number,
  length: number,
): Promise<Buffer | undefined> {
  const target = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const count = await bytes.read(target.subarray(done), position + done);
    if (count === 0) return undefined;
    done += count;
  }
  return target;
}
