/** An upstream that is left alone for a while where it does not answer, so that nobody waits for it in vain. */
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { DEFAULT_CIRCUIT, MAX_WATCHED_REPOSITORIES, type CircuitLimits } from './bounds.ts';
import { Circuit, type Rest } from './circuit.ts';
import { CredentialsError } from './credential.ts';
import { errorCode } from './failure.ts';
import type { RegistryUpstream } from './registry-upstream.ts';
import { UpstreamError } from './upstream.ts';

export interface CircuitBreakerOptions {
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** From 0 to below 1, for the jitter. */
  readonly random?: (() => number) | undefined;
  readonly limits?: CircuitLimits | undefined;
}

export interface BreakingUpstream extends RegistryUpstream {
  /** Whether all of it is left alone. */
  readonly isOpen: boolean;
  /** How many of its repositories are left alone for themselves. */
  readonly openRepositories: number;
}

/**
 * What is asked, of which each fails for itself: a registry keeps blobs elsewhere, and there are some that answer 5xx to
 * every question for referrers.
 */
type Side = 'manifests' | 'referrers' | 'blobs';

/** What a question told of who was asked. */
type Lesson =
  | { readonly of: 'answer' | 'nothing' }
  | { readonly of: 'place' | 'repository'; readonly weight: number; readonly error: UpstreamError };

/**
 * Where nobody answers at the registry's address, the whole of it rests; where a repository is answered with 5xx or
 * silence, only that repository does. A download under way goes on: where it broke off it is taken up again whatever rests.
 */
export function breakCircuit(
  upstream: RegistryUpstream,
  options: CircuitBreakerOptions,
): BreakingUpstream {
  const { logger, clock, random = Math.random, limits = DEFAULT_CIRCUIT } = options;
  const { name, url } = upstream;
  const place = createCircuit({});
  /** Only those that failed last. */
  const repositories = new LRUCache<string, Circuit>({ max: MAX_WATCHED_REPOSITORIES });

  function createCircuit(which: { readonly repository?: string; readonly side?: Side }): Circuit {
    const details = { upstream: name, url: url.origin, ...which };
    return new Circuit({
      ...{ limits, clock, random },
      onOpen: (failures, rest, { message: reason }) => {
        logger.warn(
          { ...details, failures, seconds: seconds(rest), reason },
          'upstream left alone',
        );
      },
      onClose: () => {
        logger.info(details, 'upstream answers again');
      },
    });
  }

  async function through<T>(
    side: Side,
    path: string,
    signal: AbortSignal | undefined,
    ask: () => Promise<T>,
    isUnderWay = false,
  ): Promise<T> {
    const key = `${side} ${path}`;
    const trials = isUnderWay ? { place: false, own: false } : enter(repositories.get(key));
    let lesson: Lesson = { of: 'answer' };
    try {
      return await ask();
    } catch (error) {
      lesson = lessonOf(error, side, signal, limits.failures);
      throw error;
    } finally {
      learn(lesson, key, trials, () => createCircuit({ repository: path, side }));
    }
  }

  /** @throws {UpstreamError} where nobody is asked. */
  function enter(own: Circuit | undefined): { readonly place: boolean; readonly own: boolean } {
    const rest = place.findRest() ?? own?.findRest();
    if (rest !== undefined) throw restingError(upstream, rest);
    return { place: place.enter(), own: own?.enter() ?? false };
  }

  function learn(
    lesson: Lesson,
    key: string,
    trials: { readonly place: boolean; readonly own: boolean },
    create: () => Circuit,
  ): void {
    const own = repositories.get(key);
    switch (lesson.of) {
      case 'answer':
        place.answered();
        own?.answered();
        repositories.delete(key);
        return;
      case 'nothing':
        place.released(trials.place);
        own?.released(trials.own);
        return;
      case 'place':
        place.failed(trials.place, lesson.weight, lesson.error);
        own?.released(trials.own);
        return;
      case 'repository': {
        const circuit = own ?? create();
        repositories.set(key, circuit);
        circuit.failed(trials.own, lesson.weight, lesson.error);
        if (lesson.error.status !== undefined) place.answered();
        else if (trials.place) place.failed(true, 1, lesson.error);
      }
    }
  }

  return {
    name,
    url,
    dispatcher: upstream.dispatcher.compose((dispatch) => (request, handler) => {
      const rest = place.findRest();
      if (rest !== undefined) throw restingError(upstream, rest);
      return dispatch(request, handler);
    }),
    resolve: (path, tag, fetch) =>
      through('manifests', path, fetch?.signal, () => upstream.resolve(path, tag, fetch)),
    fetchManifest: (path, reference, fetch) =>
      through('manifests', path, fetch?.signal, () =>
        upstream.fetchManifest(path, reference, fetch),
      ),
    referrers: (path, digest, fetch) =>
      through('referrers', path, fetch?.signal, () => upstream.referrers(path, digest, fetch)),
    openBlob(path, digest, blob) {
      const isUnderWay = (blob?.offset ?? 0) > 0;
      const open = () => upstream.openBlob(path, digest, blob);
      return through('blobs', path, blob?.signal, open, isUnderWay);
    },
    close: () => upstream.close(),
    // After a rest whoever asks may be the one who tries: otherwise an upstream without clients would never be tried.
    hasRoom: () => place.findRest() === undefined && upstream.hasRoom?.() !== false,
    get isOpen() {
      return place.isOpen;
    },
    get openRepositories() {
      const open = [...repositories.entries()].filter(([, circuit]) => circuit.isOpen);
      return new Set(open.map(([key]) => key.slice(key.indexOf(' ')))).size;
    },
  };
}

