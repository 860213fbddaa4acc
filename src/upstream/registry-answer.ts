/** What a registry's refusal means: status, OCI error body and Retry-After as an UpstreamError. */
import { isJsonObject, type JsonObject } from '../oci/json.ts';
import { readAtMost, type Answer } from './body.ts';
import { MAX_ERROR_BODY_BYTES, MAX_ERROR_MESSAGE_LENGTH } from './bounds.ts';
import { parseRetryAfter } from './retry-after.ts';
import { UpstreamError, type UpstreamErrorCode } from './upstream.ts';

/** distribution-spec "Error Codes" by which a registry says that there is nothing. */
const ABSENT = new Set(['BLOB_UNKNOWN', 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN']);
const ABSENT_STATUSES = new Set([400, 405, 410]);

/**
 * Reads the little of an unwelcome response that explains it, and drops the rest.
 * @param what names the request, without query or secrets.
 */
export async function refusalOf(
  response: Answer,
  what: string,
  now: number,
): Promise<UpstreamError> {
  const { statusCode, headers } = response;
  const first = firstError(await readAtMost(response.body, MAX_ERROR_BODY_BYTES));
  const retryAfter = parseRetryAfter(headers['retry-after'], now);
  const code = codeOf(statusCode, first?.['code']);
  const said = quote(first?.['message'] ?? first?.['code']);
  const hint =
    code === 'unauthorized' ? ' (registries also say this for repositories that do not exist)' : '';
  return new UpstreamError(
    code,
    `${what} failed: expected status 200, got ${statusCode}${said === '' ? '' : ` "${said}"`}${hint}`,
    { retryAfter, status: statusCode },
  );
}

function codeOf(status: number, word: unknown): UpstreamErrorCode {
  if (status === 404) return 'not-found';
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 429) return 'rate-limited';
  if (status === 408) return 'timeout';
  if (status >= 500) return 'unreachable';
  const absent = ABSENT_STATUSES.has(status) && typeof word === 'string' && ABSENT.has(word);
  return absent ? 'not-found' : 'bad-response';
}

function firstError(body: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    const errors = isJsonObject(value) ? value['errors'] : undefined;
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    return isJsonObject(first) ? first : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A stranger's message as it may stand in ours: one line, printable, short, without queries of signed URLs and without
 * anything long enough to be a token; digests stay.
 */
export function quote(message: unknown): string {
  if (typeof message !== 'string') return '';
  return message
    .slice(0, 4 * MAX_ERROR_MESSAGE_LENGTH)
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .replace(/(https?:\/\/[^\s?"]*)\?[^\s"]*/g, '$1?…')
    .replace(/\b(bearer|basic) +[^\s"]+/gi, '$1 …')
    .replace(/[A-Za-z0-9_+=.~-]{40,}/g, (word) =>
      /^(?:[0-9a-f]{64}|[0-9a-f]{128})$/.test(word) ? word : '…',
    )
    .replaceAll('"', "'")
    .trim()
    .slice(0, MAX_ERROR_MESSAGE_LENGTH);
}
