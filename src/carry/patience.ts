/** Asking again: after pauses that grow, or when the answer says, and not for ever. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failed } from './answer.ts';

export interface PatienceLimits {
  /** The first one included. */
  readonly attempts: number;
  /** Milliseconds; the first pause is at most this, each next one twice as long. */
  readonly firstPause: number;
  /** Milliseconds of the longest pause that nobody asked for. */
  readonly longestPause: number;
  /** Milliseconds of the longest Retry-After that is waited for. */
  readonly longestAsked: number;
  /** Milliseconds from the first attempt to the beginning of the last. */
  readonly deadline: number;
}

const MINUTE = 60_000;

export const PATIENCE: PatienceLimits = {
  attempts: 8,
  firstPause: 500,
  longestPause: MINUTE / 2,
  longestAsked: 2 * MINUTE,
  deadline: 10 * MINUTE,
};

/** An attempt that came to nothing and may be made again. */
export interface Again {
  readonly again: Failed;
  /** Seconds, from a Retry-After. */
  readonly retryAfter?: number | undefined;
}

export interface PatienceParts {
  /** Ends the waiting; what is waited for is then told as failed. */
  readonly signal?: AbortSignal | undefined;
  readonly limits?: PatienceLimits;
  /** Milliseconds of any beginning. */
  readonly clock?: () => number;
  /** From 0 to below 1, for the jitter. */
  readonly random?: () => number;
  /** Rejects when the signal is aborted. */
  readonly wait?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<unknown>;
}

/** Makes attempts until one is no {@link Again}; `attempt` is told its number from 1 on. */
export type Patiently = <T extends object>(
  attempt: (number: number) => Promise<T | Again>,
) => Promise<T | Failed>;

export function createPatience(parts: PatienceParts = {}): Patiently {
  const {
    signal,
    limits = PATIENCE,
    clock = () => performance.now(),
    random = Math.random,
  } = parts;
  const wait = parts.wait ?? ((ms, stop) => sleep(ms, undefined, stop ? { signal: stop } : {}));

  /** Milliseconds; undefined when another attempt makes no sense. */
  function pauseAfter({ retryAfter }: Again, number: number, begun: number): number | undefined {
    if (number >= limits.attempts) return undefined;
    const asked = (retryAfter ?? 0) * 1000;
    if (asked > limits.longestAsked) return undefined;
    const full = Math.min(limits.firstPause * 2 ** (number - 1), limits.longestPause);
    // Not before the moment, and not all at it.
    const pause = asked + full / 2 + (full / 2) * random();
    return clock() - begun + pause > limits.deadline ? undefined : pause;
  }

  return async (attempt) => {
    const begun = clock();
    for (let number = 1; ; number++) {
      const answer = await attempt(number);
      if (!isAgain(answer)) return answer;
      const pause = pauseAfter(answer, number, begun);
      if (pause === undefined) return answer.again;
      try {
        await wait(pause, signal);
      } catch {
        return { outcome: 'failed', message: 'interrupted' };
      }
    }
  };
}

function isAgain(answer: object): answer is Again {
  return 'again' in answer;
}
