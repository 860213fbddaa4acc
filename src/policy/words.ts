/** Small words for messages. */

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const;

/** `9 days`, `90 minutes`, `1 hour`: the largest unit that tells it without much loss, rounded down. */
export function describeDuration(milliseconds: number): string {
  const [unit, size] =
    UNITS.find(([, size]) => milliseconds >= 2 * size || milliseconds === size) ?? UNITS[3];
  return counted(Math.floor(milliseconds / size), unit);
}

/** `1 log`, `2 logs` */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
