/** The interceptor that tries GET and HEAD again when the connection or the upstream's front door failed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import type { RetryLimits } from './bounds.ts';
import { errorCode } from './failure.ts';
import { dispatchWithReplay, type Outcome } from './replay.ts';
import { parseRetryAfter } from './retry-after.ts';

/** Gateways say these while the registry behind them restarts. */
const PASSING_STATUSES = new Set([502, 503, 504]);
/** An answer and no accident, but where it names a moment that is near, that is when to ask again. */
const TOO_MANY = 429;

/** A connection that is not made in time is not here: the system has knocked several times by then. */
const PASSING_ERRORS = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_SOCKET',
]);

export interface RetryOptions {
  readonly limits: RetryLimits;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** From 0 to below 1, for the jitter. */
  readonly random?: () => number;
  readonly onRetry?: (attempt: number, pause: number) => void;
}

/** undici's own retry resumes bodies half-way and drops the last answer's body; this one does neither. */
export function retry(options: RetryOptions): Dispatcher.DispatcherComposeInterceptor {
  const { limits, clock, random = Math.random, onRetry } = options;
  return (dispatch) => (request, handler) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return dispatch(request, handler);
    let attempt = 1;
    return dispatchWithReplay(dispatch, handler, {
      prepare: () => request,
      again(outcome, signal) {
        const pause = attempt < limits.attempts ? pauseAfter(outcome, attempt) : undefined;
        if (pause === undefined) return undefined;
        onRetry?.(attempt, pause);
        attempt += 1;
        return sleep(pause, undefined, { signal });
      },
    });
  };

  /** Milliseconds; undefined when another attempt makes no sense. */
  function pauseAfter(outcome: Outcome, attempt: number): number | undefined {
    if (outcome.error !== undefined) {
      return PASSING_ERRORS.has(errorCode(outcome.error)) ? backOff(attempt) : undefined;
    }
    const { status } = outcome;
    if (!PASSING_STATUSES.has(status) && status !== TOO_MANY) return undefined;
    const asked = parseRetryAfter(outcome.headers['retry-after'], clock());
    if (asked === undefined) return status === TOO_MANY ? undefined : backOff(attempt);
    if (asked * 1000 > limits.longestPause) return undefined;
    // Not before the moment, and not all at it.
    return asked * 1000 + backOff(attempt);
  }

  /** Half of it for sure, half of it by chance: clients that failed together do not come back together. */
  function backOff(attempt: number): number {
    const full = Math.min(limits.firstPause * 2 ** (attempt - 1), limits.longestPause);
    return full / 2 + (full / 2) * random();
  }
}
