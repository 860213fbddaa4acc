/** The port to other people's registries: what admission asks of one upstream. */
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';

/** A manifest exactly as the upstream sent it. */
export interface FetchedManifest {
  readonly bytes: Buffer;
  /** The digest of `bytes`, computed here; equal to the one asked for when a digest was asked for. */
  readonly digest: Digest;
  /** The upstream's Content-Type without parameters, lower case; '' when it sent none. */
  readonly contentType: string;
}

/** What a tag means upstream now. */
export interface ResolvedTag {
  readonly digest: Digest;
  /** Present when resolving took a GET, so that nobody asks twice. */
  readonly manifest?: FetchedManifest;
}

/** A blob on its way; `body` fails with an {@link UpstreamError} when the connection does. */
export interface BlobStream {
  /** Whole size in bytes of the blob when the upstream said it. */
  readonly size: number | undefined;
  /** Where `body` starts; differs from the offset asked for only when the upstream ignored it (then 0). */
  readonly offset: number;
  /** A chunk is its reader's until the next one is asked for; whoever keeps it longer copies it. */
  readonly body: AsyncIterable<Buffer>;
  /** Drops the connection; `body` ends with an error. */
  cancel(): void;
}

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes; more is an {@link UpstreamError} `too-large`. */
  readonly maxBytes?: number;
}

export interface BlobOptions {
  readonly signal?: AbortSignal | undefined;
  /** First byte wanted; 0 unless told. */
  readonly offset?: number;
  /** Bytes of the whole blob, where the caller knows: a place that has another is passed over where there are several. */
  readonly size?: number;
}

/** One upstream registry. Every method throws {@link UpstreamError} and nothing else. Paths are canonical. */
export interface Upstream {
  /** Canonical registry name, e.g. `docker.io`. */
  readonly name: string;
  /** HEAD, or GET where HEAD names no digest. */
  resolve(path: string, tag: string, options?: FetchOptions): Promise<ResolvedTag>;
  fetchManifest(
    path: string,
    reference: Digest | string,
    options?: FetchOptions,
  ): Promise<FetchedManifest>;
  /** The bytes are not proven: whoever reads them hashes them. */
  openBlob(path: string, digest: Digest, options?: BlobOptions): Promise<BlobStream>;
  /** All pages of the Referrers API, unfiltered; undefined where the upstream has none. */
  referrers(
    path: string,
    digest: Digest,
    options?: FetchOptions,
  ): Promise<readonly Descriptor[] | undefined>;
  /** Whether this is a time to ask what nobody waits for; absent: always. */
  hasRoom?(): boolean;
  /** The operator's word that it is never asked: everything fails with `offline`. */
  readonly isOffline?: boolean;
}

export type UpstreamErrorCode =
  /** 404, or the registry's own word for it. */
  | 'not-found'
  /** 401 or 403 after our credentials were tried, or credentials that are configured and cannot be had. */
  | 'unauthorized'
  /** 429. */
  | 'rate-limited'
  /** Connection refused, reset, name not found, TLS failure, 5xx after retries. */
  | 'unreachable'
  | 'timeout'
  /** More bytes than the bound. */
  | 'too-large'
  /** The bytes are not what their digest says. */
  | 'digest-mismatch'
  /** A status, header or body that no registry should send. */
  | 'bad-response'
  /** A redirect or token realm that the configuration does not allow. */
  | 'refused-target'
  /** The configuration forbids to ask it. */
  | 'offline'
  /** The caller's signal, or the upstream was closed. */
  | 'aborted';

/** Why an upstream gave no answer. Messages never carry a token, password or signed URL. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly code: UpstreamErrorCode;
  /** Seconds, from the upstream's Retry-After, or until it is asked again. */
  readonly retryAfter: number | undefined;
  /** Of the HTTP answer that this is about; undefined where there was none. */
  readonly status: number | undefined;
  /** Whether nobody was asked: the place is left alone for a while, or for good. */
  readonly isUnasked: boolean;

  constructor(code: UpstreamErrorCode, message: string, options: UpstreamErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfter = options.retryAfter;
    this.status = options.status;
    this.isUnasked = options.isUnasked ?? false;
  }
}

interface UpstreamErrorOptions {
  readonly cause?: unknown;
  readonly retryAfter?: number | undefined;
  readonly status?: number | undefined;
  readonly isUnasked?: boolean;
}
