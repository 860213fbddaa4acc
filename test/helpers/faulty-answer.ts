/** What can be wrong with a registry's answer to GET of a blob, as values. */
import type { OutgoingHttpHeaders } from 'node:http';

/** `at` counts bytes of the body, but for `corrupt`, where it is a place in the blob. */
export type BlobFault =
  /** Nothing more after so many bytes; the connection stays open. */
  | { readonly kind: 'stalls'; readonly at: number }
  /** The connection is reset after so many bytes: what is under way is lost. */
  | { readonly kind: 'resets'; readonly at: number }
  /** The connection ends after so many bytes, all of which arrive. At 0 it ends after the headers. */
  | { readonly kind: 'ends'; readonly at: number }
  /** The connection ends without an answer. */
  | { readonly kind: 'hangs-up' }
  | { readonly kind: 'corrupts'; readonly at: number }
  /** Content-Length, and the total of Content-Range, are wrong by so many bytes. */
  | { readonly kind: 'miscounts'; readonly by: number }
  /** Tells no length; `more` adds bytes after the end, else `at` ends it early as if it were whole. */
  | {
      readonly kind: 'uncounted';
      readonly coding: 'chunked' | 'until-close';
      readonly at?: number;
      readonly more?: number;
    }
  /** Small pieces. */
  | { readonly kind: 'drips'; readonly piece: number }
  /** 429, or 5xx from a gateway. */
  | { readonly kind: 'refuses'; readonly status: number }
  /** To itself, without end. */
  | { readonly kind: 'redirects' }
  /** Answers to a range what was not asked for, or with a part where the whole was asked for. */
  | {
      readonly kind: 'wrong-range';
      readonly how: 'whole' | 'earlier' | 'later' | 'short' | 'unlabelled' | 'none';
    };

export interface AnswerShape {
  /** Undefined: none. */
  readonly status: number | undefined;
  readonly headers: OutgoingHttpHeaders;
  /** The first byte of the blob in the body. */
  readonly offset: number;
  readonly body: Buffer;
  readonly end: 'whole' | 'stall' | 'reset' | 'truncate';
  /** Bytes at a time. */
  readonly piece?: number;
}

/** The answer that the fault makes of the right one. */
export function shapeAnswer(
  bytes: Buffer,
  range: string | undefined,
  fault: BlobFault | undefined,
): AnswerShape {
  const asked = /^bytes=(\d+)-$/.exec(range ?? '')?.[1];
  const right = part(bytes, asked === undefined ? undefined : Number(asked));
  switch (fault?.kind) {
    case undefined:
    case 'redirects':
      return right;
    case 'stalls':
      return { ...right, body: right.body.subarray(0, fault.at), end: 'stall' };
    case 'resets':
      return { ...right, body: right.body.subarray(0, fault.at), end: 'reset' };
    case 'ends':
      return { ...right, body: right.body.subarray(0, fault.at), end: 'truncate' };
    case 'hangs-up':
      return { ...right, status: undefined };
    case 'corrupts':
      return part(corrupted(bytes, fault.at), asked === undefined ? undefined : Number(asked));
    case 'miscounts':
      return miscounted(right, bytes.length, fault.by);
    case 'uncounted':
      return uncounted(right, fault);
    case 'drips':
      return { ...right, piece: fault.piece };
    case 'refuses':
      return refusal(fault.status);
    case 'wrong-range':
      return wrongRange(bytes, asked === undefined ? 0 : Number(asked), fault.how);
  }
}

/** The whole, or from an offset to `until`. */
function part(bytes: Buffer, offset: number | undefined, until = bytes.length): AnswerShape {
  const body = bytes.subarray(offset ?? 0, until);
  const headers: OutgoingHttpHeaders = { 'content-length': body.length };
  const common = { offset: offset ?? 0, body, end: 'whole' } as const;
  if (offset === undefined) return { ...common, status: 200, headers };
  headers['content-range'] = `bytes ${offset}-${until - 1}/${bytes.length}`;
  return { ...common, status: 206, headers };
}

function corrupted(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x40;
  return copy;
}

function miscounted(right: AnswerShape, size: number, by: number): AnswerShape {
  const length = Math.max(0, right.body.length + by);
  const headers: OutgoingHttpHeaders = { ...right.headers, 'content-length': length };
  const end = size + length - right.body.length;
  if (right.status === 206) {
    headers['content-range'] = `bytes ${right.offset}-${end - 1}/${end}`;
  }
  return { ...right, headers, end: 'truncate' };
}

function uncounted(
  right: AnswerShape,
  { coding, at, more = 0 }: Extract<BlobFault, { kind: 'uncounted' }>,
): AnswerShape {
  const body =
    more > 0 ? Buffer.concat([right.body, Buffer.alloc(more)]) : right.body.subarray(0, at);
  const headers: OutgoingHttpHeaders = { ...right.headers };
  delete headers['content-length'];
  // Node writes chunks unless it is told to close.
  if (coding === 'chunked') headers['transfer-encoding'] = 'chunked';
  else headers.connection = 'close';
  return { ...right, headers, body, end: 'whole' };
}

function refusal(status: number): AnswerShape {
  const body = Buffer.from(JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS' }] }));
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  return { status, headers, offset: 0, body, end: 'whole' };
}

function wrongRange(
  bytes: Buffer,
  asked: number,
  how: Extract<BlobFault, { kind: 'wrong-range' }>['how'],
): AnswerShape {
  const last = Math.max(0, bytes.length - 1);
  switch (how) {
    case 'whole':
      return part(bytes, undefined);
    case 'earlier':
      return part(bytes, Math.max(0, asked - 1));
    case 'later':
      return part(bytes, Math.min(asked + 1, last));
    case 'short':
      return part(bytes, asked, Math.max(asked + 1, last));
    case 'unlabelled': {
      const { headers, ...rest } = part(bytes, asked);
      return { ...rest, headers: { 'content-length': headers['content-length'] } };
    }
    case 'none':
      return { ...refusal(416), headers: { 'content-range': `bytes */${bytes.length}` } };
  }
}
