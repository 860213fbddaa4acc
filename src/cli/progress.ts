/** Progress of many images: bars on a terminal, a line now and then elsewhere. */
import type { CarryWatch, Row } from '../carry/carry.ts';
import { sizeText } from './cache.ts';
import type { Terminal } from './carry-desk.ts';

/** Milliseconds between two pictures of the bars. */
const FRAME = 100;
/** Milliseconds between two lines. */
const LINE = 5_000;
const BAR = 20;
/** A terminal that does not know how wide it is says 0. */
const UNKNOWN_WIDTH = 80;
const UNKNOWN_HEIGHT = 24;

export interface Progress extends CarryWatch {
  /** Shows how it stands, if the last time is long enough ago; called by a timer, and by what happens. */
  tick(): void;
  /** Takes the bars away. */
  end(): void;
}

interface Bar {
  done: number;
  total: number;
}

/** @param clock milliseconds of any beginning. */
export function createProgress(
  terminal: Terminal,
  clock: () => number = () => performance.now(),
): Progress {
  const running = new Map<string, Bar>();
  const ended = { admitted: 0, refused: 0, failed: 0 };
  let images: number | undefined;
  let fetched = 0;
  let shown = clock();
  /** Lines of the last picture. */
  let drawn = 0;

  function summary(): string {
    const over = ended.admitted + ended.refused + ended.failed;
    const all = images === undefined ? 'looking up tags' : `${over} of ${images} images`;
    const bad = [
      ...(ended.refused === 0 ? [] : [`${ended.refused} refused`]),
      ...(ended.failed === 0 ? [] : [`${ended.failed} failed`]),
    ];
    const under = [...running.values()].reduce((sum, { done }) => sum + done, 0);
    return [all, ...bad, `${sizeText(fetched)} fetched`, `${sizeText(under)} in progress`].join(
      ', ',
    );
  }

  function draw(): void {
    const columns = Math.max(20, terminal.columns() || UNKNOWN_WIDTH);
    const room = Math.max(1, (terminal.rows() || UNKNOWN_HEIGHT) - 2);
    const lines = [...running].slice(0, room).map(([name, bar]) => barLine(name, bar, columns));
    const more = running.size - lines.length;
    const picture = [...lines, cut(more > 0 ? `${summary()}, ${more} more` : summary(), columns)];
    terminal.write(`${erase()}${picture.join('\n')}\n`);
    drawn = picture.length;
  }

  /** To the first line of the last picture, and nothing below it. */
  function erase(): string {
    return drawn === 0 ? '' : `\u001b[${drawn}F\u001b[J`;
  }

  function tick(): void {
    const now = clock();
    if (now - shown < (terminal.isTty ? FRAME : LINE)) return;
    shown = now;
    if (terminal.isTty) draw();
    else terminal.write(`${summary()}\n`);
  }

  return {
    tick,
    count(number) {
      images = number;
    },
    begun(reference) {
      running.set(reference, { done: 0, total: 0 });
      tick();
    },
    bytes(reference, done, total) {
      running.set(reference, { done, total });
      tick();
    },
    ended(row: Row) {
      running.delete(row.reference);
      ended[row.outcome]++;
      fetched += row.fetched;
      tick();
    },
    end() {
      if (terminal.isTty) terminal.write(erase());
      drawn = 0;
    },
  };
}

/** `name  [#####     ]  50 %  1.2 MiB of 2.4 MiB`, in one line whatever its width. */
function barLine(name: string, { done, total }: Bar, columns: number): string {
  const share = total === 0 ? 0 : Math.min(1, done / total);
  const full = Math.round(share * BAR);
  const bar = `[${'#'.repeat(full)}${' '.repeat(BAR - full)}]`;
  const amount = total === 0 ? 'looking' : `${sizeText(done)} of ${sizeText(total)}`;
  const rest = `  ${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${amount}`;
  if (columns - rest.length < 10) return cut(`${name}  ${amount}`, columns);
  return cut(name, columns - rest.length).padEnd(columns - rest.length - 1) + rest;
}

/** Its end says most: the tag. */
function cut(text: string, columns: number): string {
  const room = columns - 1;
  return text.length <= room ? text : `…${text.slice(text.length - room + 1)}`;
}
