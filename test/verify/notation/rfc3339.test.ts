/** Times as JWS envelopes write them. */
import fc from 'fast-check';
import t from 'tap';
import { parseRfc3339 } from '../../../src/verify/notation/rfc3339.ts';

const pad = (number: number): string => String(number).padStart(2, '0');

t.test('reads every time, in every zone', async () => {
  const dates = fc.date({
    min: new Date('0101-01-01T00:00:00Z'),
    max: new Date('9998-12-31T00:00:00Z'),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(dates, fc.integer({ min: -1439, max: 1439 }), (date, minutes) => {
      const time = date.getTime();
      const local = new Date(time + minutes * 60_000).toISOString().slice(0, -1);
      const ahead = Math.abs(minutes);
      const offset = `${minutes < 0 ? '-' : '+'}${pad(Math.floor(ahead / 60))}:${pad(ahead % 60)}`;
      return (
        parseRfc3339(date.toISOString(), 'it') === time &&
        parseRfc3339(`${local}${offset}`, 'it') === time
      );
    }),
    { numRuns: 100 },
  );
});

t.test('any text is a time or refused', async () => {
  const parts = fc.tuple(
    ...[9999, 19, 39, 29, 69, 69].map((max) => fc.nat(max)),
    fc.constantFrom('Z', '', '+00:00', '-99:00', '.5Z'),
  );
  const texts = fc.oneof(
    fc.string(),
    parts.map(
      ([year, month, day, hour, minute, second, zone]) =>
        `${String(year).padStart(4, '0')}-${pad(Number(month))}-${pad(Number(day))}T` +
        `${pad(Number(hour))}:${pad(Number(minute))}:${pad(Number(second))}${zone}`,
    ),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        // What is taken is a time to JavaScript too, and the same one.
        return parseRfc3339(text, 'it') === Date.parse(text);
      } catch (error) {
        return error instanceof SyntaxError;
      }
    }),
    { numRuns: 100 },
  );
});
