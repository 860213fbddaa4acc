/** The keys under which the rules in force keep what they decide. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { readKnownTrustRoots } from './known-trust-roots.ts';
import { readRules } from './rules.ts';

/** Asks nobody. @throws {SyntaxError} for rules that cannot be used. */
export async function readPolicyKeys(config: Config, logger: Logger): Promise<ReadonlySet<string>> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-keys-'));
  try {
    const options = { folder: join(folder, 'trust'), logger, fetchMissing: false };
    const { policy } = readRules(config, await readKnownTrustRoots(config, options));
    return new Set(policy.rules.map(({ key }) => key));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
