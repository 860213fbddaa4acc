/** Bytes from a blob to a client: read into a buffer, written from it, nothing in between. */
import type { ServerResponse } from 'node:http';
import type { BlobReader } from '../store/blob-store.ts';
import {
  ENCRYPTED_BUFFER,
  giveBuffer,
  loseBuffer,
  SMALLEST_BUFFER,
  takeBuffer,
} from './buffers.ts';
import type { Part } from './multipart.ts';

/** Milliseconds in which a client must take what is in its buffer, whatever its size: longer is nobody who pulls. */
const WRITE_TIMEOUT = 120_000;
/** Milliseconds for one buffer after which a client is a slow one, and a small buffer does for it. */
const SLOW = 1000;

/** The client went away; nobody is to blame. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

export interface Body {
  readonly parts: Iterable<Part>;
  /** Bytes of all of it. */
  readonly length: number;
}

/**
 * Sends ranges of the blob, each after its head. `begin` is called when the first bytes are there, so that a blob that
 * cannot be had is still answered with an error; after it the only honest answer to a failure is a short body.
 * @returns bytes of the blob that were written.
 * @throws what the reader throws, or {@link ClientGone}.
 */
export async function pump(
  reader: BlobReader,
  response: ServerResponse,
  { parts, length }: Body,
  begin: () => void,
): Promise<number> {
  const encrypted = response.socket !== null && 'encrypted' in response.socket;
  let buffer = takeBuffer(encrypted ? Math.min(length, ENCRYPTED_BUFFER) : length);
  let sent = 0;
  try {
    for (const { head, start, end } of parts) {
      let filled = buffer.write(head, 'latin1');
      for (let position = start; position < end;) {
        const room = Math.min(buffer.length - filled, end - position);
        const bytes = await reader.read(buffer.subarray(filled, filled + room), position);
        if (bytes === 0) throw new Error('the blob ended before its size');
        if (sent === 0) begin();
        position += bytes;
        sent += bytes;
        const begun = performance.now();
        await write(response, buffer.subarray(0, filled + bytes));
        filled = 0;
        if (buffer.length > SMALLEST_BUFFER && performance.now() - begun > SLOW) {
          giveBuffer(buffer);
          buffer = takeBuffer(SMALLEST_BUFFER);
        }
      }
    }
  } catch (error) {
    loseBuffer(buffer);
    throw error;
  }
  giveBuffer(buffer);
  if (sent === 0) begin();
  return sent;
}

/** Resolves when the bytes have left the buffer. */
function write(response: ServerResponse, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let idle: NodeJS.Timeout | undefined = undefined;
    const gone = (): void => {
      clearTimeout(idle);
      reject(new ClientGone('the client closed the connection'));
    };
    if (response.destroyed || response.writableEnded) {
      gone();
      return;
    }
    idle = setTimeout(() => response.destroy(), WRITE_TIMEOUT);
    response.once('close', gone);
    response.write(chunk, (error) => {
      clearTimeout(idle);
      response.off('close', gone);
      if (error === undefined || error === null) resolve();
      else gone();
    });
  });
}
