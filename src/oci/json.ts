/** JSON from strangers, read strictly: what two readers could understand differently is refused. */

/** Nesting of objects and arrays. */
const MAX_DEPTH = 64;

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Parses UTF-8 JSON in which no object names a member twice.
 * RFC 8259 §4 leaves duplicate names to the reader, so two readers of one signed text could see different content.
 * @throws {SyntaxError} for anything else: bad UTF-8, bad JSON, a duplicate member, nesting beyond 64.
 */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SyntaxError('expected UTF-8 text');
  }
  return parseJsonText(text);
}

/** {@link parseJson} for text that is decoded already. */
export function parseJsonText(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SyntaxError('expected JSON');
  }
  refuseDuplicateMembers(text);
  return value;
}

/** Walks text that is known to be valid JSON, so only strings and brackets need a look. */
function refuseDuplicateMembers(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  let names: Set<string> | undefined;
  let atName = false;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: {
        const end = endOfString(text, at);
        if (atName && names !== undefined) {
          const name: unknown = JSON.parse(text.slice(at, end + 1));
          if (typeof name !== 'string' || names.has(name)) {
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

/**
 * Refuses members whose name another reader would take for one of `known`.
 * Go's encoding/json matches names without regard to case and folds U+017F to s and U+212A to k, so to Docker and
 * containerd `"Layers"` is `"layers"`.
 * @throws {SyntaxError} naming the member.
 */
export function refuseLookalikeMembers(object: JsonObject, known: ReadonlySet<string>): void {
  for (const name of Object.keys(object)) {
    if (known.has(name)) continue;
    const folded = name.replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase();
    for (const candidate of known) {
      if (candidate.toLowerCase() === folded) {
        throw new SyntaxError(
          `member ${JSON.stringify(name)} is ambiguous: expected "${candidate}"`,
        );
      }
    }
  }
}
