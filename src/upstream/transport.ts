/** Composes the one HTTP agent of an upstream with its interceptors; here is who sees a request before whom. */
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, type Dispatcher } from 'undici';
import { guardTargets } from './address-guard.ts';
import { watchAnswers } from './answer-watch.ts';
import type { Asker } from './ask.ts';
import { authenticate } from './authentication.ts';
import {
  DEFAULT_RETRY,
  DEFAULT_TIMEOUTS,
  KEEP_ALIVE,
  MAX_CONNECTIONS,
  type RetryLimits,
  type Timeouts,
} from './bounds.ts';
import { createConnector, type Lookup } from './connector.ts';
import type { Credentials } from './credential.ts';
import { nameFailures } from './failure.ts';
import { ownChunks } from './own-chunks.ts';
import { followRedirects } from './redirects.ts';
import { ownHeaders } from './request-headers.ts';
import { retry } from './retries.ts';
import { lentReads, MAX_HEADER_BYTES } from './socket-reads.ts';
import { createTargets } from './targets.ts';
import { createTokenCache } from './token-cache.ts';
import { exchangeToken } from './token-service.ts';

type Interceptor = Dispatcher.DispatcherComposeInterceptor;

export interface TransportOptions {
  readonly name: string;
  readonly url: URL;
  readonly insecureHttp: boolean;
  readonly privateHosts: readonly string[];
  readonly ca: string | undefined;
  readonly credentials: Credentials | undefined;
  readonly clock: () => number;
  readonly timeouts?: Partial<Timeouts> | undefined;
  readonly retry?: Partial<RetryLimits> | undefined;
  readonly lookup?: Lookup | undefined;
  readonly onRetry: (attempt: number, pause: number) => void;
  /** A token is asked for. */
  readonly onExchange: (scope: string) => void;
  /** Told the headers of each answer of the upstream's own origin. */
  readonly onAnswer?: ((headers: IncomingHttpHeaders) => void) | undefined;
}

export interface Transport {
  /** Authenticates, follows redirects anywhere the configuration allows. */
  readonly registry: Asker;
  /** The same for bodies of any length; each of their chunks is only lent, until the handler that gets it returns. */
  readonly blobs: Asker;
  /** Authenticates, fails with LeftOriginError where a redirect leads to another origin. */
  readonly ownOrigin: Asker;
  /** Ends all connections at once. */
  close(): Promise<void>;
}

/** @throws {Error} when `ca` is no PEM certificate. */
export function createTransport(options: TransportOptions): Transport {
  const { name, url, clock, credentials } = options;
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const targets = createTargets(options);
  const agent = new Agent({
    connect: createConnector({
      name,
      targets,
      ca: options.ca,
      timeout: timeouts.connect,
      lookup: options.lookup,
      onread: lentReads(),
    }),
    maxHeaderSize: MAX_HEADER_BYTES,
    // HTTP/2 gains nothing for a few large bodies, and its flow control would share one window among them.
    allowH2: false,
    connections: MAX_CONNECTIONS,
    keepAliveTimeout: KEEP_ALIVE,
    headersTimeout: timeouts.headers,
    bodyTimeout: timeouts.body,
  });
  const asker = (dispatcher: Dispatcher): Asker => ({
    name,
    dispatcher,
    clock,
    total: timeouts.total,
  });

  // undici wraps from the inside out: the first interceptor of a list is the last to see a request.
  const hop = [
    guardTargets(targets),
    retry({ limits: { ...DEFAULT_RETRY, ...options.retry }, clock, onRetry: options.onRetry }),
  ];
  const tokenService = asker(
    agent.compose(
      ownChunks(),
      ...hop,
      followRedirects('anywhere'),
      ownHeaders('keep'),
      nameFailures(name),
    ),
  );
  const tokens = createTokenCache(async (request) => {
    options.onExchange(request.scope);
    return exchangeToken(tokenService, request, await credentials?.find());
  }, clock);
  const { onAnswer } = options;
  const ownHop = [
    ...(onAnswer === undefined ? [] : [watchAnswers(url.origin, onAnswer)]),
    ...hop,
    authenticate({ origin: url.origin, credentials, tokens }),
  ];
  const compose = (chunks: readonly Interceptor[], within: 'origin' | 'anywhere') =>
    asker(
      agent.compose(
        ...chunks,
        ...ownHop,
        followRedirects(within),
        ownHeaders('drop'),
        nameFailures(name),
      ),
    );

  return {
    registry: compose([ownChunks()], 'anywhere'),
    blobs: compose([], 'anywhere'),
    ownOrigin: compose([ownChunks()], 'origin'),
    close: () => agent.destroy(),
  };
}
