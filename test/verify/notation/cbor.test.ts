/** CBOR from strangers: one encoding for each value, and nothing that two readers could read differently. */
import fc from 'fast-check';
import t from 'tap';
import { readCbor, type Cbor } from '../../../src/verify/notation/cbor.ts';
import * as cbor from '../../helpers/notation/cbor.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

// Examples of RFC 8949 appendix A, of what is read here.
const examples: readonly (readonly [encoded: string, value: Cbor])[] = [
  ['00', { kind: 'integer', value: 0n }],
  ['17', { kind: 'integer', value: 23n }],
  ['1818', { kind: 'integer', value: 24n }],
  ['1903e8', { kind: 'integer', value: 1000n }],
  ['1a000f4240', { kind: 'integer', value: 1_000_000n }],
  ['1bffffffffffffffff', { kind: 'integer', value: 18_446_744_073_709_551_615n }],
  ['3bffffffffffffffff', { kind: 'integer', value: -18_446_744_073_709_551_616n }],
  ['20', { kind: 'integer', value: -1n }],
  ['3903e7', { kind: 'integer', value: -1000n }],
  ['f90001', { kind: 'float', value: 5.960464477539063e-8 }],
  ['f93e00', { kind: 'float', value: 1.5 }],
  ['f9c400', { kind: 'float', value: -4 }],
  ['f97c00', { kind: 'float', value: Infinity }],
  ['f9fc00', { kind: 'float', value: -Infinity }],
  ['fa47c35000', { kind: 'float', value: 100_000 }],
  ['fbc010666666666666', { kind: 'float', value: -4.1 }],
  ['f4', { kind: 'simple', value: 20 }],
  ['f6', { kind: 'simple', value: 22 }],
  ['f8ff', { kind: 'simple', value: 255 }],
  ['44 01020304', { kind: 'bytes', value: hex('01020304') }],
  ['62 c3bc', { kind: 'text', value: 'ü' }],
  ['80', { kind: 'array', items: [] }],
  ['c1 1a 514b67b0', { kind: 'tag', tag: 1n, content: { kind: 'integer', value: 1_363_896_240n } }],
  [
    'a1 01 82 02 03',
    {
      kind: 'map',
      entries: [
        [
          { kind: 'integer', value: 1n },
          {
            kind: 'array',
            items: [
              { kind: 'integer', value: 2n },
              { kind: 'integer', value: 3n },
            ],
          },
        ],
      ],
    },
  ],
];
for (const [encoded, value] of examples) {
  t.test(`reads ${encoded}`, async (t) => {
    t.strictSame(readCbor(hex(encoded)), value);
  });
}

t.test('what is no number is read as such', async (t) => {
  const value = readCbor(hex('f97e00'));
  t.ok(value.kind === 'float' && Number.isNaN(value.value));
});

const refused: readonly (readonly [what: string, encoded: string, message: RegExp])[] = [
  ['nothing', '', /ends too early/],
  ['bytes after the value', '0000', /unexpected bytes after/],
  ['23 in two bytes', '1817', /shortest/],
  ['255 in three bytes', '1900ff', /shortest/],
  ['65535 in five bytes', '1a0000ffff', /shortest/],
  ['2³² − 1 in nine bytes', '1b00000000ffffffff', /shortest/],
  ['a long length of bytes', '5801aa', /shortest/],
  ['a long length of an array', '980100', /shortest/],
  ['a long tag', 'd80100', /shortest/],
  ['false in two bytes', 'f814', /shortest/],
  ['bytes of indefinite length', '5f41aaff', /definite/],
  ['text of indefinite length', '7f6161ff', /definite/],
  ['an array of indefinite length', '9f00ff', /definite/],
  ['a map of indefinite length', 'bf0000ff', /definite/],
  ['a break without a beginning', 'ff', /definite/],
  ['a reserved length', '1c', /definite/],
  ['a key twice', 'a2 01 00 01 00', /duplicate key/],
  ['a text twice as a key', 'a2 6161 00 6161 01', /duplicate key/],
  ['a key twice, apart', 'a3 01 00 02 00 01 00', /duplicate key/],
  ['a key twice deeper inside', '81 a2 01 00 01 00', /duplicate key/],
  ['text that is no UTF-8', '61ff', /UTF-8/],
  ['overlong UTF-8', '62c0af', /UTF-8/],
  ['half a surrogate', '63eda080', /UTF-8/],
  ['bytes that end early', '42aa', /ends too early/],
  ['more bytes than memory', '5bffffffffffffffff', /ends too early/],
  ['an array that ends early', '8200', /ends too early/],
  ['more items than bytes', '9affffffff00', /ends too early/],
  ['a map that ends early', 'a100', /ends too early/],
  ['half a number', '19ff', /ends too early/],
];
for (const [what, encoded, message] of refused) {
  t.test(`refuses ${what}`, async (t) => {
    t.throws(() => readCbor(hex(encoded)), { name: 'SyntaxError', message });
  });
}

