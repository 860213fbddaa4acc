/** How much the tests that try many histories do: what a quick machine does in a minute, or so many times as much. */

/** `COUNTERSIGN_HISTORIES=10` makes each of those tests ten times as long, `0.1` a tenth. */
const FACTOR = Number(process.env['COUNTERSIGN_HISTORIES'] ?? 1);

/** The number of histories, or of kills, that stands for `count` of them. */
export function times(count: number): number {
  return Math.max(1, Math.round(count * FACTOR));
}
