/** The rounds in which cached images are verified again, as long as a configuration is in force. */
import { setTimeout as delay } from 'node:timers/promises';
import { reverify, type ReverificationParts } from '../admission/reverification.ts';

/** Milliseconds between two rounds; in most of them little is due. */
const EVERY = 60_000;

export interface Reverifying {
  /** Breaks off the round under way. */
  close(): Promise<void>;
}

/** @param current what is in force. */
export function startReverifying(current: () => Omit<ReverificationParts, 'pause'>): Reverifying {
  const end = new AbortController();
  const { signal } = end;
  const pause = (ms: number): Promise<void> => delay(ms, undefined, { signal, ref: false });

  async function rounds(): Promise<void> {
    for (;;) {
      await pause(EVERY);
      await reverify(() => ({ ...current(), pause }), signal);
    }
  }

  // It ends by being broken off, and by nothing else.
  const ended = rounds().catch(() => undefined);
  return {
    async close() {
      end.abort();
      await ended;
    },
  };
}
