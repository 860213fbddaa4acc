/** The Retry-After header: RFC 9110 §10.2.3, seconds or a date. */
import { MAX_RETRY_AFTER_SECONDS } from './bounds.ts';

/** Whole seconds from `now` (milliseconds since 1970), bounded; undefined when absent or of neither form. */
export function parseRetryAfter(
  header: string | readonly string[] | undefined,
  now: number,
): number | undefined {
  const text = (typeof header === 'string' ? header : (header?.[0] ?? '')).trim();
  if (/^[0-9]+$/.test(text)) return Math.min(Number(text), MAX_RETRY_AFTER_SECONDS);
  const date = /[A-Za-z]/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(date)) return undefined;
  return Math.min(Math.max(0, Math.ceil((date - now) / 1000)), MAX_RETRY_AFTER_SECONDS);
}
