/** "Did you mean …?" for a name that is a slip away from a known one. */

/** `, did you mean sourceRepositoryURI?`, or '' when no known name is within two slips. */
export function suggestName(word: string, known: readonly string[]): string {
  const lower = word.slice(0, 64).toLowerCase();
  const near = known
    .map((name) => ({ name, slips: slipsBetween(lower, name.toLowerCase()) }))
    .filter(({ slips }) => slips <= 2)
    .sort((a, b) => a.slips - b.slips)[0];
  return near === undefined ? '' : `, did you mean ${near.name}?`;
}

/** Levenshtein's distance. */
function slipsBetween(a: string, b: string): number {
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const kept = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(kept, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    last = row;
  }
  return last[b.length] ?? 0;
}
