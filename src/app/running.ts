/** One configuration at work: its upstreams, its rules, and trust roots that may change under them. */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { createAdmission } from '../admission/admission.ts';
import { openExceptions } from '../admission/exceptions.ts';
import type { AdmissionParts } from '../admission/parts.ts';
import type { ReverificationParts } from '../admission/reverification.ts';
import type { Config } from '../config/config.ts';
import type { Serving } from '../http/serving.ts';
import { describeOver } from '../policy/exception.ts';
import type { Policy } from '../policy/rule.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import type { RegistryUpstream } from '../upstream/registry-upstream.ts';
import type { PlaceStatus } from '../upstream/spared-upstream.ts';
import { readRules } from './rules.ts';
import { startReverifying } from './reverifying.ts';
import { openRevocation } from './revocation.ts';
import { openTrustRoots } from './trust-roots.ts';
import { createUpstreams } from './upstreams.ts';

/** What outlives a configuration. */
export type SharedParts = Pick<
  AdmissionParts,
  'blobs' | 'images' | 'records' | 'clock' | 'onTagMove' | 'onWithdrawn'
> & {
  readonly logger: Logger;
  readonly onReverified?: ReverificationParts['onReverified'];
};

export interface Running {
  readonly config: Config;
  /** Look again for every request. */
  current(): Serving;
  readonly upstreams: ReadonlyMap<string, RegistryUpstream>;
  /** How it stands with each place that may be asked. */
  upstreamStatus(): readonly PlaceStatus[];
  /** Ends the refreshing of trust roots; requests under way are left alone. */
  retire(): Promise<void>;
}

/** @throws {SyntaxError} for rules and trust roots that cannot be used. */
export async function run(config: Config, shared: SharedParts): Promise<Running> {
  const { logger, clock } = shared;
  const connected = createUpstreams(config, { logger, clock });
  const upstreams = connected.byName;
  const revocation = openRevocation(config);
  const exceptions = openExceptions(config.exceptions, clock);
  let trustRoots = new Map<string, TrustRoot>();
  let serving: Serving | undefined;
  let policy: Policy = { rules: [] };

  function build(): Serving {
    // A map of its own for each set of rules: what is under way ends with the roots that it began with.
    trustRoots = new Map(trust.current());
    const rules = readRules(config, trustRoots);
    policy = rules.policy;
    return {
      admission: createAdmission({
        ...rules,
        upstreams,
        ...shared,
        exceptions,
        revocation: revocation.check,
        prefetch: config.cache.prefetch,
      }),
      upstreams: {
        has: (name) => upstreams.has(name),
        default: config.upstreams.find((upstream) => upstream.default)?.name,
      },
      origins: upstreams,
    };
  }

  for (const exception of config.exceptions.filter(({ expires }) => expires <= clock())) {
    const { digest, rule } = exception;
    logger.warn({ digest, rule }, `an exception has no effect: ${describeOver(exception)}`);
  }
  const trust = openTrustRoots(config.trustRoots, {
    isOffline: config.offline,
    folder: join(config.cache.path, 'trust'),
    logger,
    clock,
    onChange(root, previous) {
      if (serving === undefined) return;
      // Other content is another key of every rule on it, so all that it governs is decided anew.
      if (root.id !== previous.id) serving = build();
      else trustRoots.set(root.name, root);
    },
  });
  await trust.start();
  serving = build();
  const started = serving;
  const current = (): Serving => serving ?? started;
  const { blobs, records, onReverified } = shared;
  const reverifying = startReverifying(() => {
    const { admission } = current();
    return { policy, admission, blobs, records, clock, logger, onReverified };
  });
  return {
    config,
    current,
    upstreams,
    upstreamStatus: () => connected.status(),
    async retire() {
      await reverifying.close();
      await trust.close();
      await revocation.close();
    },
  };
}
