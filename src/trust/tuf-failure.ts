/** What went wrong with a TUF repository, in one sentence and one of our words. */
import { TrustSourceError, type TrustSourceErrorCode } from './trust-source.ts';

/** Causes looked at. */
const MAX_DEPTH = 8;
const MAX_MESSAGE = 300;

/** Settles as the work does, or rejects with the signal's reason as soon as it is aborted. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => {
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (abort !== undefined) signal.removeEventListener('abort', abort);
  }
}

export function asTrustSourceError(
  error: unknown,
  mirror: string,
  signal: AbortSignal,
): TrustSourceError {
  if (error instanceof TrustSourceError) return error;
  const chain = causesOf(error);
  const code = signal.aborted ? 'timed-out' : codeOf(chain);
  const said = [...new Set(chain.map(({ message }) => message))].join(': ');
  // A repository's own words may be in it.
  const text = said.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, MAX_MESSAGE);
  return new TrustSourceError(code, `no trusted root from ${mirror}: ${text}`, error);
}

function codeOf(chain: readonly Error[]): TrustSourceErrorCode {
  const has = (test: (error: Error) => boolean): boolean => chain.some(test);
  if (has((error) => 'code' in error && error.code === 'TUF_FIND_TARGET_ERROR')) return 'absent';
  // The client's own errors wrap some of the network's as text only.
  if (has(({ name, message }) => name === 'TimeoutError' || message.includes('due to timeout'))) {
    return 'timed-out';
  }
  if (has(({ message }) => /fetch failed|Failed to download|terminated/.test(message))) {
    return 'unreachable';
  }
  if (has((error) => 'syscall' in error)) return 'storage-failed';
  return 'refused';
}

function causesOf(error: unknown): readonly Error[] {
  const chain: Error[] = [];
  for (let at = error; at instanceof Error && chain.length < MAX_DEPTH; at = at.cause) {
    chain.push(at);
  }
  return chain;
}
