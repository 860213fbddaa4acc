/** Notices that another process wrote to the records: an operator's command, while the proxy runs. */
import type { LocalRecords } from '../store/local-records.ts';
import type { Records } from '../store/records.ts';

export interface RecordsWatch {
  /** Looks now; otherwise it looks by itself. */
  look(): Promise<void>;
  close(): void;
}

/** Milliseconds between two looks, each of which reads one number from memory that processes share. */
const EVERY = 500;

/** Calls `onChange` once for whatever was written between two looks. */
export function watchRecords(
  records: Pick<Records, 'version'> & {
    readonly local: Pick<LocalRecords, 'announced' | 'notice'>;
  },
  onChange: () => void,
): RecordsWatch {
  let known: number | undefined;
  let last = Promise.resolve();

  async function lookOnce(): Promise<void> {
    try {
      const version = await records.version();
      if (known === version) return;
      const announced = await records.local.announced();
      // Also the first time: something may have been decided before it was looked.
      onChange();
      known = version;
      // Whoever announced it waits for this.
      await records.local.notice(announced);
    } catch {
      // A database that cannot be read fails every request that needs it, and each of them says so.
    }
  }

  /** One after the other: what one has told the next need not tell. */
  function look(): Promise<void> {
    last = last.then(lookOnce);
    return last;
  }

  const timer = setInterval(() => void look(), EVERY);
  timer.unref();
  void look();
  return {
    look,
    close() {
      clearInterval(timer);
    },
  };
}
