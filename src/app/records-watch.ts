/** Notices that another process wrote to the records: an operator's command, while the proxy runs. */
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
  records: Pick<Records, 'version'>,
  onChange: () => void,
): RecordsWatch {
  let known: number | undefined;

  async function look(): Promise<void> {
    try {
      const version = await records.version();
      if (known !== undefined && known !== version) onChange();
      known = version;
    } catch {
      // A database that cannot be read fails every request that needs it, and each of them says so.
    }
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
