/** What is counted, in the text format that Prometheus reads; rooms receive the counters as plain functions. */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { Tally } from './tally.ts';

/** Of a closed list, but for the rule. */
export interface TagMoveCount {
  readonly rule: string;
  readonly outcome: string;
  readonly why: string;
}

/** How it stands with one place that is asked. */
export interface PlaceStatus {
  readonly upstream: string;
  readonly url: string;
  readonly isOpen: boolean;
  readonly openRepositories: number;
  readonly isLimited: boolean;
  readonly budget: { readonly limit: number | undefined; readonly remaining: number } | undefined;
}

/** Every counter as a function. Labels come from the configuration and from closed lists, never from clients. */
export interface Metrics {
  /** One answer to "may this be served?". */
  readonly decision: (outcome: string, cached: string) => void;
  /** Served under a rule in audit mode that would have refused it. */
  readonly auditWouldDeny: (rule: string) => void;
  /** Served because of an exception alone. */
  readonly exceptionUsed: (rule: string) => void;
  readonly request: (route: string, status: number) => void;
  readonly blobBytesServed: (source: 'cache' | 'fill', bytes: number) => void;
  readonly digestMismatch: (upstream: string) => void;
  /** A blob that the disk would not take, served without being kept. */
  readonly blobUnkept: () => void;
  /** A tag that means another digest upstream, and what became of it. */
  readonly tagMove: (move: TagMoveCount) => void;
  /** An image that was admitted and is not any more. */
  readonly withdrawn: (rule: string) => void;
  /** An image that was verified again unasked. */
  readonly reverified: (outcome: string) => void;
  readonly logLinesDropped: (lines: number) => void;
  /** Asked at each scrape from now on. */
  readonly watchPlaces: (status: () => readonly PlaceStatus[]) => void;
  readonly contentType: string;
  readonly render: () => Promise<string>;
}

/** Counters of this process in a registry of their own, beside prom-client's process metrics. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  function counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ): Counter<Label> {
    return new Counter({ name: `countersign_${name}`, help, labelNames, registers: [registry] });
  }

  /** For what happens with every request. */
  function tally(name: string, help: string, labelNames: readonly [string, string]): Tally {
    const counts = new Tally();
    const [first, second] = labelNames;
    new Counter<string>({
      name: `countersign_${name}`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        for (const [one, other, count] of counts.take()) {
          this.inc({ [first]: one, [second]: other }, count);
        }
      },
    });
    return counts;
  }

  const decisions = tally('decisions_total', 'Decisions by outcome and by where they came from.', [
    'outcome',
    'cached',
  ]);
  const wouldDeny = counter(
    'audit_would_deny_total',
    'Served under a rule in audit mode that would have refused it.',
    ['rule'],
  );
  const exceptionsUsed = counter(
    'exceptions_used_total',
    'Served because an exception admits it although its signatures do not.',
    ['rule'],
  );
  const requests = tally('requests_total', 'Requests by route and status.', ['route', 'status']);
  const blobBytes = counter(
    'blob_bytes_served_total',
    'Bytes of blobs that were sent to clients.',
    ['source'],
  );
  const mismatches = counter(
    'digest_mismatch_total',
    'Content that was not what its digest says. Alert on any.',
    ['upstream'],
  );
  const unkept = counter(
    'blobs_unkept_total',
    'Blobs that the disk would not take, served without being kept. Alert on any.',
    [],
  );
  const withdrawals = counter(
    'withdrawn_total',
    'Images that were admitted and do not pass any more. Alert on any.',
    ['rule'],
  );
  const reverified = counter(
    'reverified_total',
    'Cached images that were verified again unasked: admitted, withdrawn, open, or dropped.',
    ['outcome'],
  );
  const tagMoves = counter(
    'tag_moves_total',
    'Tags that moved upstream: followed, held, refused, purged, or audited, and why. Alert on held and refused.',
    ['rule', 'outcome', 'why'],
  );
  const dropped = counter(
    'log_lines_dropped_total',
    'Log lines lost because their reader fell behind. Alert on any.',
    [],
  );

  let places: () => readonly PlaceStatus[] = () => [];

  /** Absent for places of which there is nothing to say. */
  function gauge(name: string, help: string, read: (place: PlaceStatus) => number | undefined) {
    const labelNames = ['upstream', 'url'] as const;
    return new Gauge({
      ...{ name: `countersign_${name}`, help, labelNames, registers: [registry] },
      collect() {
        this.reset();
        for (const place of places()) {
          const value = read(place);
          if (value !== undefined) this.set({ upstream: place.upstream, url: place.url }, value);
        }
      },
    });
  }

  gauge(
    'upstream_left_alone',
    '1 while a place is not asked because it does not answer.',
    (place) => Number(place.isOpen),
  );
  gauge(
    'upstream_repositories_left_alone',
    'Repositories that are not asked, of a place that answers for others.',
    (place) => place.openRepositories,
  );
  gauge('upstream_limited', '1 while a place is not asked because it limits us.', (place) =>
    Number(place.isLimited),
  );
  gauge(
    'upstream_budget_remaining',
    'Questions that a place still lets us ask, as it said last.',
    (place) => place.budget?.remaining,
  );
  gauge(
    'upstream_budget_limit',
    'Questions that a place lets us ask in all, as it said last.',
    (place) => place.budget?.limit,
  );

  return {
    decision: (outcome, cached) => {
      decisions.count(outcome, cached);
    },
    auditWouldDeny: (rule) => {
      wouldDeny.inc({ rule });
    },
    exceptionUsed: (rule) => {
      exceptionsUsed.inc({ rule });
    },
    request: (route, status) => {
      requests.count(route, status);
    },
    blobBytesServed: (source, bytes) => {
      blobBytes.inc({ source }, bytes);
    },
    digestMismatch: (upstream) => {
      mismatches.inc({ upstream });
    },
    blobUnkept: () => {
      unkept.inc();
    },
    withdrawn: (rule) => {
      withdrawals.inc({ rule });
    },
    reverified: (outcome) => {
      reverified.inc({ outcome });
    },
    tagMove: ({ rule, outcome, why }) => {
      tagMoves.inc({ rule, outcome, why });
    },
    logLinesDropped: (lines) => {
      dropped.inc(lines);
    },
    watchPlaces: (status) => {
      places = status;
    },
    contentType: registry.contentType,
    render: () => registry.metrics(),
  };
}
