/** What was measured, as a table for people and as JSON for machines: ours, the others', and the ratios. */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';

export const OURS = 'countersign';

/** What ours has to be: times another's figure, or by itself where nobody is named. */
export interface Aim {
  readonly beside?: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Row {
  readonly what: string;
  readonly unit: string;
  /** By who; one of them is ours. */
  readonly figures: Readonly<Record<string, number>>;
  readonly aims?: readonly Aim[];
}

interface JudgedAim extends Aim {
  /** What was got in place of it. */
  readonly got: number;
  readonly met: boolean;
}

const NAME_WIDTH = 78;
const WIDTH = 22;

/** Where this ran; absolute figures mean nothing anywhere else. */
export function describeMachine(): string {
  const [load = 0] = loadavg();
  const [processor] = cpus();
  return `node ${process.version}, ${availableParallelism()} processors (${processor?.model ?? ''}), load ${load.toFixed(1)}`;
}

export function showTable(rows: readonly Row[]): void {
  const who = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))];
  const columns = [OURS, ...who.filter((name) => name !== OURS)];
  console.log(line('', columns));
  for (const row of rows) {
    const cells = columns.map((name) => showFigure(row, name));
    console.log(line(`${row.what} [${row.unit}]`, cells));
    for (const aim of judge(row)) console.log(`  ${showAim(aim)}`);
  }
  console.log('');
}

/** All rows of a run in one file. */
export function writeJson(file: string, parts: ReadonlyMap<string, readonly Row[]>): void {
  const rows = [...parts].flatMap(([workload, all]) =>
    all.map((row) => ({ workload, ...row, ratios: ratiosOf(row), aims: judge(row) })),
  );
  writeFileSync(file, `${JSON.stringify({ machine: describeMachine(), rows }, undefined, 2)}\n`);
}

/** Ours divided by each of the others'; who managed nothing at all is nobody to be compared with. */
function ratiosOf({ figures }: Row): Readonly<Record<string, number>> {
  const ours = figures[OURS] ?? Number.NaN;
  const others = Object.entries(figures).filter(([name, figure]) => name !== OURS && figure > 0);
  return Object.fromEntries(others.map(([name, figure]) => [name, ours / figure]));
}

/** Aims beside somebody who is not on this machine, or managed nothing, are left out. */
function judge({ figures, aims = [] }: Row): readonly JudgedAim[] {
  return aims.flatMap((aim) => {
    const other = aim.beside === undefined ? 1 : figures[aim.beside];
    if (other === undefined || other <= 0) return [];
    const got = (figures[OURS] ?? Number.NaN) / other;
    const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = aim;
    return [{ ...aim, got, met: got >= atLeast && got <= atMost }];
  });
}

function showAim({ beside, atLeast, atMost, got, met }: JudgedAim): string {
  const bound = atLeast === undefined ? `at most ${atMost ?? ''}` : `at least ${atLeast}`;
  const of = beside === undefined ? '' : ` times ${beside}`;
  return `aim: ${bound}${of}, got ${number(got)}: ${met ? 'met' : 'MISSED'}`;
}

function showFigure(row: Row, name: string): string {
  const figure = row.figures[name];
  if (figure === undefined) return '';
  const ratio = ratiosOf(row)[name];
  return ratio === undefined ? number(figure) : `${number(figure)} (${number(ratio)}x)`;
}

/** Three digits that matter. */
function number(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.1 ? 2 : 4);
}

function line(title: string, cells: readonly string[]): string {
  return (title.padEnd(NAME_WIDTH) + cells.map((cell) => cell.padStart(WIDTH)).join('')).trimEnd();
}
