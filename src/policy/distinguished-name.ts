/** Distinguished names as trust policies write them: RFC 4514, without what two readers could read differently. */
import { suggestName } from './near-name.ts';

/** Characters of one name. */
const MAX_NAME = 4096;
const MAX_ATTRIBUTES = 64;

/** Attribute types by OID, under the names of RFC 4514 §3 and those that X.509 subjects have besides. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.5', 'SERIALNUMBER'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.17', 'POSTALCODE'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  ['1.2.840.113549.1.9.1', 'EMAILADDRESS'],
]);
const KNOWN: ReadonlySet<string> = new Set(NAMES.values());
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['S', 'ST'],
  ['E', 'EMAILADDRESS'],
]);

/** trust-store-trust-policy.md "Trusted Identities Constraints". */
const MANDATORY = ['C', 'ST', 'O'] as const;

const TYPE = /(?:[A-Za-z][A-Za-z0-9-]*|(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+)=/y;
const HEX_PAIR = /^[0-9A-Fa-f]{2}$/;
/** What a backslash may stand before (RFC 4514 §3 pair). */
const ESCAPABLE = ' "#+,;<=>\\';
/** What has to be escaped in a value, besides the comma that ends it (RFC 4514 §2.4). */
const FORBIDDEN = '";<>';
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/** The one name of an attribute type here: upper case, a known OID by its name, `S` as `ST`. */
export function attributeType(type: string): string {
  const name = NAMES.get(type) ?? type.toUpperCase();
  return ALIASES.get(name) ?? name;
}

/**
 * Reads a name; spaces may follow a comma.
 * @returns the values by {@link attributeType}.
 * @throws {SyntaxError} where C, ST (or S) or O is missing, for an attribute that comes twice or whose type is unknown,
 * several attributes in one RDN, values in hex (CVE-2023-25656), empty ones, and characters that had to be escaped.
 */
export function parseDistinguishedName(text: string): ReadonlyMap<string, string> {
  if (text.length > MAX_NAME || !text.isWellFormed()) {
    throw new SyntaxError(`expected a distinguished name of at most ${MAX_NAME} characters`);
  }
  if (text.includes('=#')) throw new SyntaxError('unexpected "=#": values in hex are not taken');
  const attributes = new Map<string, string>();
  let at = 0;
  do {
    at = skipSpaces(text, at);
    const { type, start } = readType(text, at);
    const { value, end } = readValue(text, start, type);
    if (attributes.has(type)) throw new SyntaxError(`expected ${type} once`);
    if (attributes.size >= MAX_ATTRIBUTES) {
      throw new SyntaxError(`expected at most ${MAX_ATTRIBUTES} attributes`);
    }
    attributes.set(type, value);
    // Past the comma; a comma that ends the text leaves the next type missing.
    at = end + 1;
  } while (at <= text.length);
  const missing = MANDATORY.find((type) => !attributes.has(type));
  if (missing !== undefined) {
    throw new SyntaxError(`expected C, ST and O in a distinguished name, got no ${missing}`);
  }
  return attributes;
}

function skipSpaces(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ') at += 1;
  return at;
}

function readType(text: string, at: number): { readonly type: string; readonly start: number } {
  TYPE.lastIndex = at;
  const [match] = TYPE.exec(text) ?? [];
  if (match === undefined) {
    throw new SyntaxError(
      `expected TYPE=value in a distinguished name, got ${JSON.stringify(text.slice(at, at + 40))}`,
    );
  }
  const written = match.slice(0, -1);
  const type = attributeType(written);
  if (!KNOWN.has(type) && !written.includes('.')) {
    const names = [...KNOWN, ...ALIASES.keys()];
    throw new SyntaxError(
      `unknown attribute type ${JSON.stringify(written.slice(0, 40))}${suggestName(written, names)}`,
    );
  }
  return { type, start: at + match.length };
}

/** Up to a comma or the end. */
function readValue(
  text: string,
  start: number,
  type: string,
): { readonly value: string; readonly end: number } {
  const parts: Buffer[] = [];
  let at = start;
  let endsInSpace = false;
  while (at < text.length && text[at] !== ',') {
    const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
    endsInSpace = character === ' ';
    if (character === '+') {
      throw new SyntaxError(`expected one attribute in each RDN, got several beside ${type}`);
    }
    if (FORBIDDEN.includes(character) || (endsInSpace && parts.length === 0)) {
      throw new SyntaxError(`expected ${JSON.stringify(character)} in ${type} to be escaped`);
    }
    if (character === '\\') {
      const [bytes, length] = readEscape(text, at, type);
      parts.push(bytes);
      at += length;
    } else {
      parts.push(Buffer.from(character));
      at += character.length;
    }
  }
  if (endsInSpace) throw new SyntaxError(`expected the space that ends ${type} to be escaped`);
  if (parts.length === 0) throw new SyntaxError(`expected a value of ${type}, got none`);
  return { value: decode(Buffer.concat(parts), type), end: at };
}

function readEscape(text: string, at: number, type: string): readonly [Buffer, number] {
  const pair = text.slice(at + 1, at + 3);
  if (HEX_PAIR.test(pair)) return [Buffer.from(pair, 'hex'), 3];
  const character = text[at + 1] ?? '';
  if (character !== '' && ESCAPABLE.includes(character)) return [Buffer.from(character), 2];
  throw new SyntaxError(`unknown escape in ${type}: ${JSON.stringify(text.slice(at, at + 3))}`);
}

function decode(bytes: Buffer, type: string): string {
  let value: string;
  try {
    value = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new SyntaxError(`expected the escaped bytes of ${type} to be UTF-8`, { cause: error });
  }
  if (UNPRINTABLE.test(value)) throw new SyntaxError(`unexpected control character in ${type}`);
  return value;
}
