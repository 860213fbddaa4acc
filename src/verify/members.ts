/** Members of JSON objects from strangers: an allow-list of names, a type for each, null as absent. */
import { isJsonObject, type JsonObject } from '../oci/json.ts';

/**
 * Refuses members that are not on the list. protobuf JSON has a second spelling for each name
 * (`x509_certificate_chain`), and what one reader skips is what another one believes.
 * @throws {SyntaxError} naming the member.
 */
export function allowMembers(value: JsonObject, names: readonly string[]): void {
  const stranger = Object.keys(value).find((name) => !names.includes(name));
  if (stranger !== undefined) {
    throw new SyntaxError(`unexpected member ${JSON.stringify(stranger.slice(0, 80))}`);
  }
}

/** Go and protobuf write nothing as null; so it is read. */
export function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** @throws {SyntaxError} unless the value is an object. */
export function requireObject(value: unknown, what: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw new SyntaxError(`expected ${what} to be an object`);
}

/** @throws {SyntaxError} unless the value is an object with no members but these. */
export function requireMembers(value: unknown, what: string, names: readonly string[]): JsonObject {
  const object = requireObject(value, what);
  allowMembers(object, names);
  return object;
}

/** @throws {SyntaxError} unless the value is absent or a list within the bound. */
export function requireList(value: unknown, what: string, max: number): readonly unknown[] {
  if (!isPresent(value)) return [];
  if (Array.isArray(value) && value.length <= max) return value;
  throw new SyntaxError(`expected ${what} to be a list of at most ${max}`);
}

/** @throws {SyntaxError} unless the value is a text within the bound. */
export function requireText(value: unknown, what: string, maxLength: number): string {
  if (typeof value === 'string' && value.length <= maxLength) return value;
  throw new SyntaxError(`expected ${what} to be text of at most ${maxLength} characters`);
}

const INTEGER = /^(?:0|[1-9][0-9]{0,18})$/;
const MAX_INT64 = 2n ** 63n - 1n;

/**
 * An int64 that counts something, as protobuf JSON writes it: text or a number; what is absent is zero.
 * @throws {SyntaxError} for negative numbers, fractions and what an int64 cannot hold.
 */
export function requireCount(value: unknown, what: string): bigint {
  if (!isPresent(value)) return 0n;
  const isNumber = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
  if (isNumber || (typeof value === 'string' && INTEGER.test(value))) {
    const count = BigInt(value);
    if (count <= MAX_INT64) return count;
  }
  throw new SyntaxError(`expected ${what} to be a whole number that is not negative`);
}
