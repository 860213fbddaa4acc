/** Places of revocation: named in the certificate, asked over http alone. */
import fc from 'fast-check';
import t from 'tap';
import { readPlaces } from '../../../../src/verify/notation/revocation/places.ts';
import type { Extension } from '../../../helpers/sigstore/certificate.ts';
import * as der from '../../../helpers/sigstore/der.ts';
import {
  lists,
  makeAuthority,
  makeLeaf,
  point,
  points,
  read,
  responders,
} from './made-revocation.ts';

const ca = makeAuthority('ca');
const placesOf = (...extensions: readonly Extension[]) =>
  readPlaces(read(makeLeaf(ca, extensions)));
const NONE = { named: false, ocsp: [], lists: [], listNames: [] };

t.test('a certificate names its responders and lists', (t) => {
  t.strictSame(placesOf(), NONE);
  t.strictSame(placesOf(responders('http://o.example/a', 'http://o.example/b')), {
    ...NONE,
    named: true,
    ocsp: ['http://o.example/a', 'http://o.example/b'],
  });
  t.strictSame(placesOf(lists('http://l.example/a', 'http://l.example/b')), {
    ...NONE,
    named: true,
    lists: ['http://l.example/a', 'http://l.example/b'],
    listNames: ['http://l.example/a', 'http://l.example/b'],
  });
  const issuers = der.sequence(
    der.oid('1.3.6.1.5.5.7.48.2'),
    der.contextPrimitive(6, Buffer.from('http://ca.example')),
  );
  t.strictSame(
    placesOf({ oid: '1.3.6.1.5.5.7.1.1', value: der.sequence(issuers) }),
    NONE,
    'where the issuer is to be had is no place to ask',
  );
  t.end();
});

t.test('a place that may not be asked is a place all the same', (t) => {
  for (const address of [
    'https://o.example',
    'ldap://o.example/cn=a',
    'file:///etc/passwd',
    'http://user:password@o.example',
    'http://',
    'o.example',
  ]) {
    t.match(placesOf(responders(address)), { named: true, ocsp: [] }, address);
    t.match(placesOf(lists(address)), { named: true, lists: [], listNames: [address] }, address);
  }
  const reasons = der.contextPrimitive(1, Buffer.from([1, 0x40]));
  const issuer = der.context(2, der.context(4, der.sequence()));
  const relative = der.sequence(der.context(0, der.context(1, der.sequence())));
  for (const odd of [
    point('http://l.example', reasons),
    point('http://l.example', issuer),
    relative,
    der.sequence(),
  ]) {
    t.match(placesOf(points(odd)), { named: true, lists: [] });
  }
  const directory = der.sequence(der.oid('1.3.6.1.5.5.7.48.1'), der.context(4, der.sequence()));
  t.match(placesOf({ oid: '1.3.6.1.5.5.7.1.1', value: der.sequence(directory) }), {
    named: true,
    ocsp: [],
  });
  t.end();
});

t.test('what cannot be read is refused', (t) => {
  t.throws(() => placesOf(responders('http://o.example/\u00e4')), /printable ASCII/);
  t.throws(() => placesOf(lists('http://o.example/\n')), /printable ASCII/);
  t.throws(() => placesOf(lists(`http://o.example/${'a'.repeat(2048)}`)), /at most 2048/);
  t.throws(() => placesOf(points(point('http://l.example', der.integer(1)))), /unexpected members/);
  t.end();
});

t.test('any bytes in an extension are read or refused with a SyntaxError', (t) => {
  const certificate = read(makeLeaf(ca));
  const oids = fc.constantFrom('1.3.6.1.5.5.7.1.1', '2.5.29.31');
  const pieces = fc.constantFrom(
    der.sequence(),
    point('http://l.example'),
    responders('http://o.example').value,
    der.context(0, der.context(0)),
  );
  const values = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    fc.array(pieces).map((list) => der.sequence(...list)),
  );
  fc.assert(
    fc.property(oids, values, (oid, value) => {
      try {
        const extensions = new Map([[oid, { critical: false, value }]]);
        return typeof readPlaces({ ...certificate, extensions }).named === 'boolean';
      } catch (error) {
        return error instanceof SyntaxError;
      }
    }),
    { numRuns: 100 },
  );
  t.end();
});
