/** Sends one request and gives its response when the status is one that was hoped for. */
import type { Dispatcher } from 'undici';
import { describeRequest, toUpstreamError } from './failure.ts';
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
  /** Lifts the deadline once the headers are there; a body timeout remains. */
  readonly longBody?: boolean;
}

/** @throws {UpstreamError} for any other status, and for whatever happened on the way. */
export async function ask(
  asker: Asker,
  request: Dispatcher.RequestOptions,
  options: AskOptions = {},
): Promise<Dispatcher.ResponseData> {
  const { signal, statuses = [200], longBody = false } = options;
  const what = describeRequest(asker.name, request);
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort(new UpstreamError('timeout', `${what} failed: not done in ${asker.total} ms`));
  }, asker.total);
  timer.unref();
  try {
    const response = await asker.dispatcher.request({
      ...request,
      signal: signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]),
    });
    // A connection that dies before anybody reads the body must not end the process.
    response.body.on('error', () => undefined);
    if (statuses.includes(response.statusCode)) {
      if (!longBody)
        response.body.once('close', () => {
          clearTimeout(timer);
        });
      else clearTimeout(timer);
      return response;
    }
    const refusal = await refusalOf(response, what, asker.clock());
    clearTimeout(timer);
    throw refusal;
  } catch (error) {
    clearTimeout(timer);
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
