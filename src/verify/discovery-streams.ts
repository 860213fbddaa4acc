/** Streams of what discovery comes across: guarded against trouble, bounded, and several at once. */
import { MAX_SIGNATURES_PER_PLACE } from './bounds.ts';
import type { Discovered } from './discovered.ts';
import { SourceError } from './signature-source.ts';

/** Turns "could not look" into an item, so that the other places are still looked at. */
export async function* guarded(
  place: string,
  open: () => AsyncGenerator<Discovered>,
): AsyncGenerator<Discovered> {
  try {
    yield* open();
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    yield { kind: 'trouble', place, error };
  }
}

/** {@link guarded}, and no more of it than the bound. */
export async function* bounded(
  place: string,
  open: () => AsyncGenerator<Discovered>,
): AsyncGenerator<Discovered> {
  let seen = 0;
  for await (const item of guarded(place, open)) {
    if (seen++ >= MAX_SIGNATURES_PER_PLACE) {
      yield { kind: 'bound', place };
      return;
    }
    yield item;
  }
}

/** Items of all streams as they come, each stream one step ahead of its reader. */
export async function* merged<T>(streams: readonly AsyncGenerator<T>[]): AsyncGenerator<T> {
  const running = new Map(streams.map((stream) => [stream, step(stream)]));
  try {
    while (running.size > 0) {
      const { stream, result } = await Promise.race(running.values());
      if (result.done === true) {
        running.delete(stream);
      } else {
        running.set(stream, step(stream));
        yield result.value;
      }
    }
  } finally {
    // A reader that has seen enough leaves: close what is open without waiting for it.
    for (const stream of running.keys()) void stream.return(undefined).catch(() => undefined);
  }
}

interface Step<T> {
  readonly stream: AsyncGenerator<T>;
  readonly result: IteratorResult<T, unknown>;
}

function step<T>(stream: AsyncGenerator<T>): Promise<Step<T>> {
  const next = stream.next().then((result) => ({ stream, result }));
  next.catch(() => undefined);
  return next;
}
