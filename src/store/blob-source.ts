/** The bytes of one blob from its source: opened, resumed where it broke, and of exactly the declared size. */
import { FillError, type BlobSource } from './blob-store.ts';

/** Attempts in a row that bring no byte before a fill is given up. */
const ATTEMPTS_WITHOUT_PROGRESS = 3;
/** Attempts in all: a source that breaks after every byte is no source. */
const ATTEMPTS = 64;
/** Milliseconds before the next attempt, after none, one, two fruitless ones. */
const BACK_OFF = [100, 500, 2000];

export interface SourceOptions {
  readonly source: BlobSource;
  /** Bytes. */
  readonly size: number;
  readonly signal: AbortSignal;
  /** Waits for so many milliseconds, less when the signal says so. */
  readonly delay: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

export type OpenedSource = Awaited<ReturnType<BlobSource>>;

/**
 * Opens the source at an offset.
 * @throws {FillError} `source-failed`, or `size-mismatch` when it declares another size than the manifest.
 */
export async function openSource(options: SourceOptions, offset: number): Promise<OpenedSource> {
  let opened: OpenedSource;
  try {
    opened = await options.source(offset, options.signal);
  } catch (error) {
    throw sourceFailed('the source could not be opened', error);
  }
  if (opened.size !== undefined && opened.size !== options.size) {
    throw wrongSize(options.size, opened.size);
  }
  if (opened.offset > offset) {
    throw sourceFailed(`expected bytes from ${offset}, got them from ${opened.offset}`);
  }
  return opened;
}

/**
 * Each byte from `from` on once and in order, whatever the source repeats after a break. `first` was opened there.
 * @throws {FillError} `source-failed` or `size-mismatch`
 */
export async function* receive(
  options: SourceOptions,
  first: OpenedSource,
  from = 0,
): AsyncGenerator<Buffer, void, undefined> {
  const { size, signal } = options;
  let received = from;
  let fruitless = 0;
  let opened: OpenedSource | undefined = first;
  let failure: FillError | undefined;
  for (let attempt = 1; ; attempt++) {
    const before = received;
    try {
      opened ??= await openSource(options, received);
      // Bytes that are here already are dropped unseen; the hash at the end speaks for those we kept.
      let skip = received - opened.offset;
      for await (const chunk of opened.body) {
        const fresh = skip === 0 ? chunk : chunk.subarray(skip);
        skip -= chunk.length - fresh.length;
        if (received + fresh.length > size) throw wrongSize(size, `more than ${size}`);
        received += fresh.length;
        if (fresh.length > 0) yield fresh;
      }
      failure = wrongSize(size, received);
    } catch (error) {
      failure = sourceFailed('the source broke off', error);
      if (failure.code !== 'source-failed') throw failure;
    }
    // Whatever ended it: all bytes are here, and whether they are right is not the source's to say.
    if (received === size) return;
    fruitless = received > before ? 0 : fruitless + 1;
    if (fruitless >= ATTEMPTS_WITHOUT_PROGRESS || attempt >= ATTEMPTS || signal.aborted) {
      throw failure;
    }
    opened = undefined;
    await options.delay(BACK_OFF[fruitless] ?? 0, signal);
  }
}

function sourceFailed(message: string, cause?: unknown): FillError {
  if (cause instanceof FillError) return cause;
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new FillError('source-failed', `${message}${reason}`, cause);
}

function wrongSize(expected: number, got: number | string): FillError {
  return new FillError('size-mismatch', `expected ${expected} bytes, got ${got}`);
}
