/** Writes DER (X.690), value by value: what certificates and timestamps are made of. */

/** One value with its tag and length. */
export function tagged(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content]);
}

function lengthOf(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return [0x80 | bytes.length, ...bytes];
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tagged(0x30, ...parts);
}

/** SET OF, whose members DER sorts. */
export function setOf(...parts: readonly Uint8Array[]): Buffer {
  return tagged(0x31, ...[...parts].sort((one, other) => Buffer.compare(one, other)));
}

/** `[number] EXPLICIT`, or IMPLICIT of something constructed. */
export function context(number: number, ...parts: readonly Uint8Array[]): Buffer {
  return tagged(0xa0 | number, ...parts);
}

/** `[number] IMPLICIT` of something primitive. */
export function contextPrimitive(number: number, content: Uint8Array): Buffer {
  return tagged(0x80 | number, content);
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(number: number): readonly number[] {
  const bytes = [number % 0x80];
  for (let rest = Math.floor(number / 0x80); rest > 0; rest = Math.floor(rest / 0x80)) {
    bytes.unshift(0x80 | (rest % 0x80));
  }
  return bytes;
}

/** Not negative. */
export function integer(value: number | bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return tagged(0x02, (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.from([0]), bytes]));
}

export function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.from([value ? 0xff : 0]));
}

export function octets(content: Uint8Array): Buffer {
  return tagged(0x04, content);
}

export function bits(content: Uint8Array, unused = 0): Buffer {
  return tagged(0x03, Buffer.from([unused]), content);
}

export function utf8(text: string): Buffer {
  return tagged(0x0c, Buffer.from(text));
}

export function nothing(): Buffer {
  return tagged(0x05);
}

/** @param time milliseconds since the epoch; parts of a second are dropped. */
export function generalizedTime(time: number): Buffer {
  return tagged(0x18, Buffer.from(`${digitsOf(time)}Z`));
}

/** RFC 5280 §4.1.2.5: UTCTime before 2050, GeneralizedTime after. */
export function time(time: number): Buffer {
  const digits = digitsOf(time);
  return digits < '2050' ? tagged(0x17, Buffer.from(`${digits.slice(2)}Z`)) : generalizedTime(time);
}

function digitsOf(time: number): string {
  return new Date(time).toISOString().slice(0, 19).replaceAll(/[-T:]/g, '');
}

/** A Name of organization and common name. */
export function distinguishedName(organization: string, commonName: string): Buffer {
  const attribute = (type: string, value: string): Buffer =>
    setOf(sequence(oid(type), utf8(value)));
  return sequence(attribute('2.5.4.10', organization), attribute('2.5.4.3', commonName));
}
