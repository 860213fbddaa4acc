/** Times as JWS envelopes write them: RFC 3339 §5.6, with an offset. */

const TIME =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;
const MINUTE = 60_000;

/**
 * @returns milliseconds since the epoch; what is finer is cut off.
 * @throws {SyntaxError} for times that no calendar has, leap seconds among them.
 */
export function parseRfc3339(value: unknown, what: string): number {
  const match = typeof value === 'string' ? TIME.exec(value) : null;
  if (match === null) throw notATime(what);
  const [, year, month, day, hour, minute, second, fraction = '', sign, aheadHours, aheadMinutes] =
    match;
  const numbers = [year, month, day, hour, minute, second].map(Number);
  const offset = [Number(aheadHours ?? 0), Number(aheadMinutes ?? 0)] as const;
  const local = utc(numbers);
  // Date carries the 30th of February and the 25th hour over; a time that changes so was none.
  const shown = new Date(local).toISOString().slice(0, 19);
  if (shown !== match[0].slice(0, 19) || offset[0] > 23 || offset[1] > 59) {
    throw notATime(what);
  }
  const ahead = (offset[0] * 60 + offset[1]) * MINUTE;
  return local + Number(fraction.padEnd(3, '0').slice(0, 3)) - (sign === '-' ? -ahead : ahead);
}

function utc([year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0]: number[]): number {
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function notATime(what: string): SyntaxError {
  return new SyntaxError(`expected ${what} to be an RFC 3339 time`);
}
