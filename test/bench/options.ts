/** How much and how long is measured: environment variables, for machines that hold less or have less time. */

const MiB = 2 ** 20;
const GiB = 2 ** 30;

/** Of the sizes below; each row names the size that was measured. */
const scale = positive('BENCH_SCALE', 1);

/** Seconds of each round of load. */
export const SECONDS = positive('BENCH_SECONDS', 4);
/** Odd, so that one is in the middle. */
export const ROUNDS = positive('BENCH_ROUNDS', 3);

export const LAYERS = 4;
/** Bytes of the pulled image, in layers of one size. */
export const IMAGE_BYTES = whole(GiB * scale);
/** Bytes of the large layer. */
export const LARGE_LAYER_BYTES = whole(10 * GiB * scale);
export const STAMPEDE_CLIENTS = 100;
export const SLOW_CLIENTS = 200;
/** What lies in the cache at the start. */
export const KEPT_BLOBS = Math.round(1_000_000 * scale);
export const KEPT_IMAGES = Math.round(100_000 * scale);
/** Bytes a second of the upstream at a distance, for each connection. */
export const DISTANT_BYTES_PER_SECOND = 32 * MiB;

function positive(name: string, otherwise: number): number {
  const text = process.env[name];
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new Error(`expected ${name} to be a number above zero, got ${text ?? ''}`);
}

/** Layers are made of whole blocks. */
function whole(bytes: number): number {
  return Math.max(LAYERS * MiB, Math.round(bytes / (LAYERS * MiB)) * LAYERS * MiB);
}
