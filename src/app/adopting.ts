/** Adopts what imports brought at the start, and whenever another process wrote to the records, one look at a time. */
import { adoptImported, type AdoptionParts } from './adoption.ts';

export interface Adopting {
  /** Looks, once more if it is looking. Returns at once. */
  look(): void;
  /** When nothing is being looked at. */
  close(): Promise<void>;
}

export function startAdopting(parts: AdoptionParts): Adopting {
  let looking: Promise<unknown> = Promise.resolve();
  /** Whether a look that has not begun is ahead: it sees what was written before it. */
  let isAhead = false;
  let closed = false;

  const look = (): void => {
    if (isAhead || closed) return;
    isAhead = true;
    looking = looking.then(() => {
      isAhead = false;
      return closed ? undefined : adoptImported(parts);
    });
  };
  look();
  return {
    look,
    async close() {
      closed = true;
      await looking;
    },
  };
}
