/** Durations and sizes. */
import t from 'tap';
import { parseDuration, parseSize } from '../../src/config/units.ts';

t.test('reads durations as milliseconds', async (t) => {
  const table = { '0s': 0, '30s': 30_000, '5m': 300_000, '1h': 3_600_000, '7d': 604_800_000 };
  for (const [text, value] of Object.entries(table)) t.equal(parseDuration(text), value);
});

t.test('reads sizes as bytes', async (t) => {
  const table = { '512KiB': 524_288, '1MiB': 1_048_576, '20GiB': 21_474_836_480, '2TiB': 2 ** 41 };
  for (const [text, value] of Object.entries(table)) t.equal(parseSize(text), value);
});

t.test('refuses every other form', async (t) => {
  for (const text of [
    '',
    '5',
    's',
    '1.5h',
    '-1s',
    '5 m',
    '1w',
    '5M',
    '99999999s',
    '1constructor',
  ]) {
    t.throws(() => parseDuration(text), SyntaxError);
  }
  for (const text of ['', '20', '20GB', '20gib', '1.5GiB', '9999999TiB']) {
    t.throws(() => parseSize(text), SyntaxError);
  }
});
