/** Prints what first verifications cost, and how cosign's costs stand to ours. */

export interface Row {
  readonly who: string;
  /** Milliseconds. */
  readonly wall?: number | undefined;
  readonly cpu?: number;
  readonly requests?: number;
  readonly roundTrips?: number;
  /** In the place of numbers. */
  readonly note?: string;
}

const COLUMNS = ['wall ms', 'CPU ms', 'requests', 'round trips', 'wall ratio'];
const WIDTH = 13;

export function showHead(): void {
  console.log(line('', COLUMNS));
}

export function showForm(title: string): void {
  console.log(`\n${title}`);
}

/** @param ours our wall time, in the row of somebody else. */
export function showRow(row: Row, ours?: number): void {
  if (row.note !== undefined) {
    console.log(`  ${row.who}: ${row.note}`);
    return;
  }
  const ratio = ours === undefined || row.wall === undefined ? undefined : ours / row.wall;
  console.log(
    line(`  ${row.who}`, [
      show(row.wall, 1),
      show(row.cpu, 2),
      show(row.requests, 0),
      show(row.roundTrips, 0),
      show(ratio, 2),
    ]),
  );
}

export function showFoot(): void {
  console.log('\nwall ratio: countersign / cosign (aim: at most 0.10, and fewer round trips)\n');
}

function show(value: number | undefined, digits: number): string {
  return value?.toFixed(digits) ?? '';
}

function line(title: string, cells: readonly string[]): string {
  return (title.padEnd(22) + cells.map((cell) => cell.padStart(WIDTH)).join('')).trimEnd();
}
