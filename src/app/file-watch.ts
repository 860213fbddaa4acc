/** Notices that files changed, by looking: it works for every file system, and for links that are put elsewhere. */
import { stat } from 'node:fs/promises';

export interface FileWatch {
  /** Looks now; otherwise it looks by itself. */
  look(): Promise<void>;
  close(): void;
}

/** Milliseconds between two looks. */
const EVERY = 2_000;

/**
 * Calls `onChange` once for whatever changed between two looks, and only when the files rest: one that is being written
 * is left to its writer.
 * @param every milliseconds.
 * @param files paths, asked for at each look; what is not there is watched for.
 */
export function watchFiles(
  files: () => readonly string[],
  onChange: () => Promise<void>,
  every = EVERY,
): FileWatch {
  let known: string | undefined;
  let last: string | undefined;
  let looking: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    const now = await fingerprint(files());
    known ??= now;
    const rests = now === last;
    last = now;
    if (now === known || !rests) return;
    known = now;
    // Where other files are watched after it, it is called once more: they may have changed since they were read.
    await onChange();
  }

  /** One after the other, however long one takes. */
  function next(): Promise<void> {
    looking = looking.then(look, look);
    return looking;
  }

  const timer = setInterval(() => void next().catch(() => undefined), every);
  timer.unref();
  void next().catch(() => undefined);
  return {
    look: next,
    close() {
      clearInterval(timer);
    },
  };
}

async function fingerprint(files: readonly string[]): Promise<string> {
  const all = await Promise.all(files.map(describe));
  return all.join('\n');
}

async function describe(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return [file, dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return `${file} ${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}`;
  }
}
