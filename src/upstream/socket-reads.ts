/** How sockets read: into few buffers that are used again, instead of new memory for every read. */
import type { OnReadOpts, Socket } from 'node:net';

const KiB = 1024;
/** Bytes of a socket's first buffers; one that fills up is followed by a larger one. */
const SMALLEST = 16 * KiB;
const LARGEST = 256 * KiB;

/**
 * Bytes of the names and values in the headers of one message, at most. undici keeps pieces of the buffer that headers
 * came in until they end, so only a read that is at least as long may lie in memory that is used again: it holds their
 * end. Thousands of empty fields can be longer on the way; whoever sends those garbles them for himself alone, since no
 * two connections share a buffer.
 */
export const MAX_HEADER_BYTES = 16 * KiB;

/**
 * Reads for any number of sockets. Long reads are only lent: they may be overwritten as soon as the stream of the socket
 * has given them out and its reader has returned. Whoever keeps such bytes copies them.
 *
 * Every read into memory of its own makes the collector look at the whole heap each 64 MiB or less, which costs more than
 * everything else that a byte goes through.
 */
export function lentReads(): OnReadOpts {
  /** What each socket filled last, free again once its stream is empty. */
  const filled = new WeakMap<Socket, Buffer>();
  /** For the read that comes next; Node asks for it right after it told of the last one. */
  let next: Buffer | undefined;
  return {
    buffer: () => {
      const buffer = next ?? Buffer.allocUnsafeSlow(SMALLEST);
      next = undefined;
      return buffer;
    },
    callback(this: Socket, bytes, target) {
      const buffer = target as Buffer;
      let wantsMore: boolean;
      // Known only at the end: should anything open another connection meanwhile, that one gets memory of its own.
      let following = buffer;
      if (bytes < MAX_HEADER_BYTES) {
        wantsMore = this.push(Buffer.from(buffer.subarray(0, bytes)));
      } else {
        const spare = filled.get(this);
        const size = bytes < buffer.length ? buffer.length : Math.min(2 * buffer.length, LARGEST);
        following =
          spare !== undefined && spare.length >= size && this.readableLength === 0
            ? spare
            : Buffer.allocUnsafeSlow(size);
        filled.set(this, buffer);
        wantsMore = this.push(buffer.subarray(0, bytes));
      }
      next = following;
      return wantsMore;
    },
  };
}
