/** Refuses bodies that are not the bytes of the content itself. */
import type { Answer } from './body.ts';
import { UpstreamError } from './upstream.ts';

/**
 * We ask for `identity`; what comes compressed nevertheless has another digest and another length.
 * @throws {UpstreamError} `bad-response`
 */
export function refuseEncoded(response: Answer, what: string): void {
  const encoding = (response.headers['content-encoding'] ?? '').toLowerCase();
  if (encoding === '' || encoding === 'identity') return;
  response.body.destroy();
  throw new UpstreamError(
    'bad-response',
    `${what} failed: expected no content encoding, got one nobody asked for`,
  );
}
