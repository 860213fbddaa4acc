/** An upstream that is not asked again before the time for which its 429 asked. */
import type { Logger } from 'pino';
import { LIMIT_PAUSES } from './bounds.ts';
import type { BudgetAccount } from './budget.ts';
import type { RegistryUpstream } from './registry-upstream.ts';
import { UpstreamError } from './upstream.ts';

export interface LimitKeeperOptions {
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** From 0 to below 1, for the jitter. */
  readonly random?: (() => number) | undefined;
  readonly budget: Pick<BudgetAccount, 'isLow'>;
}

export interface KeepingUpstream extends RegistryUpstream {
  /** Whether it is left alone because it limits us. */
  readonly isLimited: boolean;
}

interface Pause {
  readonly since: number;
  readonly until: number;
  readonly error: UpstreamError;
}

/**
 * A limit is an account's or an address's, so it is kept for all repositories at once; but apart for blobs, which most
 * registries do not count, and which belong to images that are on their way already.
 */
export function keepLimits(
  upstream: RegistryUpstream,
  options: LimitKeeperOptions,
): KeepingUpstream {
  const { logger, clock, random = Math.random, budget } = options;
  const { name, url } = upstream;
  const pauses: Partial<Record<'manifests' | 'blobs', Pause>> = {};

  function findPause(side: 'manifests' | 'blobs'): Pause | undefined {
    const pause = pauses[side];
    const now = clock();
    return pause !== undefined && now >= pause.since && now < pause.until ? pause : undefined;
  }

  function refuse({ until, error }: Pause): UpstreamError {
    const retryAfter = Math.max(1, Math.ceil((until - clock()) / 1000));
    return new UpstreamError(
      'rate-limited',
      `${url.host} (${name}) is not asked for another ${retryAfter} s: ${error.message}`,
      { cause: error, retryAfter, isUnasked: true },
    );
  }

  async function through<R>(side: 'manifests' | 'blobs', ask: () => Promise<R>): Promise<R> {
    const pause = findPause(side);
    if (pause !== undefined) throw refuse(pause);
    try {
      return await ask();
    } catch (error) {
      if (error instanceof UpstreamError && error.code === 'rate-limited') begin(side, error);
      throw error;
    }
  }

  function begin(side: 'manifests' | 'blobs', error: UpstreamError): void {
    const { retryAfter, message: reason } = error;
    const asked = retryAfter === undefined ? LIMIT_PAUSES.unknown : retryAfter * 1000;
    const bounded = Math.min(Math.max(asked, LIMIT_PAUSES.least), LIMIT_PAUSES.most);
    // Never sooner than asked, and not all proxies of an address at once.
    const pause = bounded * (1 + random() / 10);
    // Of questions that were under way together, the first says it.
    const isNews = findPause(side) === undefined;
    const since = clock();
    pauses[side] = { since, until: since + pause, error };
    if (!isNews) return;
    const details = { upstream: name, url: url.origin, of: side, seconds: Math.ceil(pause / 1000) };
    logger.warn({ ...details, reason }, 'upstream limits us');
  }

  const isLimited = (): boolean => findPause('manifests') !== undefined;
  return {
    name,
    url,
    dispatcher: upstream.dispatcher.compose((dispatch) => (request, handler) => {
      const pause = findPause('manifests');
      if (pause !== undefined) throw refuse(pause);
      return dispatch(request, handler);
    }),
    resolve: (path, tag, fetch) => through('manifests', () => upstream.resolve(path, tag, fetch)),
    fetchManifest: (path, reference, fetch) =>
      through('manifests', () => upstream.fetchManifest(path, reference, fetch)),
    referrers: (path, digest, fetch) =>
      through('manifests', () => upstream.referrers(path, digest, fetch)),
    openBlob: (path, digest, blob) => through('blobs', () => upstream.openBlob(path, digest, blob)),
    close: () => upstream.close(),
    hasRoom: () =>
      !isLimited() &&
      findPause('blobs') === undefined &&
      !budget.isLow() &&
      upstream.hasRoom?.() !== false,
    get isLimited() {
      return isLimited();
    },
  };
}
