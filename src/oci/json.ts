/** JSON from strangers, read strictly: what two readers could understand differently is refused. */

/** Nesting of objects and arrays. */
const MAX_DEPTH = 64;
/** Members of one object: every reader's table of names grows with them, and so does the time it takes. */
const MAX_MEMBERS = 4096;
/** Objects and arrays in one text: each costs far more to build than the two bytes it takes to write. */
const MAX_CONTAINERS = 65_536;

/** Bounds that a reader of large documents raises. */
export interface JsonBounds {
  /** Objects and arrays; 65,536 unless told. */
  readonly maxContainers?: number;
  /** Members of one object; 4096 unless told. */
  readonly maxMembers?: number;
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Parses UTF-8 JSON in which no object names a member twice.
 * RFC 8259 §4 leaves duplicate names to the reader, so two readers of one signed text could see different content.
 * @throws {SyntaxError} for anything else: bad UTF-8, bad JSON, a duplicate member, nesting beyond 64, an object of more
 * than 4096 members, more than 65,536 objects and arrays; `bounds` may say otherwise.
 */
export function parseJson(bytes: Uint8Array, bounds: JsonBounds = {}): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SyntaxError('expected UTF-8 text');
  }
  return parseJsonText(text, bounds);
}

/** {@link parseJson} for text that is decoded already. */
export function parseJsonText(text: string, bounds: JsonBounds = {}): unknown {
  const { maxContainers = MAX_CONTAINERS, maxMembers = MAX_MEMBERS } = bounds;
  refuseDuplicateMembers(text, { maxContainers, maxMembers });
  try {
    return JSON.parse(text);
  } catch {
    throw new SyntaxError('expected JSON');
  }
}

/** Walks strings and brackets alone, before the parse: text that is no JSON is refused by that. */
function refuseDuplicateMembers(
  text: string,
  { maxContainers, maxMembers }: Required<JsonBounds>,
): void {
  const open: (Set<string> | undefined)[] = [];
  let names: Set<string> | undefined;
  let atName = false;
  let containers = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: {
        const end = endOfString(text, at);
        if (atName && names !== undefined) {
          const name = stringAt(text, at, end);
          if (names.size >= maxMembers) {
            throw new SyntaxError(`an object of more than ${maxMembers} members`);
          }
          if (names.has(name)) {
            throw new SyntaxError(`duplicate member ${text.slice(at, Math.min(end + 1, at + 80))}`);
          }
          names.add(name);
          atName = false;
        }
        at = end;
        break;
      }
      case 0x7b: // {
      case 0x5b: // [
        if (++containers > maxContainers) {
          throw new SyntaxError(`more than ${maxContainers} objects and arrays`);
        }
        if (open.length >= MAX_DEPTH) throw new SyntaxError(`nested deeper than ${MAX_DEPTH}`);
        open.push(names);
        names = text[at] === '{' ? new Set() : undefined;
        atName = names !== undefined;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        names = open.pop();
        atName = false;
        break;
      case 0x2c: // ,
        atName = names !== undefined;
        break;
      default:
    }
  }
}

/** Index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== 0x22) {
    at += text.charCodeAt(at) === 0x5c ? 2 : 1;
  }
  return at;
}

/** The value of the string between two quotes; most have no escapes. A bad one is left to the parse of the whole. */
function stringAt(text: string, start: number, end: number): string {
  const inside = text.slice(start + 1, end);
  if (!inside.includes('\\')) return inside;
  try {
    return JSON.parse(`"${inside}"`) as string;
  } catch {
    return inside;
  }
}

/**
 * A member's name as Go's encoding/json compares it: without regard to case, U+017F as s and U+212A as k. To Docker and
 * containerd `"Layers"` is `"layers"`.
 */
export function foldMemberName(name: string): string {
  return name.replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase();
}

/**
 * Refuses members whose name another reader would take for one of `known`, see {@link foldMemberName}.
 * @throws {SyntaxError} naming the member.
 */
export function refuseLookalikeMembers(object: JsonObject, known: ReadonlySet<string>): void {
  const folded = new Map([...known].map((name) => [foldMemberName(name), name]));
  for (const name of Object.keys(object)) {
    const meant = known.has(name) ? undefined : folded.get(foldMemberName(name));
    if (meant !== undefined) {
      throw new SyntaxError(`member ${JSON.stringify(name)} is ambiguous: expected "${meant}"`);
    }
  }
}
