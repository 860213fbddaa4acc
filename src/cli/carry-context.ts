/** What the process gives to the commands that carry images: its terminal, its input, and its end. */
import { createReadStream } from 'node:fs';
import type { CarryDesk, Terminal } from './carry-desk.ts';
import type { CarryParts } from '../carry/carry.ts';
import { MAX_LIST } from './image-list.ts';
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
    readFile: (file) => readText(file === '-' ? process.stdin : createReadStream(file), MAX_LIST),
    ...{ signal, io },
  };
}

/** The size of a file says nothing where it is a pipe or a device. @throws {RangeError} or {SyntaxError} */
export async function readText(
  bytes: AsyncIterable<Uint8Array | string>,
  most: number,
): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of bytes) {
    length += chunk.length;
    if (length > most) throw new RangeError(`expected at most ${most} bytes, got more`);
    chunks.push(Buffer.from(chunk));
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new SyntaxError('expected UTF-8 text');
  }
}
