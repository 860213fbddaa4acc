/** What a proxy says when it does not serve, and what it means when it says nothing. */
import type { Dispatcher } from 'undici';
import { isJsonObject, parseJson } from '../oci/json.ts';
import { readAtMost } from '../upstream/body.ts';
import { parseRetryAfter } from '../upstream/retry-after.ts';
import type { Failed } from './answer.ts';
import { CLIENT_BOUNDS } from './bounds.ts';
import type { Again } from './patience.ts';

/** Answers after which asking again makes sense; 502 is bytes that are not what their digest says. */
const PASSING = new Set([408, 429, 503, 504]);

/**
 * Reads the whole of an answer that is none of what was asked for.
 * @param isOffline whether the upstream of it is one that nobody may ask.
 */
export async function readRefusal(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  path: string,
  isOffline = false,
): Promise<Failed | Again> {
  const bytes = await readAtMost(body, CLIENT_BOUNDS.error);
  const message = messageOf(bytes) ?? `${path}: the proxy answers ${statusCode}`;
  const told: Failed = { outcome: outcomeOf(statusCode), message, status: statusCode };
  if (!PASSING.has(statusCode)) return told;
  const retryAfter = parseRetryAfter(headers['retry-after'], Date.now());
  // So a proxy says that it has nothing of that name and will not ask: waiting changes nothing.
  if (isOffline && statusCode === 503 && retryAfter === undefined) {
    return { ...told, isUnasked: true };
  }
  return { again: told, retryAfter };
}

function outcomeOf(status: number): Failed['outcome'] {
  if (status === 404) return 'absent';
  const isRefusal = status >= 400 && status < 500 && !PASSING.has(status);
  return isRefusal ? 'refused' : 'failed';
}

/** Of the first error that an OCI answer carries; answers to HEAD carry none. */
function messageOf(bytes: Buffer): string | undefined {
  try {
    const json = parseJson(bytes);
    const errors: unknown = isJsonObject(json) ? json['errors'] : undefined;
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    const message = isJsonObject(first) ? first['message'] : undefined;
    return typeof message === 'string' && message !== '' ? message : undefined;
  } catch {
    return undefined;
  }
}

/** No answer, or half of one. */
export function explain(error: unknown, path: string): Failed {
  if (error instanceof Error && error.name === 'AbortError') {
    return { outcome: 'failed', message: 'interrupted' };
  }
  const reason = error instanceof Error ? error.message : String(error);
  return { outcome: 'failed', message: `${path}: ${reason}` };
}

/** Connections that break; not what is read from a whole answer and makes no sense. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'ContentError') return true;
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'string' && (code.startsWith('UND_ERR_') || /^E[A-Z_]+$/.test(code));
}

/** Nobody listens there. */
export function isUnheard(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}
