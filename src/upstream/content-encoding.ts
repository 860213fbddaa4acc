/** Refuses bodies that are not the bytes of the content itself. */
import type { Dispatcher } from 'undici';
import { drop } from './body.ts';
import { UpstreamError } from './upstream.ts';

/**
 * We ask for `identity`; what comes compressed nevertheless has another digest and another length.
 * @throws {UpstreamError} `bad-response`
 */
export function refuseEncoded(response: Dispatcher.ResponseData, what: string): void {
  const encoding = String(response.headers['content-encoding'] ?? '').toLowerCase();
  if (encoding === '' || encoding === 'identity') return;
  drop(response.body);
  throw new UpstreamError(
    'bad-response',
    `${what} failed: expected no content encoding, got one nobody asked for`,
  );
}
