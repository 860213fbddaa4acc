/** An upstream's failures, as refusals for clients and as trouble for verification. */
import { SourceError } from '../verify/signature-source.ts';
import type { UpstreamError, UpstreamErrorCode } from '../upstream/upstream.ts';
import { isUndetermined, type RefusalCode, type Refused } from './decision.ts';
import { refuse } from './refusal.ts';
import type { Rule } from '../policy/rule.ts';

/** Recognised by name: this room knows the port's types only. */
export function isUpstreamError(error: unknown): error is UpstreamError {
  return error instanceof Error && error.name === 'UpstreamError';
}

const CODES: Readonly<Record<UpstreamErrorCode, RefusalCode>> = {
  'not-found': 'absent',
  unauthorized: 'upstream-refused',
  'rate-limited': 'rate-limited',
  unreachable: 'unreachable',
  timeout: 'timeout',
  aborted: 'timeout',
  'too-large': 'too-large',
  'digest-mismatch': 'digest-mismatch',
  'bad-response': 'unreachable',
  'refused-target': 'unreachable',
  offline: 'unreachable',
};

const ADVICE: Partial<Readonly<Record<RefusalCode, string>>> = {
  'upstream-refused':
    'It does not exist, or the upstream wants credentials: see upstreams.<name>.credentials in the configuration.',
  'digest-mismatch': 'The upstream or the way to it is damaged or tampered with.',
  'rate-limited': 'Credentials for the upstream usually raise the limit.',
};

/** @throws whatever is not an {@link UpstreamError}. */
export function refuseForUpstream(asked: string, error: unknown, rule: Rule): Refused {
  if (!isUpstreamError(error)) throw error;
  const code = CODES[error.code];
  const { message, retryAfter } = error;
  if (error.code === 'offline') {
    // Waiting does not help there.
    const facts = { rule, retryAfter: null, phrase: 'the upstream is configured offline' };
    return refuse(code, asked, [message], OFFLINE, facts);
  }
  const facts = {
    ...(code === 'absent' ? {} : { rule }),
    ...(isUndetermined(code) ? { retryAfter } : {}),
  };
  return refuse(code, asked, [message], ADVICE[code] ?? '', facts);
}

const OFFLINE =
  'Only what was pulled through this proxy or imported before is served; see offline in the configuration.';

const OUTAGES: ReadonlySet<UpstreamErrorCode> = new Set([
  'unreachable',
  'timeout',
  'aborted',
  'rate-limited',
  'unauthorized',
  'bad-response',
  'offline',
]);

/** Errors that mean "the upstream did not answer", so an earlier answer of it may stand in. */
export function isOutage(error: unknown): boolean {
  return isUpstreamError(error) && OUTAGES.has(error.code);
}

/** What a failed look for signatures means: something that cannot be taken, or a place that could not be seen. */
export function sourceFailure(
  error: unknown,
): { readonly kind: 'refused'; readonly reason: string } | SourceError {
  if (!isUpstreamError(error)) throw error;
  switch (error.code) {
    case 'too-large':
    case 'digest-mismatch':
      return { kind: 'refused', reason: error.message };
    case 'timeout':
    case 'aborted':
      return new SourceError('timeout', error.message, { cause: error });
    case 'rate-limited':
      return new SourceError('rate-limited', error.message, {
        cause: error,
        retryAfter: error.retryAfter,
      });
    default:
      return new SourceError('unreachable', error.message, { cause: error });
  }
}
