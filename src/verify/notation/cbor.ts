/**
 * CBOR (RFC 8949), read strictly: one encoding for each value, definite lengths, no key twice, nothing left over.
 * Our own, since what an envelope needs is small, and the libraries are lax where it counts: one takes text that is no
 * UTF-8, another wants maps sorted, which signers are free not to do.
 */

export type Cbor =
  | { readonly kind: 'integer'; readonly value: bigint }
  | { readonly kind: 'bytes'; readonly value: Buffer }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'array'; readonly items: readonly Cbor[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [key: Cbor, value: Cbor])[] }
  | { readonly kind: 'tag'; readonly tag: bigint; readonly content: Cbor }
  | { readonly kind: 'float'; readonly value: number }
  /** 20 is false, 21 true, 22 null, 23 undefined. */
  | { readonly kind: 'simple'; readonly value: number };

/** Arrays, maps and tags in each other. */
const MAX_DEPTH = 16;
/** Values in one document; an envelope has some dozen. */
const MAX_VALUES = 4096;

// Major types of RFC 8949 §3.1.
const MAJOR = { negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, other: 7 } as const;

/**
 * Reads exactly one value.
 * @throws {SyntaxError} for everything that has a shorter encoding, an indefinite length, a key twice, text that is no
 * UTF-8, bytes after it, more than 4096 values or more than 16 of them in each other.
 */
export function readCbor(bytes: Buffer): Cbor {
  const reader = new Reader(bytes);
  const value = reader.read(0);
  reader.end();
  return value;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  #values = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new SyntaxError('unexpected bytes after the CBOR');
  }

  read(depth: number): Cbor {
    this.#values += 1;
    if (this.#values > MAX_VALUES) {
      throw new SyntaxError(`expected at most ${MAX_VALUES} values of CBOR`);
    }
    if (depth > MAX_DEPTH) throw new SyntaxError(`CBOR nested deeper than ${MAX_DEPTH}`);
    const first = this.#take(1).readUInt8(0);
    const major = first >> 5;
    const info = first & 0x1f;
    if (major === MAJOR.other) return this.#readOther(info);
    const argument = this.#readArgument(info);
    switch (major) {
      case MAJOR.negative:
        return { kind: 'integer', value: -1n - argument };
      case MAJOR.bytes:
        return { kind: 'bytes', value: this.#take(this.#count(argument)) };
      case MAJOR.text:
        return { kind: 'text', value: utf8(this.#take(this.#count(argument))) };
      case MAJOR.array:
        return { kind: 'array', items: this.#readArray(this.#count(argument), depth) };
      case MAJOR.map:
        return { kind: 'map', entries: this.#readMap(this.#count(argument), depth) };
      case MAJOR.tag:
        return { kind: 'tag', tag: argument, content: this.read(depth + 1) };
      default:
        return { kind: 'integer', value: argument };
    }
  }

  #readArray(count: number, depth: number): readonly Cbor[] {
    const items: Cbor[] = [];
    while (items.length < count) items.push(this.read(depth + 1));
    return items;
  }

  #readMap(count: number, depth: number): readonly (readonly [Cbor, Cbor])[] {
    const entries: (readonly [Cbor, Cbor])[] = [];
    const keys = new Set<string>();
    while (entries.length < count) {
      const start = this.#at;
      const key = this.read(depth + 1);
      // A value has one encoding here, so keys are the same where their bytes are (RFC 8949 §5.6).
      keys.add(this.#bytes.toString('latin1', start, this.#at));
      if (keys.size === entries.length) throw new SyntaxError('duplicate key in a CBOR map');
      entries.push([key, this.read(depth + 1)]);
    }
    return entries;
  }

  #readOther(info: number): Cbor {
    switch (info) {
      case 25:
        return { kind: 'float', value: halfFloat(this.#take(2).readUInt16BE(0)) };
      case 26:
        return { kind: 'float', value: this.#take(4).readFloatBE(0) };
      case 27:
        return { kind: 'float', value: this.#take(8).readDoubleBE(0) };
    }
    const value = Number(this.#readArgument(info));
    // RFC 8949 §3.3: what one byte holds is never written with two.
    if (info === 24 && value < 32) throw new SyntaxError('expected the shortest encoding in CBOR');
    return { kind: 'simple', value };
  }

  #readArgument(info: number): bigint {
    if (info < 24) return BigInt(info);
    const size = [1, 2, 4, 8][info - 24];
    if (size === undefined) throw new SyntaxError('expected CBOR of definite lengths');
    const value = BigInt(`0x${this.#take(size).toString('hex')}`);
    const least = size === 1 ? 24n : 1n << BigInt(size * 4);
    if (value < least) throw new SyntaxError('expected the shortest encoding in CBOR');
    return value;
  }

  /** A length: each byte, member and entry takes at least one byte of what is left. */
  #count(argument: bigint): number {
    if (argument > BigInt(this.#bytes.length - this.#at)) throw tooShort();
    return Number(argument);
  }

  #take(size: number): Buffer {
    const end = this.#at + size;
    if (end > this.#bytes.length) throw tooShort();
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

function tooShort(): SyntaxError {
  return new SyntaxError('the CBOR ends too early');
}

/** IEEE 754 binary16 (RFC 8949 appendix D). */
function halfFloat(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new SyntaxError('expected text in CBOR to be UTF-8', { cause: error });
  }
}