/** The word for a question that is not asked. */
function restingError(
  { name, url }: RegistryUpstream,
  { left, failures, error }: Rest,
): UpstreamError {
  const retryAfter = seconds(left);
  const code = error.code === 'aborted' ? 'timeout' : error.code;
  const times = failures === 1 ? 'a failure' : `${failures} failures in a row`;
  return new UpstreamError(
    code,
    `${url.host} (${name}) is not asked for another ${retryAfter} s after ${times}, the last of which was: ${error.message}`,
    { cause: error, retryAfter, isUnasked: true },
  );
}

function lessonOf(
  error: unknown,
  side: Side,
  signal: AbortSignal | undefined,
  all: number,
): Lesson {
  if (!(error instanceof UpstreamError)) return { of: 'nothing' };
  const { code, status, cause } = error;
  switch (code) {
    case 'aborted':
      // A caller's deadline is the upstream's silence; a caller who went away is not.
      return isDeadline(signal) ? { of: 'repository', weight: 1, error } : { of: 'nothing' };
    case 'timeout':
      // 408 is an answer of sorts, and cost nobody any time.
      if (status !== undefined) return { of: 'repository', weight: 1, error };
      return { ...timeoutLesson(errorCode(cause), side, all), error };
    case 'unreachable':
      // Who has the blobs may be another host.
      return {
        of: status === undefined && side !== 'blobs' ? 'place' : 'repository',
        weight: 1,
        error,
      };
    case 'refused-target':
    case 'offline':
      return { of: 'nothing' };
    case 'unauthorized':
      return { of: cause instanceof CredentialsError ? 'nothing' : 'answer' };
    default:
      return { of: 'answer' };
  }
}

/** @param all as many failures as it takes. */
function timeoutLesson(
  cause: string,
  side: Side,
  all: number,
): { readonly of: 'place' | 'repository'; readonly weight: number } {
  const of = side === 'blobs' ? 'repository' : 'place';
  switch (cause) {
    case 'UND_ERR_CONNECT_TIMEOUT':
      return { of, weight: all };
    case 'ETIMEDOUT':
      // One of several addresses did not answer within a moment, and the others were no better.
      return { of, weight: 1 };
    default:
      return { of: 'repository', weight: all };
  }
}

function isDeadline(signal: AbortSignal | undefined): boolean {
  const reason: unknown = signal?.reason;
  return reason instanceof DOMException && reason.name === 'TimeoutError';
}

/** Whole seconds, of milliseconds. */
function seconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000));
}
