/** Subjects of certificates, attribute by attribute. */
import fc from 'fast-check';
import t from 'tap';
import { readSubject } from '../../../src/verify/notation/subject.ts';
import { nameOf } from '../../helpers/notation/certificate.ts';
import * as der from '../../helpers/sigstore/der.ts';
import { refuses } from './target.ts';

const attribute = (type: string, value: Buffer): Buffer => der.sequence(der.oid(type), value);
const one = (value: Buffer): Buffer => der.sequence(der.setOf(attribute('2.5.4.3', value)));

t.test('names the attributes that have names, in the order of the certificate', async (t) => {
  const names: readonly (readonly [oid: string, name: string])[] = [
    ['2.5.4.6', 'C'],
    ['2.5.4.8', 'ST'],
    ['2.5.4.7', 'L'],
    ['2.5.4.9', 'STREET'],
    ['2.5.4.17', 'POSTALCODE'],
    ['2.5.4.10', 'O'],
    ['2.5.4.11', 'OU'],
    ['2.5.4.5', 'SERIALNUMBER'],
    ['2.5.4.3', 'CN'],
    ['0.9.2342.19200300.100.1.25', 'DC'],
    ['0.9.2342.19200300.100.1.1', 'UID'],
    ['1.2.840.113549.1.9.1', 'EMAILADDRESS'],
    ['1.2.3.4', '1.2.3.4'],
  ];
  t.strictSame(
    readSubject(nameOf(...names.map(([oid], at) => [oid, `value ${at}`] as const))),
    names.map(([, type], at) => [{ type, value: `value ${at}` }]),
  );
  t.strictSame(readSubject(nameOf()), []);
});

t.test('keeps attributes together that stand in one set', async (t) => {
  const set = der.setOf(attribute('2.5.4.3', der.utf8('a')), attribute('2.5.4.11', der.utf8('b')));
  t.strictSame(readSubject(der.sequence(set)), [
    [
      { type: 'CN', value: 'a' },
      { type: 'OU', value: 'b' },
    ],
  ]);
});

t.test('reads text in each of its encodings', async (t) => {
  const texts: readonly (readonly [value: Buffer, text: string])[] = [
    [der.utf8('Münze, 鋳'), 'Münze, 鋳'],
    [der.tagged(0x13, Buffer.from('Vendor')), 'Vendor'],
    [der.tagged(0x16, Buffer.from('a@b')), 'a@b'],
    [der.tagged(0x12, Buffer.from('42')), '42'],
    [der.tagged(0x14, Buffer.from('M\xfcnze', 'latin1')), 'Münze'],
    [der.tagged(0x1e, Buffer.from('004d00fc', 'hex')), 'Mü'],
    [der.utf8('\ufeffa'), '\ufeffa'],
    // What is no text has no other spelling than its bytes.
    [der.integer(5), '#020105'],
  ];
  for (const [value, text] of texts) {
    t.strictSame(readSubject(one(value)), [[{ type: 'CN', value: text }]]);
  }
});

t.test('refuses what is no name', async (t) => {
  for (const bytes of [
    Buffer.alloc(0),
    der.utf8('CN=a'),
    der.sequence(der.sequence()),
    der.sequence(der.setOf()),
    der.sequence(der.setOf(der.sequence())),
    der.sequence(der.setOf(der.sequence(der.oid('2.5.4.3')))),
    der.sequence(der.setOf(der.sequence(der.oid('2.5.4.3'), der.utf8('a'), der.utf8('b')))),
    one(der.tagged(0x0c, Buffer.from([0xff]))),
    one(der.tagged(0x1e, Buffer.from([0xd8, 0]))),
    one(der.tagged(0x1e, Buffer.from([0]))),
    Buffer.concat([nameOf(), Buffer.from([0])]),
  ]) {
    refuses(t, () => readSubject(bytes), /./);
  }
});

t.test('any bytes are read or refused', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.uint8Array({ maxLength: 32 }).map((some) => one(Buffer.from(some))),
  );
  fc.assert(
    fc.property(bytes, (some) => {
      try {
        return Array.isArray(readSubject(Buffer.from(some)));
      } catch (error) {
        return error instanceof SyntaxError;
      }
    }),
    { numRuns: 100 },
  );
});
