/** Merkle trees as RFC 6962 §2.1 defines them, computed the slow and plain way. */
import { sha } from './key.ts';

export function leafHash(entry: Uint8Array): Buffer {
  return sha('sha256', Buffer.from([0]), entry);
}

export function rootHash(leaves: readonly Buffer[]): Buffer {
  const [first] = leaves;
  if (first === undefined) return sha('sha256');
  if (leaves.length === 1) return first;
  const half = splitOf(leaves.length);
  return nodeHash(rootHash(leaves.slice(0, half)), rootHash(leaves.slice(half)));
}

/** The hashes that lead from one leaf to the root, from the lowest to the highest. */
export function inclusionPath(leaves: readonly Buffer[], index: number): readonly Buffer[] {
  if (leaves.length <= 1) return [];
  const half = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, half), leaves.slice(half)];
  return index < half
    ? [...inclusionPath(left, index), rootHash(right)]
    : [...inclusionPath(right, index - half), rootHash(left)];
}

function nodeHash(left: Buffer, right: Buffer): Buffer {
  return sha('sha256', Buffer.from([1]), left, right);
}

/** The largest power of two below. */
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}