t.test('depth and number of values have bounds', async (t) => {
  const nested = (depth: number): Buffer =>
    Buffer.concat([Buffer.alloc(depth, 0x81), Buffer.from([0])]);
  t.equal(readCbor(nested(16)).kind, 'array');
  t.throws(() => readCbor(nested(17)), { name: 'SyntaxError', message: /deeper than 16/ });
  t.throws(() => readCbor(nested(100_000)), { name: 'SyntaxError', message: /deeper than 16/ });
  t.throws(() => readCbor(Buffer.concat([Buffer.alloc(100_000, 0xc1), Buffer.from([0])])), {
    message: /deeper than 16/,
  });
  const many = (count: number): Buffer =>
    cbor.array(...Array.from({ length: count }, () => cbor.integer(0)));
  t.equal(readCbor(many(4095)).kind, 'array');
  t.throws(() => readCbor(many(4096)), { name: 'SyntaxError', message: /at most 4096 values/ });
});

/** Writes a value in its only encoding. */
function write(value: Cbor): Buffer {
  switch (value.kind) {
    case 'integer':
      return cbor.integer(value.value);
    case 'bytes':
      return cbor.bytes(value.value);
    case 'text':
      return cbor.text(value.value);
    case 'array':
      return cbor.array(...value.items.map(write));
    case 'map':
      return cbor.map(value.entries.map(([key, member]) => [write(key), write(member)]));
    case 'tag':
      return cbor.tag(Number(value.tag), write(value.content));
    case 'float': {
      const bytes = Buffer.alloc(9);
      bytes.writeUInt8(0xfb);
      bytes.writeDoubleBE(value.value, 1);
      return bytes;
    }
    case 'simple':
      return cbor.head(7, value.value);
  }
}

const { value } = fc.letrec<{ value: Cbor }>((tie) => {
  const integer = fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n });
  const key = fc.oneof(
    integer.map((value): Cbor => ({ kind: 'integer', value })),
    fc.string({ unit: 'binary' }).map((value): Cbor => ({ kind: 'text', value })),
  );
  const inner = tie('value');
  return {
    value: fc.oneof(
      { maxDepth: 4 },
      key,
      fc.uint8Array().map((some): Cbor => ({ kind: 'bytes', value: Buffer.from(some) })),
      fc.double({ noNaN: true }).map((value): Cbor => ({ kind: 'float', value })),
      fc.constantFrom(0, 20, 21, 22, 32, 255).map((value): Cbor => ({ kind: 'simple', value })),
      fc.array(inner, { maxLength: 4 }).map((items): Cbor => ({ kind: 'array', items })),
      fc
        .tuple(fc.nat(1000), inner)
        .map(([tag, content]): Cbor => ({ kind: 'tag', tag: BigInt(tag), content })),
      fc
        .uniqueArray(fc.tuple(key, inner), {
          maxLength: 4,
          selector: ([key]) => write(key).toString('hex'),
        })
        .map((entries): Cbor => ({ kind: 'map', entries })),
    ),
  };
});

t.test('reads what is written, and no beginning of it', async (t) => {
  fc.assert(
    fc.property(value, fc.nat(), (value, at) => {
      const written = write(value);
      t.strictSame(readCbor(written), value);
      t.throws(() => readCbor(written.subarray(0, at % written.length)), { name: 'SyntaxError' });
    }),
    { numRuns: 100 },
  );
});

t.test('whatever is read was written in the only way', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.tuple(value, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([value, at, change]) => {
      const changed = write(value);
      const index = at % changed.length;
      changed.writeUInt8(changed.readUInt8(index) ^ change, index);
      return changed;
    }),
  );
  fc.assert(
    fc.property(bytes, (some) => {
      const given = Buffer.from(some);
      try {
        const read = readCbor(given);
        // Floats have three sizes, and none of them is shorter by rule.
        return hasFloat(read) || write(read).equals(given);
      } catch (error) {
        return error instanceof SyntaxError;
      }
    }),
    { numRuns: 100 },
  );
});

function hasFloat(value: Cbor): boolean {
  switch (value.kind) {
    case 'float':
      return true;
    case 'array':
      return value.items.some(hasFloat);
    case 'map':
      return value.entries.flat().some(hasFloat);
    case 'tag':
      return hasFloat(value.content);
    default:
      return false;
  }
}
