/** What became of many images, as a table for people or as JSON. */
import { plainText } from '../admission/plain-text.ts';
import type { CarriedList, Row } from '../carry/carry.ts';
import { sizeText } from './cache.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';

/** Characters of a reason. */
const MAX_REASON = 2000;
/** Characters of a digest that are enough to find it by. */
const SHORT_DIGEST = 'sha256:'.length + 12;

const HEAD = ['REFERENCE', 'DIGEST', 'OUTCOME', 'SIZE', 'WHY'] as const;

/** A line for each image, and the totals. */
export function tableOf({ rows, undone }: CarriedList): readonly string[] {
  const cells = rows.map((row) => [
    row.reference,
    row.digest?.slice(0, SHORT_DIGEST) ?? '-',
    row.outcome,
    row.size === 0 ? '-' : sizeText(row.size),
    row.reasons.join('; '),
  ]);
  const all = [HEAD, ...cells];
  const widths = HEAD.map((_, column) => Math.max(...all.map((one) => one[column]?.length ?? 0)));
  const lines = all.map((one) =>
    // The last column is as long as it is.
    one
      .map((cell, column) => (column === HEAD.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return [...lines.map((line) => plainText(line, MAX_REASON)), totalsOf(rows, undone)];
}

function totalsOf(rows: readonly Row[], undone: number): string {
  const { admitted, refused, failed } = countOf(rows);
  const fetched = rows.reduce((sum, row) => sum + row.fetched, 0);
  const words = [
    `${rows.length + undone} ${rows.length + undone === 1 ? 'image' : 'images'}`,
    `${admitted} admitted`,
    `${refused} refused`,
    `${failed} failed`,
    ...(undone === 0 ? [] : [`${undone} not done: interrupted`]),
  ];
  return `${words.join(', ')}; ${sizeText(fetched)} fetched`;
}

/** For programs; reasons are strangers' words still, without what a terminal would obey. */
export function jsonOf({ rows, undone }: CarriedList): object {
  return {
    images: rows.map(({ reasons, ...row }) => ({
      ...row,
      reasons: reasons.map((reason) => plainText(reason, MAX_REASON)),
    })),
    totals: { ...countOf(rows), undone },
  };
}

function countOf(rows: readonly Row[]) {
  const count = (outcome: Row['outcome']): number =>
    rows.filter((row) => row.outcome === outcome).length;
  return { admitted: count('admitted'), refused: count('refused'), failed: count('failed') };
}

/** Refusals first: somebody has to look at them; then what could not be had; then what nobody waited for. */
export function exitCodeOf({ rows, undone, interrupted }: CarriedList): ExitCode {
  if (undone > 0 || interrupted) return EXIT.interrupted;
  const { refused, failed } = countOf(rows);
  if (refused > 0) return EXIT.denied;
  return failed > 0 ? EXIT.undetermined : EXIT.ok;
}

/** Prints it to standard output. */
export function printList(list: CarriedList, json: boolean, io: Pick<CommandIo, 'out'>): void {
  if (json) io.out(JSON.stringify(jsonOf(list), undefined, 2));
  else for (const line of tableOf(list)) io.out(line);
}
