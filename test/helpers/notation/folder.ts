/** Notation's own folder of configuration on the disk, and the trust root that a configuration makes of it. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readNotationFolder } from '../../../src/config/notation-folder.ts';
import {
  parseNotationConfigDir,
  type NotationPolicyRoot,
} from '../../../src/trust/notation-config-dir.ts';

/** Demands a signature by anybody of `ca:vendor`, for every repository, strictly. */
export const STATEMENT = {
  name: 'all',
  registryScopes: ['*'],
  signatureVerification: { level: 'strict' },
  trustStores: ['ca:vendor'],
  trustedIdentities: ['*'],
};

/** Lets through what is in these repositories. */
export function skipping(...registryScopes: readonly string[]) {
  return { name: 'unsigned', registryScopes, signatureVerification: { level: 'skip' } };
}

export function policyText(...statements: readonly object[]): string {
  return JSON.stringify({ version: '1.0', trustPolicies: statements });
}

/**
 * Writes the folder anew.
 * @param stores content of files, by their path in `truststore/x509`: `ca/vendor/a.pem`.
 */
export function writeNotationFolder(
  folder: string,
  statements: readonly object[],
  stores: Readonly<Record<string, string | Buffer>>,
): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'trustpolicy.json'), policyText(...statements));
  for (const [name, content] of Object.entries(stores)) {
    const file = join(folder, 'truststore/x509', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}

/**
 * Reads the folder as a configuration does.
 * @throws {SyntaxError} for every mistake, those of the configuration included.
 */
export function readNotationPolicy(folder: string, name = 'corp'): NotationPolicyRoot {
  const section = {
    folder,
    env: {},
    report(_path: unknown, message: string): never {
      throw new SyntaxError(message);
    },
  };
  return parseNotationConfigDir(name, readNotationFolder(section, [], folder));
}
