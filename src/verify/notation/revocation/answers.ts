/** Asks a place for a signed answer, or takes one that was kept: each is verified before anybody sees it. */
import type { AnswerCache, KeptAnswer } from './answer-cache.ts';
import { LEFT_ALONE, MAX_KEPT_AGE, MAX_LEFT_ALONE, RETRY_KEPT } from './bounds.ts';
import { UnreachableError, type FetchBytes, type FetchOptions } from './fetch-bytes.ts';

export interface Question extends FetchOptions {
  readonly url: string;
}

/** A verified answer; `until` is when it has to be asked for anew, for ever where it is absent. */
export interface Lasting {
  readonly until?: number | undefined;
}

export interface Answers {
  /**
   * A verified answer: one that was kept within the last day, else a new one, else, where the place does not answer, the
   * kept one as long as it holds, though not for long. A place that was out of reach is left alone for a while.
   * @param read - Verifies the bytes; throws SyntaxError for those that prove nothing.
   * @throws {Error} whose message says why there is none; an {@link UnreachableError} where there may be one later.
   */
  ask<T extends Lasting>(
    question: Question,
    now: number,
    read: (bytes: Buffer) => Promise<T>,
  ): Promise<T>;
}

export function createAnswers(
  fetchBytes: FetchBytes | undefined,
  cache: AnswerCache | undefined,
): Answers {
  const underWay = new Map<string, Promise<Buffer>>();

  /** Everybody who asks the same at the same time waits for one answer. */
  function fetchOnce(key: string, { url, ...options }: Question): Promise<Buffer> {
    if (fetchBytes === undefined) {
      return Promise.reject(new Error('no place may be asked from here'));
    }
    const running = underWay.get(key);
    if (running !== undefined) return running;
    const fetching = fetchBytes(url, options)
      .then((bytes) => {
        if (bytes.length <= options.maxBytes) return bytes;
        throw new Error(`expected at most ${options.maxBytes} bytes, got ${bytes.length}`);
      })
      .finally(() => underWay.delete(key));
    underWay.set(key, fetching);
    return fetching;
  }

  const outOfReach = new Map<string, number>();

  function requireWithinReach(url: string, now: number): void {
    const since = outOfReach.get(new URL(url).origin);
    // A clock that was set back leaves nobody alone for long.
    if (since === undefined || Math.abs(now - since) >= LEFT_ALONE) return;
    throw new UnreachableError('it could not be reached a moment ago');
  }

  function leaveAlone(url: string, now: number): void {
    const { origin } = new URL(url);
    const since = outOfReach.get(origin);
    if (since !== undefined && Math.abs(now - since) < LEFT_ALONE) return;
    if (outOfReach.size >= MAX_LEFT_ALONE) outOfReach.clear();
    outOfReach.set(origin, now);
  }

  return {
    async ask(question, now, read) {
      const key = keyOf(question);
      const kept = await findKept(await cache?.find(key), read);
      if (kept !== undefined && now - kept.at < MAX_KEPT_AGE && kept.at <= now) {
        return lastingUntil(kept.answer, kept.at + MAX_KEPT_AGE);
      }
      let bytes: Buffer;
      try {
        requireWithinReach(question.url, now);
        bytes = await fetchOnce(key, question);
      } catch (error) {
        if (error instanceof UnreachableError) leaveAlone(question.url, now);
        // Whoever cuts the line must not make it last.
        if (kept !== undefined) return lastingUntil(kept.answer, now + RETRY_KEPT);
        const kind = error instanceof UnreachableError ? UnreachableError : Error;
        throw new kind(`${question.url}: ${messageOf(error)}`, { cause: error });
      }
      // Bytes that came and prove nothing are no reason to fall back on older ones.
      const answer = await read(bytes).catch((error: unknown) => {
        const kind = error instanceof UnreachableError ? UnreachableError : Error;
        throw new kind(`${question.url}: ${messageOf(error)}`, { cause: error });
      });
      await cache?.keep(key, { bytes, at: now });
      return lastingUntil(answer, now + MAX_KEPT_AGE);
    },
  };
}

async function findKept<T>(
  kept: KeptAnswer | undefined,
  read: (bytes: Buffer) => Promise<T>,
): Promise<{ readonly answer: T; readonly at: number } | undefined> {
  if (kept === undefined) return undefined;
  try {
    return { answer: await read(kept.bytes), at: kept.at };
  } catch {
    // Damaged, or out of date by now.
    return undefined;
  }
}

function keyOf({ url, method, body }: Question): string {
  return JSON.stringify([method, url, body?.toString('base64') ?? null]);
}

function lastingUntil<T extends Lasting>(answer: T, latest: number): T {
  return answer.until === undefined || answer.until <= latest
    ? answer
    : { ...answer, until: latest };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'failed';
}
