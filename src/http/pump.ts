/** Bytes from a blob to a client: read into a buffer, written from it, nothing in between. */
import type { ServerResponse } from 'node:http';
import type { BlobReader } from '../store/blob-store.ts';
import type { ByteRange } from './byte-range.ts';

/**
 * Bytes of the buffer. On two cores one of 1 MiB moved more than two of 256 or 512 KiB in turn: the kernel copies either
 * way, and fewer turns of the event loop are worth more than reading ahead of a page cache.
 */
const BUFFER = 1024 * 1024;
/** Milliseconds in which a client must take one buffer: 8 KiB a second, less is nobody who pulls. */
const WRITE_TIMEOUT = 120_000;
/** Buffers kept for the next request; more requests than that allocate theirs. */
const KEPT_BUFFERS = 64;

const spare: Buffer[] = [];

/** The client went away; nobody is to blame. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/**
 * Sends a range of the blob. `begin` is called when the first bytes are there, so that a blob that cannot be had is
 * still answered with an error; after it the only honest answer to a failure is a short body.
 * @returns bytes written.
 * @throws what the reader throws, or {@link ClientGone}.
 */
export async function pump(
  reader: BlobReader,
  response: ServerResponse,
  { start, end }: ByteRange,
  begin: () => void,
): Promise<number> {
  const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER);
  let position = start;
  while (position < end) {
    const length = await readInto(reader, buffer, position, end);
    if (length === 0) throw new Error('the blob ended before its size');
    if (position === start) begin();
    position += length;
    await write(response, buffer.subarray(0, length));
  }
  if (start === end) begin();
  // After a failure it is left to the collector: nobody knows what a broken connection still holds on to.
  if (spare.length < KEPT_BUFFERS) spare.push(buffer);
  return position - start;
}

function readInto(
  reader: BlobReader,
  buffer: Buffer,
  position: number,
  end: number,
): Promise<number> {
  const wanted = end - position;
  return reader.read(wanted < buffer.length ? buffer.subarray(0, wanted) : buffer, position);
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
