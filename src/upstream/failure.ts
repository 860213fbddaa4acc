/** What can go wrong on the way to an upstream, as an UpstreamError. */
import type { Dispatcher } from 'undici';
import { CredentialsError } from './credential.ts';
import { PassingHandler } from './passing-handler.ts';
import { UpstreamError, type UpstreamErrorCode } from './upstream.ts';

const TIMEOUTS = new Set([
  'ETIMEDOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
]);

/** Our own doing: the request was dropped, or the upstream closed for good. */
const ABORTS = new Set([
  'ABORT_ERR',
  'UND_ERR_ABORTED',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** Responses that are no HTTP, or redirects that lead nowhere. */
const NONSENSE = new Set([
  'ERR_INVALID_URL',
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_REDIRECT_MAX',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
]);

/** The `code` of a system or undici error, '' without one. */
export function errorCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

/**
 * The error as whoever asked shall see it.
 * @param what names the request, e.g. `HEAD ghcr.io/v2/a/b/manifests/v1 from ghcr.io`; no query, no secrets.
 */
export function toUpstreamError(error: unknown, what: string): UpstreamError {
  if (error instanceof UpstreamError) return error;
  if (error instanceof CredentialsError) {
    return new UpstreamError('unauthorized', `${what} failed: ${error.message}`, { cause: error });
  }
  const code = errorCode(error);
  return new UpstreamError(kindOf(code, error), `${what} failed: ${describe(code, error)}`, {
    cause: error,
  });
}

function kindOf(code: string, error: unknown): UpstreamErrorCode {
  if (TIMEOUTS.has(code)) return 'timeout';
  if (ABORTS.has(code)) return 'aborted';
  if (NONSENSE.has(code) || code.startsWith('HPE_')) return 'bad-response';
  return error instanceof DOMException && error.name === 'AbortError' ? 'aborted' : 'unreachable';
}

function describe(code: string, error: unknown): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return 'connection lost';
    case 'ENOTFOUND':
      return 'host name not found';
    case 'EAI_AGAIN':
      return 'host name not resolved for now';
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return 'no connection in time';
    case 'UND_ERR_HEADERS_TIMEOUT':
      return 'no answer in time';
    case 'UND_ERR_BODY_TIMEOUT':
      return 'the body stalled';
    case 'UND_ERR_REDIRECT_MAX':
      return 'too many redirects';
    case 'UND_ERR_INVALID_ARG':
    case 'ERR_INVALID_URL':
      return 'a redirect in a circle or to no URL';
    case 'UND_ERR_CLOSED':
    case 'UND_ERR_DESTROYED':
      return 'the upstream is closed';
    default:
      if (code !== '') return code;
      return error instanceof Error ? error.name : 'unknown error';
  }
}

/** The outermost interceptor: whoever uses the dispatcher sees {@link UpstreamError}s and nothing else. */
export function nameFailures(name: string): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    const what = describeRequest(name, options);
    try {
      return dispatch(options, new NamingHandler(handler, what));
    } catch (error) {
      throw toUpstreamError(error, what);
    }
  };
}

class NamingHandler extends PassingHandler {
  readonly #what: string;

  constructor(handler: Dispatcher.DispatchHandler, what: string) {
    super(handler);
    this.#what = what;
  }

  override onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    super.onResponseError(controller, toUpstreamError(error, this.#what));
  }
}

/** `GET registry-1.docker.io/v2/library/alpine/manifests/3.20 (docker.io)`, without a query. */
export function describeRequest(
  name: string,
  request: Pick<Dispatcher.DispatchOptions, 'origin' | 'path' | 'method'>,
): string {
  const { host } = new URL(String(request.origin));
  return `${request.method} ${host}${request.path.split('?', 1).join('')} (${name})`;
}
