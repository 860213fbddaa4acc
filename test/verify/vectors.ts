/** Where the vectors are that others made: a folder that is not part of the project. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePublicKeys } from '../../src/trust/public-key.ts';
import { publicKeysRoot, type TrustRoot } from '../../src/trust/trust-root.ts';

const folder = process.env['COUNTERSIGN_VECTORS'];

/** For tests that need the vectors. */
export const needsVectors = {
  skip: folder === undefined ? 'COUNTERSIGN_VECTORS is not set' : false,
};

export function vectorPath(...parts: readonly string[]): string {
  if (folder === undefined) throw new Error('expected COUNTERSIGN_VECTORS to be set');
  return join(folder, ...parts);
}

export function readVector(...parts: readonly string[]): Buffer {
  return readFileSync(vectorPath(...parts));
}

/** A trust root of the keys in one file. */
export function vectorRoot(name: string, ...parts: readonly string[]): TrustRoot {
  return publicKeysRoot(name, parsePublicKeys(readVector(...parts).toString(), name));
}
