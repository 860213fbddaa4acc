/** An upstream with mirrors: what a digest names proves itself, so it may come from elsewhere when the upstream fails. */
import type { Logger } from 'pino';
import type { Descriptor } from '../oci/descriptor.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { RegistryUpstream } from './registry-upstream.ts';
import {
  UpstreamError,
  type BlobOptions,
  type BlobStream,
  type UpstreamErrorCode,
} from './upstream.ts';

/** What is an answer when the upstream itself says it. A mirror that says so has only not answered. */
const ANSWERS: ReadonlySet<UpstreamErrorCode> = new Set(['not-found', 'unauthorized', 'too-large']);

/** A mirror, and when it is asked for what. */
export interface Mirror {
  readonly place: RegistryUpstream;
  /** Asked before the upstream. */
  readonly isPreferred: boolean;
  /** Its word on what tags mean and what refers to a digest stands in for the upstream's. */
  readonly knowsTags: boolean;
}

/** What came, and the number of the place that it came from; the upstream itself is 0. */
interface Found<T> {
  readonly value: T;
  readonly at: number;
}

/**
 * Asks preferred mirrors, then the upstream, then the other mirrors, each in turn where those before it fail; for what a
 * digest names. What a tag means and what refers to a digest is the upstream's word, for which only mirrors stand in of
 * which the operator says that they know, and only with something to say; tag lists are the upstream's alone. A blob that
 * broke off goes on from the next place when it is opened again under the same signal. What is thrown in the end is the
 * upstream's own error, which then says of each mirror too why it did not help.
 * @param mirrors are taken over: they are closed with this one.
 */
export function mirrorUpstream(
  upstream: RegistryUpstream,
  mirrors: readonly Mirror[],
  logger: Pick<Logger, 'warn'>,
): RegistryUpstream {
  const own: Mirror = { place: upstream, isPreferred: false, knowsTags: true };
  const places = [
    ...mirrors.filter(({ isPreferred }) => isPreferred),
    own,
    ...mirrors.filter(({ isPreferred }) => !isPreferred),
  ];
  /** Where to begin, for an undertaking that a place has let down: the signal is what all its requests share. */
  const nextPlaces = new WeakMap<AbortSignal, number>();

  const knowing = [own, ...mirrors.filter(({ knowsTags }) => knowsTags)];

  function placesFor(signal: AbortSignal | undefined): readonly Mirror[] {
    const first = signal === undefined ? 0 : (nextPlaces.get(signal) ?? 0);
    return [...places.slice(first), ...places.slice(0, first)];
  }

  async function inTurn<T>(
    signal: AbortSignal | undefined,
    ask: (place: RegistryUpstream) => Promise<T>,
    order: readonly Mirror[] = placesFor(signal),
  ): Promise<Found<T>> {
    const failures = new Map<Mirror, UpstreamError>();
    for (const mirror of order) {
      try {
        return { value: await ask(mirror.place), at: places.indexOf(mirror) };
      } catch (error) {
        if (!(error instanceof UpstreamError) || signal?.aborted === true) throw error;
        if (mirror === own && ANSWERS.has(error.code)) throw error;
        warn(mirror.place, error);
        failures.set(mirror, error);
      }
    }
    const ownFailure = failures.get(own);
    failures.delete(own);
    throw summary(ownFailure, [...failures.values()]);
  }

  async function ofTags<T>(
    signal: AbortSignal | undefined,
    ask: (place: RegistryUpstream) => Promise<T>,
  ): Promise<T> {
    return (await inTurn(signal, ask, knowing)).value;
  }

  /** Nobody who lists nothing for want of what he was to copy says that there is nothing. */
  async function listAt(
    place: RegistryUpstream,
    ...[path, digest, options]: Parameters<RegistryUpstream['referrers']>
  ): Promise<readonly Descriptor[] | undefined> {
    const listed = await place.referrers(path, digest, options);
    if (place === upstream || (listed !== undefined && listed.length > 0)) return listed;
    const what = `referrers from ${place.url.host} (${place.name})`;
    throw new UpstreamError('not-found', `${what}: expected some, got none`);
  }

  function warn(place: RegistryUpstream, { code, message, isUnasked }: UpstreamError): void {
    // Whoever left it alone has said so once.
    if (isUnasked) return;
    const details = { upstream: upstream.name, url: place.url.origin, code, reason: message };
    logger.warn(details, 'a place did not give what it was asked for');
  }

  /** Every byte of the blob, or an error after which the next place is asked. */
  async function* follow(
    { offset, body }: BlobStream,
    at: number,
    { size, signal }: BlobOptions,
  ): AsyncGenerator<Buffer, void, undefined> {
    const { place } = places[at] ?? own;
    let position = offset;
    try {
      for await (const chunk of body) {
        position += chunk.length;
        if (size !== undefined && position > size) throw wrongSize(place, size, 'more');
        yield chunk;
      }
      if (size !== undefined && position < size) throw wrongSize(place, size, position);
    } catch (error) {
      if (error instanceof UpstreamError && error.code !== 'aborted') {
        warn(place, error);
        if (signal !== undefined) nextPlaces.set(signal, (at + 1) % places.length);
      }
      throw error;
    }
  }

  return {
    name: upstream.name,
    url: upstream.url,
    dispatcher: upstream.dispatcher,
    hasRoom: () => upstream.hasRoom?.() !== false,
    resolve: (path, tag, options) =>
      ofTags(options?.signal, (place) => place.resolve(path, tag, options)),
    referrers: (path, digest, options) =>
      ofTags(options?.signal, (place) => listAt(place, path, digest, options)),
    async fetchManifest(path, reference, options) {
      const ask = (place: RegistryUpstream) => place.fetchManifest(path, reference, options);
      if (!isDigest(reference)) return ofTags(options?.signal, ask);
      return (await inTurn(options?.signal, ask)).value;
    },
    async openBlob(path, digest, options = {}) {
      const { value, at } = await inTurn(options.signal, (place) =>
        openSized(place, path, digest, options),
      );
      return {
        size: value.size,
        offset: value.offset,
        body: follow(value, at, options),
        cancel: () => {
          value.cancel();
        },
      };
    },
    async close() {
      await Promise.all([own, ...mirrors].map(({ place }) => place.close()));
    },
  };
}

/** The blob of a place that does not already say that its blob is another. */
async function openSized(
  place: RegistryUpstream,
  path: string,
  digest: Digest,
  options: BlobOptions,
): Promise<BlobStream> {
  const stream = await place.openBlob(path, digest, options);
  const { size } = options;
  if (size === undefined || stream.size === undefined || stream.size === size) return stream;
  stream.cancel();
  throw wrongSize(place, size, stream.size);
}

function wrongSize({ name, url }: RegistryUpstream, size: number, got: number | string) {
  const message = `GET of a blob from ${url.host} (${name}) failed: expected ${size} bytes, got ${got}`;
  return new UpstreamError('digest-mismatch', message);
}

/** The upstream's word counts; the mirrors stand in its message. */
function summary(own: UpstreamError | undefined, others: readonly UpstreamError[]): UpstreamError {
  const message = [own, ...others].flatMap((failure) => failure?.message ?? []).join('; ');
  const { code = 'unreachable', retryAfter, status } = own ?? {};
  const isUnasked = own?.isUnasked === true && others.every((other) => other.isUnasked);
  return new UpstreamError(code, message, { cause: own, retryAfter, status, isUnasked });
}
