/** Every limit on what an upstream can make us read, wait for or try. */

const KiB = 1024;
const MiB = 1024 * KiB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** Bytes of a manifest unless the caller says less; containerd refuses larger ones itself. */
export const MAX_MANIFEST_BYTES = 4 * MiB;
/** Bytes of one page of referrers. */
export const MAX_REFERRERS_PAGE_BYTES = 4 * MiB;
/** Pages of referrers; more are left unread. */
export const MAX_REFERRERS_PAGES = 10;
/** Descriptors over all pages; more are left unread. */
export const MAX_REFERRERS = 1000;
/** Bytes of a token service's answer. */
export const MAX_TOKEN_RESPONSE_BYTES = 64 * KiB;
/** Bytes of an error body that are read for its message. */
export const MAX_ERROR_BODY_BYTES = 8 * KiB;
/** Characters of a registry's message that are repeated in ours. */
export const MAX_ERROR_MESSAGE_LENGTH = 200;
/** Bytes of a response body that is read only to keep its connection usable. */
export const MAX_DISCARDED_BYTES = 64 * KiB;
/** Bytes of a password file. */
export const MAX_PASSWORD_BYTES = 64 * KiB;
/** Bytes of a docker `config.json`. */
export const MAX_DOCKER_CONFIG_BYTES = MiB;
/** Characters of WWW-Authenticate headers that are parsed. */
export const MAX_CHALLENGE_LENGTH = 8 * KiB;
/** Bytes of a blob's body held between the socket and whoever reads it. */
export const BLOB_READ_AHEAD_BYTES = 256 * KiB;

/** Redirects followed for one request. */
export const MAX_REDIRECTS = 5;

/** Tokens kept, one for each realm, service and scope. */
export const MAX_CACHED_TOKENS = 1024;
/** Milliseconds a token lives when its service does not say: distribution's token specification. */
export const DEFAULT_TOKEN_LIFETIME = MINUTE;
/** Milliseconds a token is used at most, whatever its service says. */
export const MAX_TOKEN_LIFETIME = 60 * MINUTE;
/** Milliseconds before its end at which a token is no longer used. */
export const TOKEN_MARGIN = 10 * SECOND;

/** Seconds of a Retry-After that are believed. */
export const MAX_RETRY_AFTER_SECONDS = 24 * 60 * 60;

/** Milliseconds; how long each step of a request may take. */
export interface Timeouts {
  /** Name resolution, TCP and TLS. */
  readonly connect: number;
  /** From the request to the response's headers, each attempt. */
  readonly headers: number;
  /** Between two pieces of a body. */
  readonly body: number;
  /** A whole request with its token, redirects and retries; for blobs until the headers are there. */
  readonly total: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  connect: 10 * SECOND,
  headers: 30 * SECOND,
  body: 30 * SECOND,
  total: MINUTE,
};

/** How often and how soon a failed GET or HEAD is tried again. */
export interface RetryLimits {
  /** Attempts in all, the first one included. */
  readonly attempts: number;
  /** Milliseconds; the first pause is at most this, each next one twice as long. */
  readonly firstPause: number;
  /** Milliseconds of the longest pause, and of a Retry-After that is waited for. */
  readonly longestPause: number;
}

export const DEFAULT_RETRY: RetryLimits = {
  attempts: 3,
  firstPause: 200,
  longestPause: 2 * SECOND,
};

/** Milliseconds an idle connection is kept, unless the upstream says less. */
export const KEEP_ALIVE = 15 * SECOND;
/** Connections to one origin; more requests wait for their turn. */
export const MAX_CONNECTIONS = 128;

/** When a place, or a repository of it, is left alone, and for how long. */
export interface CircuitLimits {
  /** Failures in a row; one that timed out counts as all of them, since it has cost more than enough already. */
  readonly failures: number;
  /** Milliseconds; the first rest is at most this, each next one twice as long. */
  readonly firstRest: number;
  /** Milliseconds of the longest rest. */
  readonly longestRest: number;
}

export const DEFAULT_CIRCUIT: CircuitLimits = {
  failures: 3,
  firstRest: 5 * SECOND,
  longestRest: 30 * SECOND,
};

/** Repositories of a place whose failures are remembered. */
export const MAX_WATCHED_REPOSITORIES = 1024;

/** Milliseconds for which a place that limits us is left alone. */
export const LIMIT_PAUSES = {
  /** Where it does not say for how long. */
  unknown: 10 * SECOND,
  least: SECOND,
  /** However long it asks for. */
  most: 15 * MINUTE,
} as const;

/** The part of a budget that is left to those who wait. */
export const RESERVED_BUDGET = 0.1;
/** What is left to those who wait where the whole is not known. */
export const RESERVED_QUESTIONS = 10;
/** Milliseconds for which a budget is believed when it does not say how long it is for; no budget is for longer than a day. */
export const BUDGET_WINDOW = { unknown: 60 * MINUTE, most: 24 * 60 * MINUTE } as const;

/** Milliseconds for which "there is no such thing" and "you may not" answer again. */
export const ABSENCE_MEMORY = 5 * SECOND;
/** The same for tags that belong to a digest: a signature may be pushed any moment. */
export const ATTACHMENT_ABSENCE_MEMORY = 2 * SECOND;
/** Such answers kept for one upstream. */
export const MAX_ABSENCES = 4096;
