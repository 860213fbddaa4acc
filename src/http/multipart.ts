/** Several ranges of one blob in one body: RFC 9110 §14.6, RFC 2046 §5.1. */
import { randomBytes } from 'node:crypto';
import type { ByteRange } from './byte-range.ts';

/** A range, and the text that goes before it. */
export interface Part extends ByteRange {
  readonly head: string;
}

export interface Multipart {
  /** With the boundary, which no blob can know before. */
  readonly contentType: string;
  /** Bytes of the whole body. */
  readonly length: number;
  /** In the order of the ranges; each is made when it is its turn. */
  readonly parts: Iterable<Part>;
  /** What goes after the last of them. */
  readonly tail: string;
}

/** @param size of the blob, in bytes. */
export function createMultipart(
  ranges: readonly ByteRange[],
  size: number,
  contentType: string,
): Multipart {
  const boundary = randomBytes(16).toString('hex');
  const headOf = ({ start, end }: ByteRange): string =>
    `\r\n--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Range: ${contentRange(start, end, size)}\r\n\r\n`;
  const tail = `\r\n--${boundary}--\r\n`;
  function* parts(): Generator<Part, void, undefined> {
    for (const range of ranges) yield { ...range, head: headOf(range) };
  }
  let length = tail.length;
  for (const range of ranges) length += headOf(range).length + range.end - range.start;
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    length,
    parts: parts(),
    tail,
  };
}

/** @param end one past the last byte, which the header names. */
export function contentRange(start: number, end: number, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}
