/** Counts under two labels in plain numbers, for what happens with every request: the library hashes labels each time. */
export class Tally {
  readonly #counts = new Map<string, Map<string | number, number>>();

  count(first: string, second: string | number): void {
    const counts = this.#counts.get(first) ?? new Map<string | number, number>();
    if (counts.size === 0) this.#counts.set(first, counts);
    counts.set(second, (counts.get(second) ?? 0) + 1);
  }

  /** What was counted since it was last taken. */
  *take(): Generator<readonly [first: string, second: string | number, count: number]> {
    for (const [first, counts] of this.#counts) {
      for (const [second, count] of counts) yield [first, second, count];
      counts.clear();
    }
  }
}
