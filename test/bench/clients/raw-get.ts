/** The cheapest GET there is: one request on a connection of its own, its body counted in one reused buffer. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RawGet {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Keeps the body, which is a small one. */
  readonly keep?: boolean;
  /** Bytes a second that this client takes at most. */
  readonly bytesPerSecond?: number | undefined;
  /** Leaves in the middle. */
  readonly signal?: AbortSignal | undefined;
}

export interface RawAnswer {
  readonly bytes: number;
  readonly body: Buffer;
}

const BUFFER = 256 * 1024;
/** Milliseconds between two reads of a client that takes its time. */
const PAUSE = 250;

/** @throws when the answer is no 200 or ends before its length. */
export async function rawGet(wanted: RawGet): Promise<RawAnswer> {
  const { bytesPerSecond, keep = false, signal } = wanted;
  const slow = bytesPerSecond !== undefined;
  const size = slow ? Math.max(1, Math.floor((bytesPerSecond * PAUSE) / 1000)) : BUFFER;
  let head = '';
  let left = Number.POSITIVE_INFINITY;
  let bytes = 0;
  const kept: Buffer[] = [];
  const done = Promise.withResolvers<undefined>();

  function take(count: number, data: Uint8Array): boolean {
    let chunk = Buffer.from(data.buffer, data.byteOffset, count);
    if (left === Number.POSITIVE_INFINITY) {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) return true;
      chunk = Buffer.from(head.slice(end + 4), 'latin1');
      left = lengthIn(head.slice(0, end));
    }
    bytes += chunk.length;
    left -= chunk.length;
    if (keep) kept.push(Buffer.from(chunk));
    if (left <= 0) done.resolve(undefined);
    if (slow) void sleep(PAUSE).then(() => socket.resume());
    return !slow;
  }

  // A slow client's kernel must not take for it what it does not take itself.
  const socket: Socket = connect({
    host: wanted.host,
    port: wanted.port,
    onread: {
      buffer: Buffer.allocUnsafeSlow(size),
      callback: (count, data) => {
        try {
          return take(count, data);
        } catch (error) {
          socket.destroy(error instanceof Error ? error : undefined);
          return false;
        }
      },
    },
  });
  socket.once('error', done.reject);
  socket.once('close', () => {
    if (left > 0 && signal?.aborted !== true) done.reject(new Error('the answer was cut short'));
    else done.resolve(undefined);
  });
  signal?.addEventListener('abort', () => socket.destroy(), { once: true });
  const headers = { host: wanted.host, connection: 'close', ...wanted.headers };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${wanted.path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  try {
    await done.promise;
  } finally {
    socket.destroy();
  }
  return { bytes, body: Buffer.concat(kept) };
}

function lengthIn(head: string): number {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (!head.startsWith('HTTP/1.1 200') || length === undefined) {
    throw new Error(`expected a whole body, got ${head.slice(0, 300)}`);
  }
  return Number(length);
}
