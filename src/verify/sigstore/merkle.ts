/** Inclusion of a leaf in a Merkle tree: RFC 9162 §2.1.3.2, the tree of RFC 6962 §2.1 with SHA-256. */
import { createHash } from 'node:crypto';
import { MAX_PROOF_HASHES } from '../bounds.ts';

const HASH_LENGTH = 32;
// RFC 6962 §2.1: without the prefixes, an inner node could be passed off as a leaf.
const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

export interface MerkleProof {
  readonly index: bigint;
  readonly treeSize: bigint;
  /** From the leaf towards the root. */
  readonly hashes: readonly Buffer[];
}

/**
 * Requires that the tree with this root holds exactly these bytes at the proof's index.
 * @throws {SyntaxError} saying what does not hold.
 */
export function requireInclusion(leaf: Buffer, proof: MerkleProof, root: Buffer): void {
  if (!rootOf(leaf, proof).equals(root)) {
    throw new SyntaxError('the inclusion proof does not lead from the entry to the root hash');
  }
}

/** RFC 9162 §2.1.3.2, steps 1 to 5. */
function rootOf(leaf: Buffer, { index, treeSize, hashes }: MerkleProof): Buffer {
  if (index < 0n || index >= treeSize) {
    throw new SyntaxError(
      `expected an index below the tree size ${treeSize}, got ${index} in the inclusion proof`,
    );
  }
  if (hashes.length > MAX_PROOF_HASHES) {
    throw new SyntaxError(
      `expected an inclusion proof of at most ${MAX_PROOF_HASHES} hashes, got ${hashes.length}`,
    );
  }
  let node = index;
  let last = treeSize - 1n;
  let hash = sha256(LEAF, leaf);
  for (const sibling of hashes) {
    if (sibling.length !== HASH_LENGTH) {
      throw new SyntaxError(
        `expected hashes of ${HASH_LENGTH} bytes in the inclusion proof, got ${sibling.length}`,
      );
    }
    if (last === 0n) throw new SyntaxError('the inclusion proof has more hashes than the tree');
    if ((node & 1n) === 1n || node === last) {
      hash = sha256(NODE, sibling, hash);
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = sha256(NODE, hash, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) throw new SyntaxError('the inclusion proof has fewer hashes than the tree');
  return hash;
}

function sha256(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}
