/** One registry, spared: left alone while it does not answer or limits us, with account kept of what it lets us ask. */
import type { Logger } from 'pino';
import type { CircuitLimits } from './bounds.ts';
import { openBudget, type Budget } from './budget.ts';
import { breakCircuit } from './circuit-breaker.ts';
import { keepLimits } from './limit-keeper.ts';
import {
  createRegistryUpstream,
  type RegistryUpstream,
  type RegistryUpstreamOptions,
} from './registry-upstream.ts';

/** How it stands with one place, for whoever watches. */
export interface PlaceStatus {
  readonly upstream: string;
  /** The place's origin. */
  readonly url: string;
  /** Left alone as a whole, because nobody answers. */
  readonly isOpen: boolean;
  /** How many repositories are left alone for themselves. */
  readonly openRepositories: number;
  /** Left alone because it limits us. */
  readonly isLimited: boolean;
  /** What it said last of its limit, as long as that is so. */
  readonly budget: Budget | undefined;
}

export interface SparedUpstreamOptions extends Omit<RegistryUpstreamOptions, 'onAnswer'> {
  readonly logger: Pick<Logger, 'debug' | 'info' | 'warn'>;
  /** From 0 to below 1, for the jitter. */
  readonly random?: (() => number) | undefined;
  readonly circuit?: CircuitLimits | undefined;
}

export interface SparedUpstream extends RegistryUpstream {
  readonly status: () => PlaceStatus;
}

/** @throws {Error} as {@link createRegistryUpstream} does. */
export function createSparedUpstream(options: SparedUpstreamOptions): SparedUpstream {
  const { name, url, logger, random, clock = Date.now } = options;
  const budget = openBudget(clock);
  const registry = createRegistryUpstream({ ...options, onAnswer: budget.read });
  const breaking = breakCircuit(registry, { logger, clock, random, limits: options.circuit });
  const keeping = keepLimits(breaking, { logger, clock, random, budget });
  return {
    ...keeping,
    status: () => ({
      upstream: name,
      url: url.origin,
      isOpen: breaking.isOpen,
      openRepositories: breaking.openRepositories,
      isLimited: keeping.isLimited,
      budget: budget.find(),
    }),
  };
}
