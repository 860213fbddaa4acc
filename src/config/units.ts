/** Durations and sizes as the configuration spells them. */

const MILLISECONDS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const BYTES: Readonly<Record<string, number>> = {
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/**
 * Milliseconds of `30s`, `5m`, `1h` or `7d`.
 * @throws {SyntaxError} for any other form.
 */
export function parseDuration(text: string): number {
  return read(text, MILLISECONDS, 'a duration such as 30s, 5m, 1h');
}

/**
 * Bytes of `512KiB`, `512MiB`, `20GiB` or `2TiB`.
 * @throws {SyntaxError} for any other form.
 */
export function parseSize(text: string): number {
  return read(text, BYTES, 'a size such as 512MiB, 20GiB');
}

function read(text: string, units: Readonly<Record<string, number>>, what: string): number {
  const [, count, unit] = /^([0-9]{1,7})([A-Za-z]{1,3})$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : units[unit];
  const value = factor === undefined ? NaN : Number(count) * factor;
  if (!Number.isSafeInteger(value)) {
    throw new SyntaxError(`expected ${what}, got ${JSON.stringify(text.slice(0, 80))}`);
  }
  return value;
}
