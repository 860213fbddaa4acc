/** Distinguished names in trust policies: one text, one meaning, and nobody by a slip. */
import fc from 'fast-check';
import t from 'tap';
import { attributeType, parseDistinguishedName } from '../../src/policy/distinguished-name.ts';

const read = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(parseDistinguishedName(text));
const NEEDED = 'C=DE,ST=BY,O=Vendor';
const MANDATORY = { C: 'DE', ST: 'BY', O: 'Vendor' };

t.test('a name is read attribute by attribute', (t) => {
  t.strictSame(read(NEEDED), MANDATORY);
  t.strictSame(read(' C=DE, ST=BY,  O=Vendor'), MANDATORY, 'spaces may follow a comma');
  t.strictSame(read('c=DE,s=BY,o=Vendor'), MANDATORY, 'types have no case, and S is ST');
  t.strictSame(read('2.5.4.6=DE,2.5.4.8=BY,2.5.4.10=Vendor'), MANDATORY, 'an OID is its name');
  t.strictSame(
    read(`${NEEDED},OU=a,CN=b,L=c,STREET=d,SERIALNUMBER=e,POSTALCODE=f,DC=g,UID=h,E=i,1.2.3=j`),
    {
      ...MANDATORY,
      ...{ OU: 'a', CN: 'b', L: 'c', STREET: 'd', SERIALNUMBER: 'e', POSTALCODE: 'f' },
      ...{ DC: 'g', UID: 'h', EMAILADDRESS: 'i', '1.2.3': 'j' },
    },
  );
  t.end();
});

t.test('escaped characters are themselves', (t) => {
  const value = (escaped: string): string | undefined => read(`${NEEDED},CN=${escaped}`)['CN'];
  t.equal(value('a\\,b\\;c\\\\d'), 'a,b;c\\d');
  t.equal(value('\\ a\\ '), ' a ');
  t.equal(value('\\"\\+\\<\\>\\=\\#'), '"+<>=#');
  t.equal(value('a=b'), 'a=b', 'an equal sign needs none');
  t.equal(value('M\\C3\\BCller'), 'Müller', 'bytes of UTF-8');
  t.equal(value('Müller \u{1f511} b'), 'Müller \u{1f511} b');
  t.end();
});

t.test('what could be read otherwise is refused', (t) => {
  const refused: Readonly<Record<string, RegExp>> = {
    '': /expected TYPE=value/,
    'ST=BY,O=Vendor': /got no C$/,
    'C=DE,O=Vendor': /got no ST$/,
    'C=DE,ST=BY': /got no O$/,
    [`${NEEDED},`]: /expected TYPE=value/,
    [`,${NEEDED}`]: /expected TYPE=value/,
    [`${NEEDED},CN`]: /expected TYPE=value/,
    [`${NEEDED},CN =a`]: /expected TYPE=value/,
    [`${NEEDED},1=a`]: /expected TYPE=value/,
    [`${NEEDED},2.05.4=a`]: /expected TYPE=value/,
    [`${NEEDED},CM=a`]: /unknown attribute type "CM", did you mean C/,
    [`${NEEDED},C=DE`]: /expected C once/,
    [`${NEEDED},2.5.4.6=US`]: /expected C once/,
    [`${NEEDED},S=BY`]: /expected ST once/,
    [`${NEEDED},CN=a+OU=b`]: /one attribute in each RDN/,
    [`${NEEDED},CN=#0c0161`]: /values in hex/,
    [`${NEEDED},CN=a=#b`]: /values in hex/,
    [`${NEEDED},CN=`]: /expected a value of CN/,
    [`${NEEDED},CN=,OU=a`]: /expected a value of CN/,
    [`${NEEDED},CN= a`]: /" " in CN to be escaped/,
    [`${NEEDED},CN=a `]: /the space that ends CN/,
    [`${NEEDED},CN=a ,OU=b`]: /the space that ends CN/,
    [`${NEEDED};CN=a`]: /";" in O to be escaped/,
    [`${NEEDED},CN="a"`]: /to be escaped/,
    [`${NEEDED},CN=a<b`]: /to be escaped/,
    [`${NEEDED},CN=a>b`]: /to be escaped/,
    [`${NEEDED},CN=a\\`]: /unknown escape/,
    [`${NEEDED},CN=a\\x`]: /unknown escape/,
    [`${NEEDED},CN=a\\C`]: /unknown escape/,
    [`${NEEDED},CN=\\C3`]: /UTF-8/,
    [`${NEEDED},CN=a\\00`]: /control character/,
    [`${NEEDED},CN=a\nb`]: /control character/,
    [`${NEEDED},CN=a\u202eb`]: /control character/,
    [`${NEEDED},CN=\ud800`]: /expected a distinguished name/,
    [`${NEEDED},CN=${'a'.repeat(4096)}`]: /at most 4096 characters/,
  };
  for (const [text, message] of Object.entries(refused)) {
    t.throws(() => read(text), { name: 'SyntaxError', message }, JSON.stringify(text));
  }
  const many = Array.from({ length: 62 }, (_, index) => `1.2.${index}=a`).join(',');
  t.throws(() => read(`${NEEDED},${many}`), /at most 64 attributes/);
  t.end();
});

t.test('a type has one name however it is written', (t) => {
  t.equal(attributeType('2.5.4.3'), 'CN');
  t.equal(attributeType('cn'), 'CN');
  t.equal(attributeType('S'), 'ST');
  t.equal(attributeType('emailAddress'), 'EMAILADDRESS');
  t.equal(attributeType('1.2.3.4'), '1.2.3.4');
  t.end();
});

t.test('any values, escaped, come back as they were', (t) => {
  const values = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
  const printable = values.filter((text) => !/[\p{Cc}\u2028-\u202e\u2066-\u2069]/u.test(text));
  const escape = (text: string): string =>
    [...Buffer.from(text)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
  fc.assert(
    fc.property(printable, printable, (organization, commonName) => {
      const name = read(`C=DE,ST=BY,O=${escape(organization)}, CN=${escape(commonName)}`);
      return name['O'] === organization && name['CN'] === commonName;
    }),
    { numRuns: 50 },
  );
  t.end();
});

t.test('any text is a name that can be written again, or a SyntaxError', (t) => {
  const pieces = fc.constantFrom('C=DE', 'ST=', 'O=', 'BY', ',', '+', '\\', ' ', '=#', '=', '"');
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.oneof(pieces, fc.string({ maxLength: 3 }))).map((list) => list.join('')),
    fc.string({ maxLength: 8 }).map((tail) => `${NEEDED}${tail}`),
  );
  fc.assert(
    fc.property(texts, (text) => {
      let attributes: ReadonlyMap<string, string>;
      try {
        attributes = parseDistinguishedName(text);
      } catch (error) {
        if (error instanceof SyntaxError) return true;
        throw error;
      }
      return !text.includes('=#') && ['C', 'ST', 'O'].every((type) => attributes.has(type));
    }),
    { numRuns: 100 },
  );
  t.end();
});
