/** How far an import is: one bar on a terminal, a line now and then elsewhere. */
import { sizeText } from './cache.ts';

/** Where it is shown. */
export interface ImportTerminal {
  /** Whether somebody looks at it and lines can be replaced. */
  readonly isTty: boolean;
  /** Characters of a line. */
  columns(): number;
  write(text: string): void;
}

/** Milliseconds between two pictures of the bar, and between two lines. */
const FRAME = 100;
const LINE = 5000;
const BAR = 24;
/** A terminal that does not know how wide it is says 0. */
const UNKNOWN_WIDTH = 80;

export interface ImportProgress {
  /** @param what it is that is done with the bytes: `checked`, `written`. */
  readonly show: (what: string, done: number, total: number) => void;
  /** Takes the bar away. */
  end(): void;
}

/** @param clock milliseconds of any beginning. */
export function createImportProgress(
  terminal: ImportTerminal,
  clock: () => number = () => performance.now(),
): ImportProgress {
  let shownAt = clock();
  let drawn = false;
  return {
    show(what, done, total) {
      const now = clock();
      if (now - shownAt < (terminal.isTty ? FRAME : LINE)) return;
      shownAt = now;
      const share = total === 0 ? 1 : Math.min(1, done / total);
      const text = `${what} ${sizeText(done)} of ${sizeText(total)}`;
      if (!terminal.isTty) {
        terminal.write(`${text}\n`);
        return;
      }
      const full = Math.round(share * BAR);
      const bar = `[${'#'.repeat(full)}${' '.repeat(BAR - full)}] ${text}`;
      terminal.write(
        `\r\u001b[K${bar.slice(0, Math.max(10, (terminal.columns() || UNKNOWN_WIDTH) - 1))}`,
      );
      drawn = true;
    },
    end() {
      if (drawn) terminal.write('\r\u001b[K');
      drawn = false;
    },
  };
}
