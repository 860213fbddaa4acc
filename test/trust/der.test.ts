/** DER from strangers: each value has one encoding, and whatever is read was written so. */
import fc from 'fast-check';
import t from 'tap';
import { membersOf, readDer, readElement, TAG, writeDer, type Der } from '../../src/trust/der.ts';
import {
  parseDefaultFalse,
  parseIntegerBytes,
  parseNamedBits,
  parseOctetBits,
  parseOid,
  parseSmallInteger,
  parseTime,
} from '../../src/trust/der-values.ts';
import * as der from '../helpers/sigstore/der.ts';

const RUNS = { numRuns: 500 };
const bytesOf = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));

/** The value, or undefined where it is refused; anything but a refusal is thrown. */
function valueOf<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const element = (tag: number, content: Buffer): Der => readDer(writeDer(tag, content), 'it');

t.test('an element is written in one way', async (t) => {
  const short = fc
    .tuple(fc.nat(255), fc.constantFrom(0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0xff), bytesOf(12))
    .map(([tag, length, rest]) => Buffer.concat([Buffer.from([tag, length]), rest]));
  fc.assert(
    fc.property(fc.oneof(bytesOf(40), short), (bytes) => {
      const read = valueOf(() => readDer(bytes, 'it'));
      if (read !== undefined) t.ok(writeDer(read.tag, read.content).equals(bytes));
      const first = valueOf(() => readElement(bytes, 0, 'it'));
      if (first !== undefined) t.ok(bytes.subarray(0, first.raw.length).equals(first.raw));
    }),
    RUNS,
  );
});

t.test('contents of every length come back', async (t) => {
  for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
    const content = Buffer.alloc(length, 7);
    t.ok(element(TAG.octetString, content).content.equals(content), String(length));
  }
  for (const [what, hex] of [
    ['an indefinite length', '30800000'],
    ['a length of two bytes for one', '04810101'],
    ['a length with a zero before it', `04820080${'00'.repeat(128)}`],
    ['a length of five bytes', '04850000000001ff'],
    ['a tag of several bytes', '1f8101'],
    ['a length beyond the end', '040201'],
    ['no length', '04'],
    ['nothing', ''],
    ['bytes after it', '050000'],
  ] as const) {
    t.throws(() => readDer(Buffer.from(hex, 'hex'), 'it'), { name: 'SyntaxError' }, what);
  }
});

t.test('members fill their element', async (t) => {
  fc.assert(
    fc.property(bytesOf(40), (content) => {
      const whole = element(TAG.sequence, content);
      const members = valueOf(() => membersOf(whole, 'it'));
      if (members === undefined) return;
      t.ok(Buffer.concat(members.map(({ raw }) => raw)).equals(content));
    }),
    RUNS,
  );
  const many = element(TAG.sequence, Buffer.from('0500'.repeat(1025), 'hex'));
  t.throws(() => membersOf(many, 'it'), { name: 'SyntaxError', message: /at most 1024/ });
});

/** Checks that contents that are read come back from what is read of them. */
function comesBack<T>(
  tag: number,
  read: (element: Der) => T,
  write: (value: T) => Buffer,
  contents: fc.Arbitrary<Buffer> = bytesOf(8),
): void {
  fc.assert(
    fc.property(contents, (content) => {
      const value = valueOf(() => read(element(tag, content)));
      return value === undefined || write(value).equals(writeDer(tag, content));
    }),
    RUNS,
  );
}

t.test('values are written in one way', async () => {
  comesBack(TAG.oid, (one) => parseOid(one, 'it'), objectIdentifier);
  comesBack(
    TAG.integer,
    (one) => parseSmallInteger(one, 'it'),
    (value) => der.integer(value),
    bytesOf(5),
  );
  comesBack(
    TAG.integer,
    (one) => parseIntegerBytes(one, 'it'),
    (content) =>
      der.integer(BigInt.asIntN(content.length * 8, BigInt(`0x${content.toString('hex')}`))),
    // der.integer writes what is not negative.
    bytesOf(8).filter((content) => (content[0] ?? 0) < 0x80),
  );
  comesBack(
    TAG.bitString,
    (one) => parseOctetBits(one, 'it'),
    (bytes) => der.bits(bytes),
  );
  comesBack(
    TAG.bitString,
    (one) => parseNamedBits(one, 'it'),
    (bits) => namedBits([...bits]),
    fc.tuple(fc.nat(9), bytesOf(3)).map(([unused, rest]) => Buffer.from([unused, ...rest])),
  );
  for (const tag of [TAG.utcTime, TAG.generalizedTime]) {
    const digits = fc.array(fc.nat(9), { minLength: 12, maxLength: 14 });
    const texts = digits.map((list) => Buffer.from(`${list.join('')}Z`));
    const likely = fc
      .date({ min: new Date('1950-01-01'), max: new Date('2049-12-31'), noInvalidDate: true })
      .map((date) => date.toISOString().replaceAll(/[-:T]|\..*/g, ''))
      .map((text) => Buffer.from(`${tag === TAG.utcTime ? text.slice(2) : text}Z`));
    comesBack(
      tag,
      (one) => parseTime(one, 'it'),
      (time) => timeIn(tag, time),
      fc.oneof(texts, likely),
    );
  }
  fc.assert(
    fc.property(bytesOf(3), (content) => {
      const value = valueOf(() => parseDefaultFalse(element(TAG.boolean, content), 'it'));
      return value === (content.equals(Buffer.from([0xff])) ? true : undefined);
    }),
    RUNS,
  );
});

/** With arcs of any size. */
function objectIdentifier(dotted: string): Buffer {
  const [top = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt);
  const content = [top * 40n + second, ...rest].flatMap((arc) => {
    const bytes = [Number(arc & 0x7fn)];
    for (let left = arc >> 7n; left > 0n; left >>= 7n) bytes.unshift(Number(left & 0x7fn) | 0x80);
    return bytes;
  });
  return writeDer(TAG.oid, Buffer.from(content));
}

function namedBits(bits: readonly number[]): Buffer {
  const last = Math.max(-1, ...bits);
  const content = Buffer.alloc(Math.ceil((last + 1) / 8));
  for (const bit of bits) {
    const at = Math.floor(bit / 8);
    content.writeUInt8(content.readUInt8(at) | (0x80 >> (bit % 8)), at);
  }
  return der.bits(content, last < 0 ? 0 : 7 - (last % 8));
}

function timeIn(tag: number, time: number): Buffer {
  const text = new Date(time).toISOString().replaceAll(/[-:T]|\..*/g, '');
  return writeDer(tag, Buffer.from(`${tag === TAG.utcTime ? text.slice(2) : text}Z`));
}
