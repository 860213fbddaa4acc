/** Reads multipart/byteranges as strictly as RFC 2046 §5.1 writes it: nothing before, between or after but what it says. */

export interface ReceivedPart {
  readonly contentType: string;
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
  readonly size: number;
  readonly bytes: Buffer;
}

/** @throws {Error} where the body is not of this form, to the byte. */
export function parseMultipart(contentType: unknown, body: Buffer): readonly ReceivedPart[] {
  const [, boundary] =
    /^multipart\/byteranges; boundary=([0-9A-Za-z]{1,70})$/.exec(String(contentType)) ?? [];
  if (boundary === undefined) throw new Error(`expected byteranges, got ${String(contentType)}`);
  const parts: ReceivedPart[] = [];
  let at = 0;
  const take = (text: string): boolean => {
    const found = body.toString('latin1', at, at + text.length) === text;
    if (found) at += text.length;
    return found;
  };
  while (!take(`\r\n--${boundary}--\r\n`)) {
    if (!take(`\r\n--${boundary}\r\n`)) throw new Error(`expected a boundary at ${at}`);
    const gap = body.indexOf('\r\n\r\n', at);
    const head = body.toString('latin1', at, gap);
    const [, type = '', first, last, size] =
      /^Content-Type: ([^\r\n]+)\r\nContent-Range: bytes (\d+)-(\d+)\/(\d+)$/.exec(head) ?? [];
    if (gap === -1 || size === undefined) throw new Error(`expected a part's head, got ${head}`);
    const [start, end] = [Number(first), Number(last) + 1];
    at = gap + 4 + end - start;
    if (at > body.length) throw new Error('a part is cut off');
    const bytes = body.subarray(gap + 4, at);
    parts.push({ contentType: type, start, end, size: Number(size), bytes });
  }
  if (at !== body.length) throw new Error('expected nothing after the last boundary');
  return parts;
}
