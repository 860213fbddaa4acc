/** Where log lines go: gathered into large writes, never waited for, flushed when the process ends. */
import { close, openSync, write, writeSync } from 'node:fs';

export interface LogStreamOptions {
  /** A file descriptor, or the path of a file to append to; standard output unless told. */
  readonly destination?: number | string;
  /** Told how many lines were lost: their reader fell too far behind, or the write failed. */
  readonly onDrop?: (lines: number) => void;
}

/** Characters gathered before they are handed on; a write for each line costs three times the line's own making. */
const BATCH = 64 * 1024;

/** Milliseconds after which even a single line is handed on. */
const MAX_DELAY = 100;

/** Characters that may wait for a reader that does not read. */
const MAX_BACKLOG = 64 * 1024 * 1024;

/** Milliseconds between tries on a pipe that is full, and how many of them the end of the process waits for. */
const RETRY_DELAY = 20;
const RETRIES_AT_EXIT = 100;

/**
 * A destination for pino and for the audit trail. Failures to write never reach whoever logs, and neither a full disk
 * nor a reader that is gone keeps the process from ending; pino's own destination waits for both for ever.
 */
export class LogStream {
  readonly #fd: number;
  readonly #owned: boolean;
  readonly #onDrop: (lines: number) => void;
  readonly #atExit = (): void => {
    this.flushSync();
  };
  #batch = '';
  #backlog: string[] = [];
  #waiting = 0;
  #writing = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  /** @throws when the file cannot be opened. */
  constructor(options: LogStreamOptions = {}) {
    const destination = options.destination ?? 1;
    this.#owned = typeof destination === 'string';
    this.#fd = typeof destination === 'string' ? openSync(destination, 'a') : destination;
    this.#onDrop = options.onDrop ?? (() => undefined);
    process.on('exit', this.#atExit);
  }

  /** Takes one line, its newline included. */
  write(line: string): void {
    this.#batch += line;
    if (this.#batch.length >= BATCH) this.#handOn();
    else
      this.#timer ??= setTimeout(() => {
        this.#handOn();
      }, MAX_DELAY).unref();
  }

  /** Writes everything that is not on its way already before it returns; pino calls it after a fatal line. */
  flushSync(): void {
    this.#gather();
    for (let batch = this.#take(); batch !== undefined; batch = this.#take()) {
      if (!writeWhole(this.#fd, batch)) this.#drop(batch);
    }
  }

  /** Lets go of the file when all is written, in its order; lines that come later are lost. */
  close(): void {
    if (this.#closed) return;
    if (!this.#writing) this.flushSync();
    this.#gather();
    this.#closed = true;
    if (!this.#writing) this.#release();
  }

  #handOn(): void {
    this.#gather();
    if (!this.#writing) this.#writeNext();
  }

  #gather(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#batch;
    this.#batch = '';
    if (batch === '') return;
    if (this.#closed || this.#waiting + batch.length > MAX_BACKLOG) {
      this.#drop(batch);
      return;
    }
    this.#backlog.push(batch);
    this.#waiting += batch.length;
  }

  #take(): string | undefined {
    const batch = this.#backlog.shift();
    this.#waiting -= batch?.length ?? 0;
    return batch;
  }

  #writeNext(): void {
    const batch = this.#take();
    this.#writing = batch !== undefined;
    if (batch !== undefined) this.#writeRest(batch, Buffer.from(batch));
    else if (this.#closed) this.#release();
  }

  #writeRest(batch: string, rest: Buffer): void {
    write(this.#fd, rest, (error, written) => {
      if (error === null && written < rest.length) {
        this.#writeRest(batch, rest.subarray(written));
      } else if (isBusy(error)) {
        setTimeout(() => {
          this.#writeRest(batch, rest);
        }, RETRY_DELAY).unref();
      } else {
        if (error !== null) this.#drop(batch);
        this.#writeNext();
      }
    });
  }

  #drop(batch: string): void {
    this.#onDrop(batch.split('\n').length - 1);
  }

  #release(): void {
    process.off('exit', this.#atExit);
    if (this.#owned) close(this.#fd, () => undefined);
  }
}

/** Whether everything was written; waits only for a pipe that is full, and not for ever. */
function writeWhole(fd: number, text: string): boolean {
  let rest = Buffer.from(text);
  for (let tries = 0; rest.length > 0 && tries < RETRIES_AT_EXIT;) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if (!isBusy(error)) return false;
      tries++;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_DELAY);
    }
  }
  return rest.length === 0;
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}
