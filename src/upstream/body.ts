/** Reads response bodies whole, within bounds. */
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { UpstreamError } from './upstream.ts';

/**
 * The whole body.
 * @param what names the request.
 * @throws {UpstreamError} `too-large`, or whatever ended the body early.
 */
export async function readWhole(
  response: Dispatcher.ResponseData,
  maxBytes: number,
  what: string,
): Promise<Buffer> {
  const { body, headers } = response;
  const tooLarge = () =>
    new UpstreamError('too-large', `${what} failed: expected at most ${maxBytes} bytes, got more`);
  if (Number(headers['content-length']) > maxBytes) {
    drop(body);
    throw tooLarge();
  }
  const { bytes, whole } = await collect(body, maxBytes);
  if (!whole) throw tooLarge();
  return bytes;
}

/** As much of a body as fits, for messages; what goes wrong while reading it does not matter. */
export async function readAtMost(body: Readable, maxBytes: number): Promise<Buffer> {
  try {
    return (await collect(body, maxBytes)).bytes;
  } catch {
    return Buffer.alloc(0);
  }
}

/** Ends a response that nobody reads, and its connection when it is not at its end. */
export function drop(body: Readable): void {
  body.on('error', () => undefined);
  body.destroy();
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
    chunks.push(chunk);
  }
  return { bytes: Buffer.concat(chunks), whole: true };
}
