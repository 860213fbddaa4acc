/** Sends one request and gives its response when the status is one that was hoped for. */
import type { Dispatcher } from 'undici';
import type { Answer } from './body.ts';
import { describeRequest, toUpstreamError } from './failure.ts';
import { requestLent, type LentResponse } from './lent-body.ts';
import { refusalOf } from './registry-answer.ts';
import { UpstreamError } from './upstream.ts';

/** What every request needs beside itself. */
export interface Asker {
  /** The upstream's name, for messages. */
  readonly name: string;
  readonly dispatcher: Dispatcher;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Milliseconds for the request as a whole. */
  readonly total: number;
}

export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
  /** 200 alone unless told. */
  readonly statuses?: readonly number[];
}

/** @throws {UpstreamError} for any other status, and for whatever happened on the way. */
export async function ask(
  asker: Asker,
  request: Dispatcher.DispatchOptions,
  options: AskOptions = {},
): Promise<Dispatcher.ResponseData> {
  const { response, stopClock } = await askFor(asker, request, options, async (signal) => {
    const answered = await asker.dispatcher.request({ ...request, signal });
    // A connection that dies before anybody reads the body must not end the process.
    answered.body.on('error', () => undefined);
    return answered;
  });
  response.body.once('close', stopClock);
  return response;
}

/**
 * As {@link ask}, for a body of any length: the deadline is for the headers, and then a body timeout remains.
 * @throws {UpstreamError}
 */
export async function askLong(
  asker: Asker,
  request: Dispatcher.DispatchOptions,
  options: AskOptions = {},
): Promise<LentResponse> {
  const { response, stopClock } = await askFor(asker, request, options, (signal) =>
    requestLent(asker.dispatcher, { ...request, signal }),
  );
  stopClock();
  return response;
}

/** The deadline is running when it returns. */
async function askFor<T extends Answer>(
  asker: Asker,
  request: Dispatcher.DispatchOptions,
  { signal, statuses = [200] }: AskOptions,
  send: (signal: AbortSignal) => Promise<T>,
): Promise<{ readonly response: T; readonly stopClock: () => void }> {
  const what = describeRequest(asker.name, request);
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort(new UpstreamError('timeout', `${what} failed: not done in ${asker.total} ms`));
  }, asker.total);
  timer.unref();
  const stopClock = (): void => {
    clearTimeout(timer);
  };
  try {
    const response = await send(
      signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]),
    );
    if (statuses.includes(response.statusCode)) return { response, stopClock };
    throw await refusalOf(response, what, asker.clock());
  } catch (error) {
    stopClock();
    throw failure(error, what, signal);
  }
}

/** The error of a request or of its body; the caller's own signal explains itself before anything else. */
export function failure(
  error: unknown,
  what: string,
  signal: AbortSignal | undefined,
): UpstreamError {
  if (signal?.aborted === true) {
    return new UpstreamError('aborted', `${what} was given up`, { cause: error });
  }
  return toUpstreamError(error, what);
}
