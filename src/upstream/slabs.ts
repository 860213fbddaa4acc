/** Pieces of memory that blobs pass through on their way in, used again for the next. */

/** Bytes of a slab. */
export const SLAB_BYTES = 256 * 1024;
/** Slabs that wait for their next use; more are left to the collector. */
const MAX_SPARE = 32;

const spare: Buffer[] = [];

/** A slab with whatever is in it. */
export function takeSlab(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
}

/** Nobody reads or writes it any more. */
export function giveSlab(slab: Buffer): void {
  if (spare.length < MAX_SPARE) spare.push(slab);
}
