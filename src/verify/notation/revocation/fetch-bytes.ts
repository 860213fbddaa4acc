/** The one way out: who gives it guards private addresses, redirects and the size of what comes back. */

export interface FetchOptions {
  readonly method: 'GET' | 'POST';
  readonly body?: Buffer;
  /** Of the body. */
  readonly contentType?: string;
  readonly maxBytes: number;
  /** Milliseconds, for everything up to the last byte. */
  readonly timeoutMs: number;
}

/** Nobody answered, or only that it could not answer now: somebody who asks later may be told. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

/**
 * The body of a 2xx answer; everything else rejects, with an {@link UnreachableError} where asking later may help. The address comes from a certificate, so it must lead neither to
 * loopback, link-local or private addresses, nor by a redirect to anything but http.
 */
export type FetchBytes = (url: string, options: FetchOptions) => Promise<Buffer>;
