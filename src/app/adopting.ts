/** Adopts what imports brought at the start, and whenever another process wrote to the records, one look at a time. */
import { adoptImported, type AdoptionParts } from './adoption.ts';

export interface Adopting {
  /** Looks, once more if it is looking. Returns at once. */
  look(): void;
  /** When nothing is being looked at. */
  close(): Promise<void>;
}

export function startAdopting(parts: AdoptionParts): Adopting {
  let looking: Promise<void> | undefined;
  let again = false;
  let closed = false;

  async function run(): Promise<void> {
    do {
      again = false;
      await adoptImported(parts);
    } while (again && !closed);
    looking = undefined;
  }

  const look = (): void => {
    if (closed) return;
    again = true;
    looking ??= run();
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
