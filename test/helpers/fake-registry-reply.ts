/** Requests and replies of a fake registry as values, the faults that spoil a reply, and the writer that sends it. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from 'node:http';

export interface FakeRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One line of a fake registry's log; `status` is 0 until the answer starts. */
export interface LoggedRequest extends FakeRequest {
  readonly status: number;
}

export interface FakeReply {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

/** Which requests a fault hits: a pattern is matched against `METHOD url`. */
export type FaultMatch = RegExp | ((request: FakeRequest) => boolean);

export type FaultAction =
  /** Answers this instead. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: OutgoingHttpHeaders;
      readonly body?: string | Uint8Array;
      /** Leaves the socket open when the body is shorter than its Content-Length says. */
      readonly keepOpen?: boolean;
    }
  /** Answers properly, later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Answers properly when the promise settles. */
  | { readonly kind: 'wait'; readonly until: Promise<unknown> }
  /** Says nothing, or nothing more after so many body bytes; the socket stays open. */
  | { readonly kind: 'stall'; readonly after?: number }
  /** Destroys the socket instead of answering. */
  | { readonly kind: 'reset' }
  /** Promises the whole body, destroys the socket after `at` bytes. */
  | { readonly kind: 'truncate'; readonly at: number }
  /** Flips every bit of the body's byte `at`. */
  | { readonly kind: 'corrupt'; readonly at: number }
  /** Another body under the same headers; Content-Length follows the new body. */
  | { readonly kind: 'replace'; readonly body: string | Uint8Array }
  | { readonly kind: 'redirect'; readonly to: string; readonly status?: number }
  /** Declares a Content-Length that is not the body's; undefined sends the body in chunks. */
  | { readonly kind: 'content-length'; readonly value: number | undefined }
  /** Sets headers, or removes those that are undefined. */
  | { readonly kind: 'headers'; readonly headers: OutgoingHttpHeaders };

export function matches(match: FaultMatch, request: FakeRequest): boolean {
  return match instanceof RegExp ? match.test(`${request.method} ${request.url}`) : match(request);
}

/** Sends the reply as the fault would have it; without a fault, as it is. */
export async function send(
  response: ServerResponse,
  method: string,
  reply: FakeReply,
  fault: FaultAction | undefined,
): Promise<void> {
  if (fault?.kind === 'reset') {
    response.socket?.destroy();
    return;
  }
  if (fault?.kind === 'stall') {
    if (fault.after === undefined) return;
    start(response, reply);
    response.write(reply.body.subarray(0, fault.after));
    return;
  }
  if (fault?.kind === 'truncate') {
    start(response, reply);
    response.write(reply.body.subarray(0, fault.at), () => response.socket?.destroy());
    return;
  }
  if (fault?.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, fault.ms));
  if (fault?.kind === 'wait') await fault.until;
  const { socket } = response;
  const spoiled = fault === undefined ? reply : spoil(reply, fault);
  start(response, spoiled);
  if (fault?.kind === 'status' && fault.keepOpen === true) {
    response.write(spoiled.body);
    return;
  }
  response.end(method === 'HEAD' ? undefined : spoiled.body);
  const declared = spoiled.headers['content-length'];
  if (method !== 'HEAD' && declared !== undefined && Number(declared) !== spoiled.body.length) {
    response.once('finish', () => socket?.destroySoon());
  }
}

function spoil(reply: FakeReply, fault: FaultAction): FakeReply {
  const { status, headers, body } = reply;
  switch (fault.kind) {
    case 'status': {
      const other = Buffer.from(fault.body ?? '');
      return {
        status: fault.status,
        headers: { 'content-length': other.length, ...fault.headers },
        body: other,
      };
    }
    case 'corrupt': {
      const copy = Buffer.from(body);
      copy[fault.at] = (copy[fault.at] ?? 0) ^ 0xff;
      return { status, headers, body: copy };
    }
    case 'replace': {
      const other = Buffer.from(fault.body);
      return { status, headers: { ...headers, 'content-length': other.length }, body: other };
    }
    case 'redirect':
      return {
        status: fault.status ?? 307,
        headers: { location: fault.to, 'content-length': 0 },
        body: Buffer.alloc(0),
      };
    case 'content-length':
      return { status, headers: { ...headers, 'content-length': fault.value }, body };
    case 'headers':
      return { status, headers: { ...headers, ...fault.headers }, body };
    case 'delay':
    case 'wait':
    case 'stall':
    case 'reset':
    case 'truncate':
      return reply;
  }
}

function start(response: ServerResponse, reply: FakeReply): void {
  response.statusCode = reply.status;
  for (const [name, value] of Object.entries(reply.headers)) {
    if (value !== undefined) response.setHeader(name, value);
  }
  response.flushHeaders();
}
