/** The port through which discovery looks for signatures in the image's repository. */
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';

/** A manifest with the digest of its exact bytes. */
export interface SourceManifest {
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly contentType: string;
}

/**
 * What came of a look: there it is, there is nothing, or there is something that cannot be taken (too large, not what
 * its digest says). Not being able to look is a {@link SourceError}.
 */
export type Answer<T> =
  | { readonly kind: 'found'; readonly value: T }
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly reason: string };

export interface SignatureSource {
  findTag(tag: string, maxBytes: number): Promise<Answer<SourceManifest>>;
  findManifest(digest: Digest, maxBytes: number): Promise<Answer<SourceManifest>>;
  /** The Referrers API; absent where the registry has none. */
  findReferrers(subject: Digest): Promise<Answer<readonly Descriptor[]>>;
  /** What this side itself attached to the subject; absent where there is no such place. Fails as it fails. */
  findLocal?(subject: Digest): Promise<readonly Descriptor[]>;
  /** Whole content, proven against digest and size. */
  findContent(descriptor: Descriptor): Promise<Answer<Buffer>>;
}

/** A place that could not be looked at: signatures may be there. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
  readonly trouble: 'unreachable' | 'timeout' | 'rate-limited';
  /** Seconds. */
  readonly retryAfter: number | undefined;

  constructor(
    trouble: SourceError['trouble'],
    message: string,
    options: { cause?: unknown; retryAfter?: number | undefined } = {},
  ) {
    super(message, { cause: options.cause });
    this.trouble = trouble;
    this.retryAfter = options.retryAfter;
  }
}
