/** How far an import is: one bar on a terminal, a line now and then elsewhere. */
import { sizeText } from './cache.ts';
import type { OnProgress } from './import-desk.ts';

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

export interface ImportProgress {
  readonly show: OnProgress;
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
      terminal.write(`\r\u001b[K${bar.slice(0, Math.max(10, terminal.columns() - 1))}`);
      drawn = true;
    },
    end() {
      if (drawn) terminal.write('\r\u001b[K');
      drawn = false;
    },
  };
}
