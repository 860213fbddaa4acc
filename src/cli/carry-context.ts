/** What the process gives to the commands that carry images: its terminal, its input, and its end. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { CarryDesk, Terminal } from './carry-desk.ts';
import type { CarryParts } from '../carry/carry.ts';
import type { CommandIo } from './io.ts';

export interface CarryContext<Desk extends CarryDesk = CarryDesk> {
  /** Opens the configuration; without a file the shipped one. @throws {ConfigError} */
  readonly openDesk: (file: string | undefined) => Desk;
  readonly terminal: Terminal;
  /** `-` is the standard input. */
  readonly readFile: (file: string) => Promise<string>;
  /** Aborted when somebody wants it to end. */
  readonly signal: AbortSignal;
  /** Waits a moment for what is being written; replaced in tests. */
  readonly settle?: CarryParts['settle'];
  readonly io: CommandIo;
}

/** Of this process, whose first SIGINT it takes; the second one ends it at once, which is as safe as a kill. */
export function carryContext<Desk extends CarryDesk>(
  open: (file: string | undefined, signal: AbortSignal) => Desk,
  io: CommandIo,
): CarryContext<Desk> {
  const interrupted = new AbortController();
  process.once('SIGINT', () => {
    interrupted.abort();
  });
  const { signal } = interrupted;
  const { stderr } = process;
  return {
    openDesk: (file) => open(file, signal),
    terminal: {
      isTty: stderr.isTTY,
      columns: () => stderr.columns,
      rows: () => stderr.rows,
      write: (line) => void stderr.write(line),
    },
    readFile: (file) => (file === '-' ? text(process.stdin) : readFile(file, 'utf8')),
    ...{ signal, io },
  };
}
