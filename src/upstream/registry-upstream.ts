/** One upstream registry over HTTP: the port's promises kept with the parts of this room. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Logger } from 'pino';
import type { Dispatcher } from 'undici';
import { isDigest } from '../oci/digest.ts';
import { isRepositoryPath, isTag } from '../oci/reference.ts';
import { openBlob } from './blobs.ts';
import { MAX_MANIFEST_BYTES, type RetryLimits, type Timeouts } from './bounds.ts';
import type { Lookup } from './connector.ts';
import { openCredentials, type CredentialsSource } from './credentials.ts';
import { fetchManifest, resolveTag } from './manifests.ts';
import { listReferrers } from './referrers.ts';
import { createTransport } from './transport.ts';
import { UpstreamError, type FetchOptions, type Upstream } from './upstream.ts';

export interface RegistryUpstreamOptions {
  /** Canonical registry name, e.g. `docker.io`. */
  readonly name: string;
  /** Scheme, host and port; nothing else. */
  readonly url: URL;
  /** Allows an `http:` url, and plain HTTP to the hosts of `privateHosts`. */
  readonly insecureHttp: boolean;
  /** PEM, trusted beside the system's certificates. */
  readonly ca?: string | undefined;
  /** Anonymous without them. */
  readonly credentials?: CredentialsSource | undefined;
  /** `host[:port]` of token services and blob stores that may be reached at private addresses. */
  readonly privateHosts: readonly string[];
  readonly logger: Pick<Logger, 'debug' | 'warn'>;
  /** Milliseconds since 1970. */
  readonly clock?: (() => number) | undefined;
  /** Bytes of a manifest unless the caller says less. */
  readonly maxManifestBytes?: number | undefined;
  readonly timeouts?: Partial<Timeouts> | undefined;
  readonly retry?: Partial<RetryLimits> | undefined;
  /** node:dns `lookup` unless told. */
  readonly lookup?: Lookup | undefined;
  /** Told the headers of each answer of the registry itself, not of its token service or of a place it leads to. */
  readonly onAnswer?: ((headers: IncomingHttpHeaders) => void) | undefined;
}

/** An {@link Upstream} with connections of its own. */
export interface RegistryUpstream extends Upstream {
  readonly url: URL;
  /** Authenticates, follows, retries and guards as the methods do; fails with UpstreamError alone. */
  readonly dispatcher: Dispatcher;
  /** Ends all connections; what is under way fails with `aborted`. */
  close(): Promise<void>;
}

/**
 * Connects to nothing yet.
 * @throws {Error} when url, CA or privateHosts are not of the form that {@link RegistryUpstreamOptions} asks for.
 */
export function createRegistryUpstream(options: RegistryUpstreamOptions): RegistryUpstream {
  const { name, url, logger, insecureHttp, maxManifestBytes = MAX_MANIFEST_BYTES } = options;
  checkUrl(url, insecureHttp);
  const transport = createTransport({
    ...options,
    ca: options.ca,
    clock: options.clock ?? Date.now,
    credentials:
      options.credentials === undefined
        ? undefined
        : openCredentials(options.credentials, [...new Set([name, url.host])]),
    onRetry: (attempt, pause) => {
      logger.debug({ upstream: name, attempt, pause }, 'upstream failed, trying again');
    },
    onExchange: (scope) => {
      logger.debug({ upstream: name, scope }, 'asking for a token');
    },
  });
  const { registry, blobs, ownOrigin } = transport;
  const bounded = (fetch: FetchOptions = {}) => ({
    signal: fetch.signal,
    maxBytes: fetch.maxBytes ?? maxManifestBytes,
  });

  return {
    name,
    url,
    dispatcher: registry.dispatcher,
    close: () => transport.close(),
    async resolve(path, tag, fetch) {
      checkName(name, path, isTag(tag));
      return resolveTag(registry, url, path, tag, bounded(fetch));
    },
    async fetchManifest(path, reference, fetch) {
      checkName(name, path, isDigest(reference) || isTag(reference));
      return fetchManifest(registry, url, path, reference, bounded(fetch));
    },
    async openBlob(path, digest, blob = {}) {
      checkName(name, path, isDigest(digest));
      return openBlob(blobs, url, path, digest, blob);
    },
    async referrers(path, digest, fetch = {}) {
      checkName(name, path, isDigest(digest));
      return listReferrers(ownOrigin, url, path, digest, fetch, (subject) => {
        logger.warn({ upstream: name, subject }, 'too many referrers, the rest was left unread');
      });
    },
  };
}

function checkUrl(url: URL, insecureHttp: boolean): void {
  const { protocol, pathname, search, hash, username, password } = url;
  if (protocol !== 'https:' && !(protocol === 'http:' && insecureHttp)) {
    throw new TypeError(`expected an https url, or http with insecureHttp, got ${protocol}`);
  }
  if (pathname !== '/' || search !== '' || hash !== '' || username !== '' || password !== '') {
    throw new TypeError(`expected a url of scheme, host and port, got more for ${url.host}`);
  }
}

/** Names were parsed at the edge; one that was not must not become another path at the upstream. */
function checkName(name: string, path: string, isReference: boolean): void {
  if (isRepositoryPath(path) && isReference) return;
  throw new UpstreamError('not-found', `expected a repository and reference of ${name}`);
}
