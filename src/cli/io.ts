/** What a command may do to its terminal, and how it ends. */

export interface CommandIo {
  /** One line to standard output. */
  out(line: string): void;
  /** One line to standard error. */
  err(line: string): void;
}

/** Exit codes: admitted or fine, denied, usage or configuration, undetermined; ended by SIGINT, as shells know it. */
export const EXIT = { ok: 0, denied: 1, usage: 2, undetermined: 3, interrupted: 130 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
