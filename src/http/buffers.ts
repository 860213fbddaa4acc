/** The buffers between blobs and clients: large while clients are few or quick, small for the many and the slow. */

const KiB = 1024;

/**
 * Bytes of a buffer. Fewer turns of the event loop are worth more than anything else: on two cores one buffer of 1 MiB
 * moved more than two of 256 or 512 KiB in turn.
 */
const SIZES = [1024 * KiB, 256 * KiB, 64 * KiB] as const;
/** The size for a connection over TLS, which keeps what it encrypts a second time. */
export const ENCRYPTED_BUFFER = 256 * KiB;
export const SMALLEST_BUFFER = 64 * KiB;
/** Bytes of all buffers of one size; of the smallest there are as many as are asked for. */
const ROOM = 16 * 1024 * KiB;

interface Shelf {
  readonly size: number;
  readonly spare: Buffer[];
  used: number;
}

const shelves: readonly Shelf[] = SIZES.map((size) => ({ size, spare: [], used: 0 }));

/** The largest buffer that there is room for, of at most so many bytes. Give it back, or say that it is lost. */
export function takeBuffer(atMost: number): Buffer {
  const shelf = shelves.find(
    ({ size, used }) => size === SMALLEST_BUFFER || (size <= atMost && used * size < ROOM),
  );
  if (shelf === undefined) throw new Error('expected a smallest size');
  shelf.used++;
  return shelf.spare.pop() ?? Buffer.allocUnsafeSlow(shelf.size);
}

/** Nobody reads or writes it any more: it serves the next request. */
export function giveBuffer(buffer: Buffer): void {
  const shelf = loseBuffer(buffer);
  if (shelf !== undefined && shelf.spare.length * shelf.size < ROOM) shelf.spare.push(buffer);
}

/** It is left to the collector: nobody knows what a broken connection still holds on to. */
export function loseBuffer(buffer: Buffer): Shelf | undefined {
  const shelf = shelves.find(({ size }) => size === buffer.length);
  if (shelf !== undefined) shelf.used--;
  return shelf;
}
