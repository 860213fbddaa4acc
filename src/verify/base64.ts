/** Base64 from strangers: RFC 4648 §4 to the letter, so that one text has one meaning. */

// A search for what is foreign, since a pattern for the whole would take V8 a stack frame for every group of four.
const FOREIGN = /[^A-Za-z0-9+/]/;
const LAST_GROUP = /^(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** @throws {SyntaxError} unless the value is padded standard base64 of at most `maxLength` characters. */
export function parseBase64(value: unknown, what: string, maxLength: number): Buffer {
  if (typeof value !== 'string' || value.length > maxLength || !isBase64(value)) {
    throw new SyntaxError(`expected ${what} to be base64 of at most ${maxLength} characters`);
  }
  return Buffer.from(value, 'base64');
}

function isBase64(text: string): boolean {
  return (
    text.length % 4 === 0 && LAST_GROUP.test(text.slice(-4)) && !FOREIGN.test(text.slice(0, -4))
  );
}
