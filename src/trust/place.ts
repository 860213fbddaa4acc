/** Values of a JSON text together with the path that leads to them, so that every mistake is named with its place. */
import { foldMemberName, isJsonObject, type JsonObject } from '../oci/json.ts';

/** `tlogs[1].publicKey` and what stands there; protobuf JSON writes what is absent as null as well. */
export interface Place {
  readonly path: string;
  readonly value: unknown;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const TIME = /^(\d{4}-(\d\d)-(\d\d)T\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** @throws {SyntaxError} always. */
export function fail(path: string, message: string): never {
  throw new SyntaxError(path === '' ? message : `${path}: ${message}`);
}

/**
 * The members of an object that `names` asks for; absent ones have the value undefined. Members that nobody asks for are
 * left unread, unless another reader would take them for one that is asked for: protobuf JSON knows `valid_for` too.
 * @throws {SyntaxError} for anything but an object.
 */
export function membersOf<Name extends string>(
  { path, value }: Place,
  names: readonly Name[],
): Readonly<Record<Name, Place>> {
  if (!isJsonObject(value)) return fail(path, `expected an object, got ${kindOf(value)}`);
  refuseLookalikes(path, value, names);
  const members = names.map((name): [string, Place] => [
    name,
    {
      path: path === '' ? name : `${path}.${name}`,
      value: Object.hasOwn(value, name) ? (value[name] ?? undefined) : undefined,
    },
  ]);
  return Object.fromEntries(members) as Readonly<Record<Name, Place>>;
}

/** @throws {SyntaxError} for anything but an array of at most `max`; an absent one is empty. */
export function itemsOf({ path, value }: Place, max: number): readonly Place[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return fail(path, `expected an array, got ${kindOf(value)}`);
  if (value.length > max) return fail(path, `expected at most ${max}, got ${value.length}`);
  return value.map((item: unknown, index) => ({ path: `${path}[${index}]`, value: item }));
}

/** Text of one line, without control characters; undefined where it is absent or empty, which protobuf means the same by. */
export function findText({ path, value }: Place, maxLength: number): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') return fail(path, `expected text, got ${kindOf(value)}`);
  if (value.length > maxLength || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(value)) {
    return fail(path, `expected one line of at most ${maxLength} characters`);
  }
  return value;
}

/** Bytes written as base64, RFC 4648 §4 to the letter: one text, one meaning. Undefined where absent or empty. */
export function findBytes({ path, value }: Place, maxBytes: number): Buffer | undefined {
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') return fail(path, `expected base64, got ${kindOf(value)}`);
  if (value.length > Math.ceil(maxBytes / 3) * 4) {
    return fail(path, `expected at most ${maxBytes} bytes of base64`);
  }
  const bytes = BASE64.test(value) ? Buffer.from(value, 'base64') : undefined;
  if (bytes?.toString('base64') !== value) return fail(path, 'expected padded standard base64');
  return bytes;
}

/** Milliseconds since the epoch of an RFC 3339 time; what is finer is cut off. Undefined where it is absent. */
export function findTime({ path, value }: Place): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') return fail(path, `expected a time, got ${kindOf(value)}`);
  const [, seconds, month, day, fraction = '.', zone] = TIME.exec(value) ?? [];
  if (seconds !== undefined && zone !== undefined) {
    const time = Date.parse(`${seconds}${fraction.padEnd(4, '0').slice(0, 4)}${zone}`);
    // Date takes the 30th of February for the 1st of March.
    const local = new Date(Date.parse(`${seconds}Z`));
    if (local.getUTCMonth() + 1 === Number(month) && local.getUTCDate() === Number(day)) {
      if (!Number.isNaN(time)) return time;
    }
  }
  return fail(path, 'expected a time such as 2025-09-23T00:00:00Z');
}

function refuseLookalikes(path: string, object: JsonObject, names: readonly string[]): void {
  const meant = new Map(names.map((name) => [fold(name), name]));
  for (const name of Object.keys(object)) {
    const known = meant.get(fold(name));
    if (known !== undefined && known !== name) {
      fail(path, `member ${JSON.stringify(name)} is ambiguous: expected "${known}"`);
    }
  }
}

function fold(name: string): string {
  return foldMemberName(name).replaceAll('_', '');
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}
