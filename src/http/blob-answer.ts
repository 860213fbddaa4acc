/** What a request for a blob that may be read is answered with, before a byte of it is read. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { GrantedBlob } from '../admission/blobs.ts';
import { parseByteRanges, type ByteRange } from './byte-range.ts';
import { contentRange, createMultipart } from './multipart.ts';
import type { Body } from './pump.ts';

/** Docker's and everybody's type for blobs; what the manifest calls it is the manifest's business. */
const TYPE = 'application/octet-stream';

/** RFC 9211: whether the bytes come out of the cache, or from an upstream while they fill it. */
export function cacheStatus(isKept: boolean): OutgoingHttpHeaders {
  return { 'cache-status': isKept ? 'countersign; hit' : 'countersign; fwd=miss' };
}

export interface BlobAnswer {
  readonly status: 200 | 206 | 304 | 416;
  readonly headers: OutgoingHttpHeaders;
  /** Undefined where there is no body. */
  readonly body?: Body & { readonly tail: string };
}

type Blob = Pick<GrantedBlob, 'digest' | 'size'>;

/** The same for HEAD and GET but for what HTTP leaves out. */
export function answerBlob(asked: IncomingHttpHeaders, blob: Blob): BlobAnswer {
  const { size } = blob;
  const common = { ...namesOf(blob), 'accept-ranges': 'bytes' };
  const { etag } = common;
  if (asked['if-none-match'] === etag) return { status: 304, headers: common };
  const condition = asked['if-range'];
  const wanted = condition === undefined || condition === etag ? asked.range : undefined;
  const ranges = parseByteRanges(wanted, size);
  if (ranges === 'unsatisfiable') {
    const headers = { ...common, 'content-range': `bytes */${size}`, 'content-length': 0 };
    return { status: 416, headers };
  }
  if (ranges === undefined) {
    return {
      status: 200,
      headers: { ...common, 'content-type': TYPE, 'content-length': size },
      body: one({ start: 0, end: size }),
    };
  }
  const [first, ...others] = ranges;
  // RFC 9110 §15.3.7.2: one range is never answered in parts.
  if (first !== undefined && others.length === 0) {
    const { start, end } = first;
    const headers = {
      ...common,
      'content-type': TYPE,
      'content-length': end - start,
      'content-range': contentRange(start, end, size),
    };
    return { status: 206, headers, body: one(first) };
  }
  const { contentType, length, parts, tail } = createMultipart(ranges, size, TYPE);
  return {
    status: 206,
    headers: { ...common, 'content-type': contentType, 'content-length': length },
    body: { parts, length, tail },
  };
}

/** What nginx is told of a blob that it sends itself, whole or in the ranges that the request asks of it. */
export function handOverBlob(blob: Blob, location: string): OutgoingHttpHeaders {
  return {
    ...namesOf(blob),
    'content-type': TYPE,
    'content-length': 0,
    'x-accel-redirect': location,
    ...cacheStatus(true),
  };
}

function namesOf({ digest }: Blob) {
  return { 'docker-content-digest': digest, etag: `"${digest}"` };
}

function one(range: ByteRange): NonNullable<BlobAnswer['body']> {
  return { parts: [{ ...range, head: '' }], length: range.end - range.start, tail: '' };
}
