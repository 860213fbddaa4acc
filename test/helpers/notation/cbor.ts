/** Writes CBOR (RFC 8949), value by value, honest or not: whoever wants a longer length writes it. */

/** The first bytes of a value: its major type and its argument, in as few bytes as hold it unless told. */
export function head(major: number, argument: number | bigint, size = sizeOf(argument)): Buffer {
  if (size === 0) return Buffer.from([(major << 5) | Number(argument)]);
  const bytes = Buffer.from(argument.toString(16).padStart(size * 2, '0'), 'hex');
  return Buffer.concat([Buffer.from([(major << 5) | (24 + Math.log2(size))]), bytes]);
}

function sizeOf(argument: number | bigint): number {
  if (argument < 24) return 0;
  if (argument < 0x100) return 1;
  if (argument < 0x10000) return 2;
  return argument < 0x100000000 ? 4 : 8;
}

export function integer(value: number | bigint): Buffer {
  return value < 0 ? head(1, -1n - BigInt(value)) : head(0, value);
}

export function bytes(content: Uint8Array): Buffer {
  return Buffer.concat([head(2, content.length), content]);
}

export function text(content: string): Buffer {
  const encoded = Buffer.from(content);
  return Buffer.concat([head(3, encoded.length), encoded]);
}

export function array(...items: readonly Buffer[]): Buffer {
  return Buffer.concat([head(4, items.length), ...items]);
}

export type Entry = readonly [key: Buffer, value: Buffer];

export function map(entries: readonly Entry[]): Buffer {
  return Buffer.concat([head(5, entries.length), ...entries.flat()]);
}

export function tag(number: number, content: Buffer): Buffer {
  return Buffer.concat([head(6, number), content]);
}

/** A text or a number, as a label of a COSE header. */
export function label(value: string | number): Buffer {
  return typeof value === 'string' ? text(value) : integer(value);
}
