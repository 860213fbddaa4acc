/** Refusals as OCI errors: the one table of statuses and codes, and the one place that writes them. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { RefusalCode, Refused } from '../admission/decision.ts';
import { plainText } from '../admission/plain-text.ts';

/** distribution-spec "Error Codes", and UNAVAILABLE, which every client of the Go family knows. */
export type ErrorCode =
  | 'BLOB_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'TOOMANYREQUESTS'
  | 'UNAVAILABLE'
  | 'UNSUPPORTED';

export interface RegistryError {
  readonly status: number;
  readonly code: ErrorCode;
  /** One sentence; clients print nothing else. */
  readonly message: string;
  /** A few words for the reason phrase: all that containerd shows of an answer to HEAD. */
  readonly phrase?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly headers?: OutgoingHttpHeaders;
}

/** What an `absent` is called depends on what was asked for. */
export type Asked = 'manifest' | 'blob' | 'tags';

const TABLE: Readonly<Record<Exclude<RefusalCode, 'absent'>, readonly [number, ErrorCode]>> = {
  'unknown-upstream': [404, 'NAME_UNKNOWN'],
  'no-rule': [403, 'DENIED'],
  rejected: [403, 'DENIED'],
  'not-admitted': [403, 'DENIED'],
  'tag-held': [403, 'DENIED'],
  'invalid-manifest': [403, 'DENIED'],
  'too-large': [403, 'DENIED'],
  'outside-graph': [403, 'DENIED'],
  'upstream-refused': [403, 'DENIED'],
  unreachable: [503, 'UNAVAILABLE'],
  timeout: [504, 'UNAVAILABLE'],
  'rate-limited': [429, 'TOOMANYREQUESTS'],
  'digest-mismatch': [502, 'DIGEST_INVALID'],
};

const ABSENT: Readonly<Record<Asked, ErrorCode>> = {
  manifest: 'MANIFEST_UNKNOWN',
  blob: 'BLOB_UNKNOWN',
  tags: 'NAME_UNKNOWN',
};

export function toRegistryError(refused: Refused, asked: Asked): RegistryError {
  const [status, code] =
    refused.code === 'absent' ? ([404, ABSENT[asked]] as const) : TABLE[refused.code];
  const { message, phrase, digest, rule, reasons, retryAfter } = refused;
  return {
    status,
    code,
    message,
    phrase,
    detail: { reason: refused.code, digest, rule, reasons },
    headers: retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfter)) },
  };
}

export const METHOD_NOT_ALLOWED: RegistryError = {
  status: 405,
  code: 'UNSUPPORTED',
  message: 'this registry is a pull-only proxy: push to the upstream itself',
  headers: { allow: 'GET, HEAD' },
};

/** For what is a mistake of ours. */
export const UNFORESEEN: RegistryError = {
  status: 503,
  code: 'UNAVAILABLE',
  message: 'this proxy failed in an unforeseen way; its log says more',
  headers: { 'retry-after': '10' },
};

const MAX_PHRASE = 200;
/** Characters; the longest of ours has some 2,500. */
const MAX_MESSAGE = 4096;

/** Writes an error; the answer to HEAD is equal but for its body, which HTTP leaves out. */
export function writeError(
  request: IncomingMessage,
  response: ServerResponse,
  error: RegistryError,
  headers: OutgoingHttpHeaders = {},
): void {
  const { code, detail } = error;
  const message = plainText(error.message, MAX_MESSAGE);
  const body = Buffer.from(JSON.stringify({ errors: [{ code, message, detail }] }));
  response.writeHead(error.status, reasonPhrase(error), {
    'content-type': 'application/json',
    'content-length': body.length,
    ...headers,
    ...error.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function reasonPhrase({ status, phrase }: RegistryError): string {
  const standard = STATUS_CODES[status] ?? 'Error';
  return phrase === undefined
    ? standard
    : headerText(`${standard} by countersign: ${phrase}`, MAX_PHRASE);
}

/** Text from strangers made safe for a header: printable ASCII, bounded. */
export function headerText(text: string, maxLength: number): string {
  const ascii = text.replaceAll(/[^\x20-\x7e]+/g, '?');
  return ascii.length <= maxLength ? ascii : `${ascii.slice(0, maxLength - 3)}...`;
}

/** RFC 9111 §5.5 (obsoleted, and still what podman and containerd print): a warning for the person who pulls. */
export function warningHeader(text: string): string {
  return `299 - "${headerText(text, 500).replaceAll(/["\\]/g, "'")}"`;
}
