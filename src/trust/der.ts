/** DER, read strictly: one encoding per value, nothing left over (X.690 §10, §11). */

/** One element: its tag byte, its content, and its whole bytes. */
export interface Der {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag, length and content as they stand. */
  readonly raw: Buffer;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The tag byte of `[number] EXPLICIT` and of `[number] IMPLICIT` of something constructed. */
export const context = (number: number): number => 0xa0 | number;

/** The tag byte of `[number] IMPLICIT` of something primitive. */
export const contextPrimitive = (number: number): number => 0x80 | number;

/** Members of one element. */
const MAX_MEMBERS = 1024;
const MAX_LENGTH_BYTES = 4;

/**
 * Reads exactly one element.
 * @throws {SyntaxError} for tags above 30, lengths that are indefinite or longer than needed, and bytes after it.
 */
export function readDer(bytes: Buffer, what: string): Der {
  const element = readElement(bytes, 0, what);
  if (element.raw.length !== bytes.length) throw new SyntaxError(`unexpected bytes after ${what}`);
  return element;
}

/**
 * Reads the element at an offset, whatever comes after it: for lists that are too long to be held as members.
 * @throws {SyntaxError} as {@link readDer}, but for bytes after it.
 */
export function readElement(bytes: Buffer, at: number, what: string): Der {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw new SyntaxError(`${what} ends too early`);
  if ((tag & 0x1f) === 0x1f) throw new SyntaxError(`${what} has an unknown tag`);
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > MAX_LENGTH_BYTES || start + count > bytes.length) {
      throw new SyntaxError(`${what} has a length that is not DER`);
    }
    length = bytes.readUIntBE(start, count);
    start += count;
    // X.690 §10.1: the fewest bytes that hold the length.
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) {
      throw new SyntaxError(`${what} has a length that is not DER`);
    }
  }
  const end = start + length;
  if (end > bytes.length) throw new SyntaxError(`${what} ends too early`);
  return { tag, content: bytes.subarray(start, end), raw: bytes.subarray(at, end) };
}

/** The members of an element in their order. */
export function membersOf(element: Der, what: string): readonly Der[] {
  const members: Der[] = [];
  for (let at = 0; at < element.content.length;) {
    const member = readElement(element.content, at, what);
    members.push(member);
    if (members.length > MAX_MEMBERS) {
      throw new SyntaxError(`expected at most ${MAX_MEMBERS} members of ${what}`);
    }
    at += member.raw.length;
  }
  return members;
}

/** The element itself, when it has the tag. */
export function requireTag(element: Der | undefined, tag: number, what: string): Der {
  if (element?.tag === tag) return element;
  throw new SyntaxError(`expected ${what}`);
}

/** Takes the members of a SEQUENCE or SET one after the other, so that none is left unread. */
export class Fields {
  readonly #members: readonly Der[];
  readonly #what: string;
  #next = 0;

  constructor(element: Der, what: string) {
    this.#members = membersOf(element, what);
    this.#what = what;
  }

  /** The next member, which has to have the tag. */
  take(tag: number, what: string): Der {
    const member = requireTag(this.#members[this.#next], tag, `${what} in ${this.#what}`);
    this.#next += 1;
    return member;
  }

  /** The next member if it has the tag. */
  takeIf(tag: number): Der | undefined {
    const member = this.#members[this.#next];
    if (member?.tag !== tag) return undefined;
    this.#next += 1;
    return member;
  }

  /** The next member whatever it is, if there is one. */
  takeAny(): Der | undefined {
    const member = this.#members[this.#next];
    if (member !== undefined) this.#next += 1;
    return member;
  }

  /** @throws {SyntaxError} when members are left. */
  end(): void {
    if (this.#next !== this.#members.length) {
      throw new SyntaxError(`unexpected members of ${this.#what}`);
    }
  }
}

/** The fields of a SEQUENCE. */
export function sequence(element: Der | undefined, what: string): Fields {
  return new Fields(requireTag(element, TAG.sequence, `${what} to be a sequence`), what);
}

/** The one element inside an `EXPLICIT` tag, an OCTET STRING or an extnValue. */
export function inner(element: Der, what: string): Der {
  return readDer(element.content, what);
}

/** Puts an element together from its tag byte and its content. */
export function writeDer(tag: number, content: Buffer): Buffer {
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content]);
  const length = Buffer.alloc(MAX_LENGTH_BYTES);
  length.writeUInt32BE(content.length);
  const bytes = length.subarray(length.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length]), bytes, content]);
}
