/** Bytes from a blob to a client: two buffers in turn, the next read under way while the last one is written. */
import type { ServerResponse } from 'node:http';
import type { BlobReader } from '../store/blob-store.ts';
import type { ByteRange } from './byte-range.ts';

/** Bytes of one buffer; larger ones were not faster, smaller ones were. */
const BUFFER = 256 * 1024;
/** Milliseconds in which a client must take one buffer: 2 KiB a second, less is nobody who pulls. */
const WRITE_TIMEOUT = 120_000;
/** Pairs kept for the next request; more requests than that allocate theirs. */
const KEPT_PAIRS = 64;

interface Pair {
  readonly first: Buffer;
  readonly second: Buffer;
}

const spare: Pair[] = [];

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
  const pair = spare.pop() ?? {
    first: Buffer.allocUnsafeSlow(BUFFER),
    second: Buffer.allocUnsafeSlow(BUFFER),
  };
  let reading: Promise<number> | undefined;
  try {
    let position = start;
    let buffer = pair.first;
    reading = readInto(reader, buffer, position, end);
    let begun = false;
    while (position < end) {
      const length = await reading;
      if (length === 0) throw new Error('the blob ended before its size');
      if (!begun) {
        begun = true;
        begin();
      }
      const chunk = buffer.subarray(0, length);
      position += length;
      buffer = buffer === pair.first ? pair.second : pair.first;
      if (position < end) {
        reading = readInto(reader, buffer, position, end);
        // It may fail while the write is awaited; whoever awaits it next hears of that.
        reading.catch(() => undefined);
      }
      await write(response, chunk);
    }
    if (!begun) begin();
    return position - start;
  } finally {
    // The pair is used again only when no read can still write into it.
    const settled = reading ?? Promise.resolve(0);
    void settled.catch(() => 0).then(() => spare.length < KEPT_PAIRS && spare.push(pair));
  }
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
