/** The audit trail: one line for each decision, written whatever the log level. */
import type { LineStream } from './logger.ts';

/** `excepted`: served because of an exception; `warned`: because of audit mode. */
export type AuditOutcome =
  'admitted' | 'excepted' | 'warned' | 'denied' | 'undetermined' | 'absent';

/** One request. */
export interface AuditRequest {
  /** Address of the client. */
  readonly client: string;
  readonly method: string;
  /** As the client wrote it. */
  readonly asked: string;
  readonly durationMs: number;
}

/** What it was answered. Told as one object again, it is not written out anew. */
export interface AuditDecision {
  /** Under its canonical name. */
  readonly reference: string;
  readonly digest: string | undefined;
  readonly rule: string | undefined;
  readonly outcome: AuditOutcome;
  readonly signers: readonly string[];
  readonly reasons: readonly string[];
  /** Where the decision came from: `memory` and `records` asked nobody. */
  readonly cached: 'memory' | 'records' | 'none';
}

/** Writes one line; never throws, never waits. */
export type Audit = (request: AuditRequest, decision: AuditDecision) => void;

/** Characters of one text, and texts of one list: a client chooses what it asks for. */
const MAX_TEXT = 1024;
const MAX_LIST = 16;

/** What JSON leaves as it is and a terminal would obey: C1 controls, line separators, changes of direction. */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const ALL_UNSAFE = new RegExp(UNSAFE.source, 'g');

/**
 * An audit trail over a stream. It builds its lines itself, in a fixed order and without redaction's walk: every
 * member is known, so none can carry a secret that the caller did not name.
 */
export function createAudit(stream: LineStream, clock: () => number = Date.now): Audit {
  const written = new WeakMap<AuditDecision, string>();
  return (request, decision) => {
    let middle = written.get(decision);
    if (middle === undefined) written.set(decision, (middle = membersOf(decision)));
    const client = JSON.stringify(safe(request.client));
    const method = JSON.stringify(safe(request.method));
    const asked = JSON.stringify(safe(request.asked));
    const duration = Math.round(request.durationMs * 1000) / 1000;
    stream.write(
      `{"level":"info","time":${clock()},"msg":"decision","client":${client},"method":${method},` +
        `"asked":${asked},${middle},"durationMs":${duration}}\n`,
    );
  };
}

/** As JSON without its braces. */
function membersOf({ reference, digest, rule, outcome, ...rest }: AuditDecision): string {
  const members = {
    reference: safe(reference),
    digest: digest === undefined ? undefined : safe(digest),
    rule: rule === undefined ? undefined : safe(rule),
    outcome,
    signers: safeList(rest.signers),
    reasons: safeList(rest.reasons),
    cached: rest.cached,
  };
  return JSON.stringify(members).slice(1, -1);
}

function safe(text: string): string {
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return UNSAFE.test(short) ? short.replaceAll(ALL_UNSAFE, '\ufffd') : short;
}

function safeList(texts: readonly string[]): readonly string[] {
  if (texts.length === 0) return texts;
  const some = texts.slice(0, MAX_LIST).map(safe);
  return texts.length > MAX_LIST ? [...some, `… and ${texts.length - MAX_LIST} more`] : some;
}
