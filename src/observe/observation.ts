/** Logger, audit trail and metrics of one process, and the events that reach all of them at once. */
import type { Logger } from 'pino';
import { createAudit, type Audit } from './audit.ts';
import { LogStream, type LogStreamOptions } from './log-stream.ts';
import { createLogger } from './logger.ts';
import { createMetrics, type Metrics } from './metrics.ts';

/** Has the shape of an observer of the registry surface, so it can be handed on as one. */
export interface Observation {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** One audit line and its counters. */
  readonly pull: Audit;
  readonly blobServed: (source: 'cache' | 'fill', bytes: number) => void;
  readonly digestMismatch: (upstream: string) => void;
  readonly request: (route: string, status: number) => void;
  /** Writes what is still in memory, and lets go of the log. */
  readonly close: () => void;
}

export interface ObservationOptions extends Pick<LogStreamOptions, 'destination'> {
  readonly level: string;
}

/** @see {@link Observation} */
export function createObservation(options: ObservationOptions): Observation {
  const { level, destination } = options;
  const metrics = createMetrics();
  const stream = new LogStream({
    ...(destination === undefined ? {} : { destination }),
    onDrop: metrics.logLinesDropped,
  });
  const audit = createAudit(stream);
  return {
    logger: createLogger(level, stream),
    metrics,
    pull: (request, decision) => {
      audit(request, decision);
      metrics.decision(decision.outcome, decision.cached);
      if (decision.outcome === 'warned') metrics.auditWouldDeny(decision.rule ?? '');
      if (decision.outcome === 'excepted') metrics.exceptionUsed(decision.rule ?? '');
    },
    blobServed: metrics.blobBytesServed,
    digestMismatch: metrics.digestMismatch,
    request: metrics.request,
    close: () => {
      stream.close();
    },
  };
}
