/**
 * A distinguished name is a text only to people. Read as one, `O=Vendor` is also in the common name of whoever chose
 * `x, O=Vendor`; with several attributes in one place or one attribute in several, each reader takes another; and values
 * in hex made notation's parser allocate what an attacker chose (CVE-2023-25656).
 *
 * Countersign compares attribute by attribute with what the certificate's bytes say: each once, alone, letter for letter.
 */
import t from 'tap';
import { parseNotation } from '../../src/policy/notation-requirement.ts';
import * as der from '../helpers/sigstore/der.ts';
import {
  issueNotationAuthority,
  issueSigner,
  nameOf,
  rootOfStores,
  type Signer,
} from '../helpers/notation/certificate.ts';
import { cose, jws, openNotation } from './notation.ts';

const ca = issueNotationAuthority('root');
const root = rootOfStores({ ca: [ca] });

const [C, ST, O, OU, CN] = ['2.5.4.6', '2.5.4.8', '2.5.4.10', '2.5.4.11', '2.5.4.3'] as const;
const EMAIL = '1.2.840.113549.1.9.1';
type Attribute = readonly [type: string, value: string];

const by = (...attributes: readonly Attribute[]): Signer =>
  issueSigner({ issuer: ca, subject: nameOf(...attributes) });
const named = (subject: Buffer): Signer => issueSigner({ issuer: ca, subject });
const set = (...attributes: readonly Attribute[]): Buffer =>
  der.setOf(...attributes.map(([type, value]) => der.sequence(der.oid(type), der.utf8(value))));
const place: readonly Attribute[] = [
  [C, 'DE'],
  [ST, 'BY'],
];

const meant: Readonly<Record<string, Signer>> = {
  'the vendor': by(...place, [O, 'Vendor']),
  'a unit of the vendor': by(...place, [O, 'Vendor'], [OU, 'Build'], [CN, 'release']),
  'in another order': by([CN, 'release'], [O, 'Vendor'], ...place),
  'with an address for mail': by(...place, [O, 'Vendor'], [EMAIL, 'a@vendor.example']),
};

const others: Readonly<Record<string, Signer>> = {
  'somebody else': by(...place, [O, 'Other'], [CN, 'Vendor']),
  'a name in a name': by(...place, [O, 'Other'], [CN, 'x, O=Vendor']),
  'a name that goes on': by(...place, [O, 'Vendor, CN=release']),
  'a name with an escape': by(...place, [O, 'Vendor\\']),
  'a longer name': by(...place, [O, 'Vendor Inc']),
  'other letters': by(...place, [O, 'VENDOR']),
  'a letter that looks alike': by(...place, [O, 'Vend\u043er']),
  'a blank at its end': by(...place, [O, 'Vendor ']),
  'two organizations': by(...place, [O, 'Other'], [O, 'Vendor']),
  'two organizations, the vendor first': by(...place, [O, 'Vendor'], [O, 'Other']),
  'the vendor twice': by(...place, [O, 'Vendor'], [O, 'Vendor']),
  'two organizations in one place': named(
    der.sequence(set([C, 'DE']), set([ST, 'BY']), set([O, 'Other'], [O, 'Vendor'])),
  ),
  'an organization beside something else': named(
    der.sequence(set([C, 'DE']), set([ST, 'BY']), set([CN, 'x'], [O, 'Vendor'])),
  ),
  'no state': by([C, 'DE'], [O, 'Vendor']),
  'the organization as a unit': by(...place, [O, 'Other'], [OU, 'Vendor']),
};

t.test('who is meant is served', async (t) => {
  const { serves } = await openNotation(t, { root });
  for (const [what, signer] of Object.entries(meant)) await serves(t, what, jws(signer));
});

t.test('nobody else of the same authority is', async (t) => {
  const { denies } = await openNotation(t, { root });
  for (const [what, signer] of Object.entries(others)) {
    await denies(t, what, /signed by someone else \(identity\): signed by /, cose(signer));
  }
  const unprintable = by(...place, [O, '\u0000']);
  await denies(t, 'a name that nobody could print', /O=\\00, who is none/, jws(unprintable));
  const noText = der.setOf(der.sequence(der.oid(O), der.octets(Buffer.from('Vendor'))));
  const bytes = named(der.sequence(set([C, 'DE']), set([ST, 'BY']), noText));
  await denies(t, 'bytes that are no text', /the certificate cannot be read/, jws(bytes));
});

t.test('an authority of the right name does not make its signers right', async (t) => {
  const { denies, serves } = await openNotation(t, { root });
  // The authorities are of O=Vendor themselves: the leaf is who signs.
  const signer = by(...place, [O, 'Customer']);
  await denies(t, 'a customer', /\(identity\): signed by .*O=Customer/, jws(signer));
  await serves(t, 'the vendor', jws(by(...place, [O, 'Vendor'])));
});

t.test('a rule names nobody in a way that two readers read differently', async (t) => {
  const read = (...identities: readonly string[]) =>
    parseNotation({ trustRoot: 'vendor', identities });
  const MEMORY = `#${'1'.repeat(64)}`;
  for (const [identity, message] of [
    [`x509.subject: C=DE, ST=BY, O=${MEMORY}`, /values in hex are not taken/],
    ['x509.subject: C=DE, ST=BY, O=#04024869', /values in hex are not taken/],
    ['x509.subject: C=DE, ST=BY, O=Vendor+CN=x', /one attribute in each RDN/],
    ['x509.subject: C=DE, ST=BY, O=Vendor, O=Vendor', /expected O once/],
    ['x509.subject: O=Vendor', /expected C, ST and O/],
    ['x509.subject: *', /TYPE=value/],
    ['x509.subjectDN: C=DE, ST=BY, O=Vendor', /nobody could be meant/],
    ['**', /expected "\*" or/],
  ] as const) {
    t.throws(() => read(identity), { name: 'SyntaxError', message }, identity);
  }
  t.throws(() => read('*', 'x509.subject: C=DE, ST=BY, O=Vendor'), /only trusted identity/);
  t.throws(() => read(), /at least one/);
  t.doesNotThrow(() => read('x509.subject: C=DE, ST=BY, O=Vendor'));
});
