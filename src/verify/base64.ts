/** Base64 from strangers: RFC 4648 §4 to the letter, so that one text has one meaning. */

const GRAMMAR = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** @throws {SyntaxError} unless the value is padded standard base64 of at most `maxLength` characters. */
export function parseBase64(value: unknown, what: string, maxLength: number): Buffer {
  if (typeof value !== 'string' || value.length > maxLength || !GRAMMAR.test(value)) {
    throw new SyntaxError(`expected ${what} to be base64 of at most ${maxLength} characters`);
  }
  return Buffer.from(value, 'base64');
}
