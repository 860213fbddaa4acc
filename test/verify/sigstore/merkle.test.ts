/** Inclusion proofs: every leaf of every small tree, and nothing but that leaf. */
import t from 'tap';
import { MAX_PROOF_HASHES } from '../../../src/verify/bounds.ts';
import { requireInclusion } from '../../../src/verify/sigstore/merkle.ts';
import { inclusionPath, leafHash, rootHash } from '../../helpers/sigstore/merkle.ts';

const entries = Array.from({ length: 20 }, (_, index) => Buffer.from(`entry ${index}`));

function proofOf(index: number, size: number) {
  const leaves = entries.slice(0, size).map(leafHash);
  const proof = {
    index: BigInt(index),
    treeSize: BigInt(size),
    hashes: inclusionPath(leaves, index),
  };
  return { leaf: entries[index] ?? Buffer.alloc(0), proof, root: rootHash(leaves) };
}

t.test('proves every leaf of every tree', (t) => {
  for (let size = 1; size <= entries.length; size += 1) {
    for (let index = 0; index < size; index += 1) {
      const { leaf, proof, root } = proofOf(index, size);
      requireInclusion(leaf, proof, root);
    }
  }
  t.end();
});

t.test('refuses another leaf, another root, and a changed hash', (t) => {
  const { leaf, proof, root } = proofOf(5, 11);
  const message = /does not lead from the entry to the root/;
  t.throws(
    () => {
      requireInclusion(Buffer.from('another'), proof, root);
    },
    { message },
  );
  t.throws(
    () => {
      requireInclusion(leaf, proof, proofOf(5, 12).root);
    },
    { message },
  );
  for (const [at] of proof.hashes.entries()) {
    const hashes = proof.hashes.map((hash, index) => (index === at ? flip(hash) : hash));
    t.throws(
      () => {
        requireInclusion(leaf, { ...proof, hashes }, root);
      },
      { message },
      `hash ${at}`,
    );
  }
  t.end();
});

t.test('refuses the leaf at any other index, and in a tree of any other size', (t) => {
  const { leaf, proof, root } = proofOf(5, 11);
  for (let index = 0n; index < 11n; index += 1n) {
    if (index === 5n) continue;
    t.throws(
      () => {
        requireInclusion(leaf, { ...proof, index }, root);
      },
      SyntaxError,
      `at ${index}`,
    );
  }
  for (const treeSize of [6n, 7n, 8n, 17n, 64n]) {
    t.throws(() => {
      requireInclusion(leaf, { ...proof, treeSize }, root);
    }, SyntaxError);
  }
  t.end();
});

t.test('refuses an inner node as a leaf', (t) => {
  // RFC 6962 §2.1: the two children of a node, one after the other, are no entry.
  const leaves = entries.slice(0, 2).map(leafHash);
  const node = Buffer.concat(leaves);
  t.throws(() => {
    requireInclusion(node, { index: 0n, treeSize: 1n, hashes: [] }, rootHash(leaves));
  });
  t.end();
});

t.test('refuses an index outside the tree', (t) => {
  const { leaf, proof, root } = proofOf(0, 1);
  for (const index of [-1n, 1n, 2n ** 63n]) {
    t.throws(
      () => {
        requireInclusion(leaf, { ...proof, index }, root);
      },
      {
        name: 'SyntaxError',
        message: /expected an index below the tree size 1/,
      },
    );
  }
  t.throws(() => {
    requireInclusion(leaf, { ...proof, treeSize: 0n }, root);
  }, SyntaxError);
  t.end();
});

t.test('refuses too few hashes, too many, and ones of another length', (t) => {
  const { leaf, proof, root } = proofOf(5, 11);
  const refuses = (hashes: readonly Buffer[], message: RegExp) =>
    t.throws(
      () => {
        requireInclusion(leaf, { ...proof, hashes }, root);
      },
      {
        name: 'SyntaxError',
        message,
      },
    );
  refuses(proof.hashes.slice(0, -1), /fewer hashes/);
  refuses([...proof.hashes, Buffer.alloc(32)], /more hashes/);
  refuses([Buffer.alloc(33), ...proof.hashes.slice(1)], /32 bytes/);
  refuses([Buffer.alloc(0), ...proof.hashes.slice(1)], /32 bytes/);
  refuses(Array(MAX_PROOF_HASHES + 1).fill(Buffer.alloc(32)), /at most 64/);
  t.end();
});

function flip(hash: Buffer): Buffer {
  const flipped = Buffer.from(hash);
  flipped.writeUInt8(flipped.readUInt8(0) ^ 1);
  return flipped;
}
