/** Values of DER elements: numbers, names of algorithms, times, text. */
import { TAG, requireTag, type Der } from './der.ts';

const MAX_OID_BYTES = 64;

/** Dotted text of an OBJECT IDENTIFIER (X.690 §8.19). */
export function parseOid(element: Der | undefined, what = 'an object identifier'): string {
  const { content } = requireTag(element, TAG.oid, what);
  if (content.length === 0 || content.length > MAX_OID_BYTES)
    throw new SyntaxError(`expected ${what}`);
  const arcs: bigint[] = [];
  let arc = 0n;
  let begins = true;
  for (const byte of content) {
    // A leading 0x80 is a second spelling of the same arc.
    if (begins && byte === 0x80) throw new SyntaxError(`expected ${what}`);
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    begins = byte < 0x80;
    if (begins) {
      arcs.push(arc);
      arc = 0n;
    }
  }
  const [first = 0n, ...rest] = arcs;
  if (!begins) throw new SyntaxError(`expected ${what}`);
  const top = first < 80n ? first / 40n : 2n;
  return [top, first - top * 40n, ...rest].join('.');
}

/** Content of an INTEGER in its only encoding (X.690 §8.3.2); it may be negative. */
export function parseIntegerBytes(element: Der | undefined, what: string): Buffer {
  const { content } = requireTag(element, TAG.integer, what);
  const [first, second] = content;
  const padded =
    second !== undefined &&
    ((first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80));
  if (first === undefined || padded) throw new SyntaxError(`expected ${what} to be an integer`);
  return content;
}

/** An INTEGER between 0 and 2³¹. */
export function parseSmallInteger(element: Der | undefined, what: string): number {
  const bytes = parseIntegerBytes(element, what);
  if (bytes.length > 4 || bytes.readInt8(0) < 0) {
    throw new SyntaxError(`expected ${what} to be a small number`);
  }
  return bytes.readUIntBE(0, bytes.length);
}

/** BOOLEAN DEFAULT FALSE: absent, or TRUE as 0xff (X.690 §11.1, §11.5). */
export function parseDefaultFalse(element: Der | undefined, what: string): boolean {
  if (element === undefined) return false;
  if (element.content.length === 1 && element.content[0] === 0xff) return true;
  throw new SyntaxError(`expected ${what} to be true or absent`);
}

/** Bytes of a BIT STRING that has no unused bits. */
export function parseOctetBits(element: Der | undefined, what: string): Buffer {
  const { content } = requireTag(element, TAG.bitString, what);
  if (content[0] !== 0) throw new SyntaxError(`expected ${what} to be whole bytes`);
  return content.subarray(1);
}

/** Numbers of the bits that are set in a named-bit list (X.690 §11.2.2). */
export function parseNamedBits(element: Der | undefined, what: string): ReadonlySet<number> {
  const { content } = requireTag(element, TAG.bitString, what);
  const [unused = 8, ...bytes] = content;
  const last = bytes.at(-1);
  const exact =
    last === undefined ? unused === 0 : unused < 8 && (last & ((2 << unused) - 1)) === 1 << unused;
  if (!exact || bytes.length > 4) throw new SyntaxError(`expected ${what} to be a list of bits`);
  return new Set(
    bytes.flatMap((byte, at) =>
      [0, 1, 2, 3, 4, 5, 6, 7]
        .filter((bit) => (byte & (0x80 >> bit)) !== 0)
        .map((bit) => at * 8 + bit),
    ),
  );
}

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z$/;

/**
 * Milliseconds since the epoch of a UTCTime or GeneralizedTime: seconds are there, the zone is Z (RFC 5280 §4.1.2.5).
 * Only timestamps have fractions of a second (RFC 3161 §2.4.2).
 */
export function parseTime(element: Der | undefined, what: string): number {
  const text = element?.content.toString('latin1') ?? '';
  const match = element?.tag === TAG.utcTime ? UTC_TIME.exec(text) : null;
  if (match !== null) {
    const [, year, ...rest] = match;
    return instant(
      [Number(year) + (Number(year) >= 50 ? 1900 : 2000), ...rest.map(Number)],
      0,
      what,
    );
  }
  const general = element?.tag === TAG.generalizedTime ? GENERALIZED_TIME.exec(text) : null;
  if (general === null) throw new SyntaxError(`expected ${what} to be a time`);
  const [, year, month, day, hour, minute, second, fraction = '0'] = general;
  return instant(
    [year, month, day, hour, minute, second].map(Number),
    Number(fraction.padEnd(3, '0').slice(0, 3)),
    what,
  );
}

/** Whether a time is written with a fraction of a second. */
export function hasFraction(element: Der): boolean {
  return element.content.includes('.');
}

function instant(parts: readonly number[], milliseconds: number, what: string): number {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second, milliseconds);
  // Date carries the 30th of February and the 25th hour over; a time that changes so was none.
  const kept =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second;
  if (!kept) throw new SyntaxError(`expected ${what} to be a time`);
  return date.getTime();
}

// Names end up in messages, logs and rules: nothing that breaks a line or turns the direction of writing.
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
const IA5 = /^[\x20-\x7e]+$/;

/** Text of UTF-8 bytes. */
export function parseUtf8(bytes: Buffer, what: string): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new SyntaxError(`expected ${what} to be UTF-8 text`, { cause: error });
  }
  if (UNPRINTABLE.test(text)) throw new SyntaxError(`unexpected control character in ${what}`);
  return text;
}

/** Text of an IA5String's bytes: printable ASCII, at least one character. */
export function parseIa5(bytes: Buffer, what: string): string {
  const text = bytes.toString('latin1');
  if (!IA5.test(text)) throw new SyntaxError(`expected ${what} to be printable ASCII text`);
  return text;
}
