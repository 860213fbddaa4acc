/** Base64 to the letter of RFC 4648 §4. */
import fc from 'fast-check';
import t from 'tap';
import { parseBase64 } from '../../src/verify/base64.ts';

t.test('reads what was encoded, up to the bound', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64');
      return parseBase64(text, 'x', text.length).equals(bytes);
    }),
  );
  t.throws(() => parseBase64('QUJD', 'x', 3), SyntaxError);
  t.end();
});

t.test('refuses every other spelling and type', (t) => {
  const wrong: readonly unknown[] = [
    'Q',
    'QQ',
    'QQ=',
    'QQ===',
    '=QQ=',
    'Q=Q=',
    'QQ==QQ==',
    'QUJD\n',
    'QU JD',
    '\u00a0QUJD',
    '_-_-',
    'QUJ\u0000',
    '\uff21UJD',
    undefined,
    null,
    7,
    ['QUJD'],
    {},
  ];
  for (const value of wrong) {
    t.throws(() => parseBase64(value, 'the thing', 100), {
      name: 'SyntaxError',
      message: 'expected the thing to be base64 of at most 100 characters',
    });
  }
  t.end();
});

t.test('reads many mebibytes, good or bad, without running out of stack', (t) => {
  const text = 'A'.repeat(16 * 1024 * 1024);
  t.equal(parseBase64(text, 'x', text.length).length, (text.length / 4) * 3);
  t.throws(() => parseBase64(`${text.slice(1)}!`, 'x', text.length), SyntaxError);
  t.end();
});

t.test('any text is bytes that encode to it or a SyntaxError', (t) => {
  const alphabet = fc.constantFrom('A', 'Q', 'g', '=', '/', '+', '-', '\n', '\u00e9');
  fc.assert(
    fc.property(fc.string({ unit: alphabet, maxLength: 16 }), (text) => {
      try {
        return parseBase64(text, 'x', 16).toString('base64').length === text.length;
      } catch (error) {
        return error instanceof SyntaxError;
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});
