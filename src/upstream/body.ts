/** Reads response bodies whole, within bounds. */
import type { IncomingHttpHeaders } from 'node:http';
import { UpstreamError } from './upstream.ts';

/** A response of any kind, as far as it has to be known here. */
export interface Answer {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Bytes;
}

interface Bytes extends AsyncIterable<unknown> {
  /** Ends it, and its connection when it is not at its end. */
  destroy(): unknown;
}

/**
 * The whole body.
 * @param what names the request.
 * @throws {UpstreamError} `too-large`, or whatever ended the body early.
 */
export async function readWhole(response: Answer, maxBytes: number, what: string): Promise<Buffer> {
  const { body, headers } = response;
  const tooLarge = () =>
    new UpstreamError('too-large', `${what} failed: expected at most ${maxBytes} bytes, got more`);
  if (Number(headers['content-length']) > maxBytes) {
    body.destroy();
    throw tooLarge();
  }
  const { bytes, whole } = await collect(body, maxBytes);
  if (!whole) throw tooLarge();
  return bytes;
}

/** As much of a body as fits, for messages; what goes wrong while reading it does not matter. */
export async function readAtMost(body: AsyncIterable<unknown>, maxBytes: number): Promise<Buffer> {
  try {
    return (await collect(body, maxBytes)).bytes;
  } catch {
    return Buffer.alloc(0);
  }
}

async function collect(
  body: AsyncIterable<unknown>,
  maxBytes: number,
): Promise<{ bytes: Buffer; whole: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('expected a body of bytes');
    length += chunk.length;
    // Leaving the loop destroys the body, and with it the connection.
    if (length > maxBytes) return { bytes: Buffer.concat(chunks), whole: false };
    // It may be lent.
    chunks.push(Buffer.from(chunk));
  }
  return { bytes: Buffer.concat(chunks), whole: true };
}
