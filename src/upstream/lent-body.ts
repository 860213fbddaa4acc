/** A response whose body passes through few slabs of memory, each used again once its reader is done with it. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { BLOB_READ_AHEAD_BYTES } from './bounds.ts';
import { giveSlab, takeSlab } from './slabs.ts';

type Controller = Dispatcher.DispatchController;

export interface LentResponse {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: LentBytes;
}

/** To be read once. A chunk is its reader's until the next one is asked for; whoever keeps it longer copies it. */
export interface LentBytes extends AsyncIterable<Buffer> {
  /** Ends it now: what was not read is gone, and the connection with it unless all of the body has come. */
  destroy(error?: Error): void;
}

interface Slab {
  readonly memory: Buffer;
  /** Bytes of it that are filled. */
  length: number;
}

/**
 * Sends a request. A response is what came of it, whatever its status.
 * @throws what the dispatcher fails with.
 */
export function requestLent(
  dispatcher: Dispatcher,
  { signal, ...options }: Dispatcher.DispatchOptions & { readonly signal: AbortSignal },
): Promise<LentResponse> {
  return new Promise((resolve, reject) => {
    const body = new LentBody({
      onHead: (statusCode, headers) => {
        resolve({ statusCode, headers, body });
      },
      onError: reject,
    });
    body.obey(signal);
    dispatcher.dispatch(options, body);
  });
}

interface LentBodyEvents {
  readonly onHead: (statusCode: number, headers: IncomingHttpHeaders) => void;
  /** There was no head, or it is of no use any more. */
  readonly onError: (error: Error) => void;
}

class LentBody implements Dispatcher.DispatchHandler, LentBytes {
  readonly #events: LentBodyEvents;
  readonly #slabs: Slab[] = [];
  #controller: Controller | undefined;
  /** Bytes in all slabs. */
  #held = 0;
  #paused = false;
  /** There will be nothing more. */
  #ended = false;
  /** Why there will be nothing more. */
  #error: Error | undefined;
  #changed: PromiseWithResolvers<void> | undefined;
  #forget: () => void = () => undefined;

  constructor(events: LentBodyEvents) {
    this.#events = events;
  }

  /** The signal ends it at any time until its end. */
  obey(signal: AbortSignal): void {
    const give = (): void => {
      this.destroy(signal.reason instanceof Error ? signal.reason : new Error('given up'));
    };
    signal.addEventListener('abort', give, { once: true });
    this.#forget = () => {
      signal.removeEventListener('abort', give);
    };
    if (signal.aborted) give();
  }

  destroy(error: Error = new Error('the body was given up')): void {
    this.#error ??= error;
    for (const { memory } of this.#slabs.splice(0)) giveSlab(memory);
    this.#held = 0;
    if (!this.#ended) this.#controller?.abort(error);
    this.#finish();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (;;) {
        const slab = this.#take();
        if (slab !== undefined) {
          yield slab.memory.subarray(0, slab.length);
          giveSlab(slab.memory);
        } else if (this.#error !== undefined) {
          throw this.#error;
        } else if (this.#ended) {
          return;
        } else {
          this.#changed = Promise.withResolvers();
          await this.#changed.promise;
        }
      }
    } finally {
      this.destroy();
    }
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#error !== undefined) controller.abort(this.#error);
  }

  onResponseStart(_controller: Controller, status: number, headers: IncomingHttpHeaders): void {
    if (status >= 200) this.#events.onHead(status, headers);
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#ended) return;
    this.#held += chunk.length;
    for (let rest = chunk; rest.length > 0;) {
      let last = this.#slabs.at(-1);
      if (last === undefined || last.length === last.memory.length) {
        last = { memory: takeSlab(), length: 0 };
        this.#slabs.push(last);
      }
      const copied = rest.copy(last.memory, last.length);
      last.length += copied;
      rest = rest.subarray(copied);
    }
    if (this.#held >= BLOB_READ_AHEAD_BYTES && !this.#paused) {
      this.#paused = true;
      controller.pause();
    }
    this.#changed?.resolve();
  }

  onResponseEnd(): void {
    this.#finish();
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.#error ??= error;
    this.#finish();
  }

  #take(): Slab | undefined {
    const slab = this.#slabs.shift();
    if (slab === undefined) return undefined;
    this.#held -= slab.length;
    if (this.#paused && this.#held < BLOB_READ_AHEAD_BYTES) {
      this.#paused = false;
      this.#controller?.resume();
    }
    return slab;
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#forget();
    if (this.#error !== undefined) this.#events.onError(this.#error);
    this.#changed?.resolve();
  }
}
