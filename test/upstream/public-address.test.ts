/** Which addresses count as the public internet. */
import fc from 'fast-check';
import t from 'tap';
import { isPublicAddress } from '../../src/upstream/public-address.ts';

const PRIVATE = [
  '0.0.0.0',
  '10.0.0.1',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:10.0.0.1',
  '::ffff:0:127.0.0.1',
  '64:ff9b::169.254.169.254',
  '64:ff9b:1::1',
  '100::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::1',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'fe80::1%eth0',
  '2606:4700::1%eth0',
  'fec0::1',
  'ff02::1',
  '5f00::1',
  'localhost',
  '2130706433',
  '',
];

const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '172.15.255.255',
  '172.32.0.1',
  '100.128.0.1',
  '2606:4700:4700::1111',
  '2a00:1450:4001::200e',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
];

t.test('inside addresses are not public, in every spelling', (t) => {
  for (const address of PRIVATE) t.equal(isPublicAddress(address), false, address);
  t.end();
});

t.test('addresses of the internet are public', (t) => {
  for (const address of PUBLIC) t.equal(isPublicAddress(address), true, address);
  t.end();
});

t.test('an IPv4 address is judged the same inside an IPv6 one', (t) => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const expected = isPublicAddress(address);
      return (
        isPublicAddress(`::ffff:${address}`) === expected &&
        isPublicAddress(`64:ff9b::${address}`) === expected
      );
    }),
  );
  t.end();
});
