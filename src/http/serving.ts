/** What the handlers work with: the rules in force, and where to tell what happened. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Dispatcher } from 'undici';
import type { Admission } from '../admission/admission.ts';
import type { Handover } from './handover.ts';
import type { UpstreamNames } from './route.ts';

/** One set of rules and upstreams; a reload puts another in its place, requests under way keep theirs. */
export interface Serving {
  readonly admission: Admission;
  readonly upstreams: UpstreamNames;
  /** Where tag lists are passed through from, by registry. */
  readonly origins: ReadonlyMap<string, Origin>;
}

export interface Origin {
  readonly url: URL;
  /** Authenticates, guards addresses and redirects, retries. */
  readonly dispatcher: Dispatcher;
}

/** `excepted`: served because of an exception; `warned`: because of audit mode. */
export type PullOutcome = 'admitted' | 'excepted' | 'warned' | 'denied' | 'undetermined' | 'absent';

/** Who asked, and how long it took. */
export interface PullRequest {
  readonly client: string;
  readonly method: string;
  /** The path as the client wrote it. */
  readonly asked: string;
  readonly durationMs: number;
}

/** What was decided. A decision that is remembered is told as one object each time, so that what it becomes can be kept. */
export interface PullDecision {
  readonly reference: string;
  readonly digest: string | undefined;
  readonly rule: string | undefined;
  readonly outcome: PullOutcome;
  readonly signers: readonly string[];
  readonly reasons: readonly string[];
  /** Where the decision came from: `memory` and `records` asked nobody. */
  readonly cached: 'memory' | 'records' | 'none';
}

/** Told about what was served; none of these may throw. */
export interface Observer {
  /** For the audit trail. */
  pull(request: PullRequest, decision: PullDecision): void;
  /** Bytes of a blob that were sent, from the cache or from a fill under way. */
  blobServed(source: 'cache' | 'fill', bytes: number): void;
  /** An upstream sent bytes that are not what their digest says. */
  digestMismatch(registry: string): void;
  request(kind: string, status: number): void;
}

/** One request with everything its handler needs. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly serving: Serving;
  readonly observer: Observer;
  /** There where a server in front sends blobs itself. */
  readonly handover: Handover | undefined;
  readonly logger: Pick<Logger, 'warn' | 'error' | 'debug'>;
}
