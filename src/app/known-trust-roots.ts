/** Trust roots for a command beside the proxy. */
import { existsSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import { openTrustRoots } from './trust-roots.ts';

export interface KnownTrustRootsOptions {
  /** Of the command's own, which is written. */
  readonly folder: string;
  readonly logger: Logger;
  /** Whether what the proxy on this cache never fetched is fetched now. */
  readonly fetchMissing: boolean;
}

/** As the proxy on this cache knows them. Nothing of the proxy's is touched. */
export async function readKnownTrustRoots(
  config: Config,
  { folder, logger, fetchMissing }: KnownTrustRootsOptions,
): Promise<ReadonlyMap<string, TrustRoot>> {
  const known = join(config.cache.path, 'trust');
  if (existsSync(known)) {
    await cp(known, folder, { recursive: true }).catch((error: unknown) => {
      // The proxy may be replacing a file. Without it, and unfetched, the rules that name the root would be others.
      if (!fetchMissing) throw error;
    });
  }
  const options = {
    ...{ folder, logger, clock: Date.now, onChange: () => undefined },
    isOffline: config.offline,
  };
  const trust = openTrustRoots(config.trustRoots, options);
  await trust.start();
  if (fetchMissing) await trust.fetchMissing();
  const roots = trust.current();
  await trust.close();
  return roots;
}
