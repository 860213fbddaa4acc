/** Sends a request again without whoever asked noticing: the common ground of retries and authentication. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { MAX_DISCARDED_BYTES } from './bounds.ts';
import { PassingHandler } from './passing-handler.ts';
import { StableController } from './stable-controller.ts';

type Options = Dispatcher.DispatchOptions;
type Controller = Dispatcher.DispatchController;

/** How an attempt ended, seen before anybody else sees it. */
export type Outcome =
  | { readonly status: number; readonly headers: IncomingHttpHeaders; readonly error?: undefined }
  | { readonly error: Error; readonly status?: undefined };

export interface ReplayPlan {
  /** What to send now, or soon; a rejection becomes the request's error. */
  prepare(): Options | Promise<Options>;
  /**
   * Whether to forget the outcome and `prepare` again once the promise settles; undefined lets the outcome pass.
   * A rejection becomes the request's error.
   */
  again(outcome: Outcome, signal: AbortSignal): Promise<void> | undefined;
}

/** Dispatches under a plan. Once a response was passed on, nothing is sent again. */
export function dispatchWithReplay(
  dispatch: Dispatcher.Dispatch,
  handler: Dispatcher.DispatchHandler,
  plan: ReplayPlan,
): boolean {
  new ReplayHandler(dispatch, handler, plan).start();
  return true;
}

class ReplayHandler extends PassingHandler {
  readonly #dispatch: Dispatcher.Dispatch;
  readonly #plan: ReplayPlan;
  readonly #stable: StableController;
  readonly #gone = new AbortController();
  #next: Promise<void> | undefined;
  #discarded = 0;
  #passing = false;
  #finished = false;

  constructor(
    dispatch: Dispatcher.Dispatch,
    handler: Dispatcher.DispatchHandler,
    plan: ReplayPlan,
  ) {
    super(handler);
    this.#dispatch = dispatch;
    this.#plan = plan;
    this.#stable = new StableController((reason) => {
      if (!this.#passing) this.#fail(reason);
    });
  }

  start(): void {
    // Before there is a connection: an abort must reach us while we wait for a token or a pause.
    this.handler.onRequestStart?.(this.#stable, {});
    this.#send();
  }

  #send(): void {
    if (this.#finished) return;
    try {
      const options = this.#plan.prepare();
      if (!(options instanceof Promise)) {
        this.#dispatch(options, this);
        return;
      }
      options.then(
        (ready) => {
          this.#sendReady(ready);
        },
        (error: unknown) => {
          this.#fail(asError(error));
        },
      );
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  #sendReady(options: Options): void {
    if (this.#finished) return;
    try {
      this.#dispatch(options, this);
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  #fail(error: Error): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#gone.abort(error);
    super.onResponseError(this.#stable, error);
  }

  #sendAgainAfter(next: Promise<void>): void {
    this.#next = undefined;
    this.#stable.target = undefined;
    next.then(
      () => {
        this.#send();
      },
      (error: unknown) => {
        this.#fail(asError(error));
      },
    );
  }

  override onRequestStart(controller: Controller, context: unknown): void {
    if (this.#finished) {
      controller.abort(this.#stable.reason ?? new Error('nobody waits for this request'));
      return;
    }
    this.#stable.target = controller;
    super.onRequestStart(this.#stable, context);
  }

  override onResponseStart(
    controller: Controller,
    status: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (this.#finished || status < 200) return;
    this.#next = this.#plan.again({ status, headers }, this.#gone.signal);
    if (this.#next === undefined) {
      this.#passing = true;
      super.onResponseStart(this.#stable, status, headers, statusMessage);
      return;
    }
    // It may fail before the body has been read to its end; #sendAgainAfter looks at it then.
    this.#next.catch(() => undefined);
    this.#discarded = 0;
    if (Number(headers['content-length']) > MAX_DISCARDED_BYTES) controller.abort(discarded());
  }

  override onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#passing) {
      super.onResponseData(this.#stable, chunk);
      return;
    }
    this.#discarded += chunk.length;
    if (this.#discarded > MAX_DISCARDED_BYTES) controller.abort(discarded());
  }

  override onResponseEnd(_controller: Controller, trailers: IncomingHttpHeaders): void {
    if (this.#finished) return;
    if (this.#next !== undefined) {
      this.#sendAgainAfter(this.#next);
      return;
    }
    // It throws where a redirect is refused, and the error that undici makes of it must still get through.
    super.onResponseEnd(this.#stable, trailers);
    this.#finished = true;
  }

  override onResponseError(_controller: Controller, error: Error): void {
    if (this.#finished) return;
    if (this.#passing || this.#stable.dropped) {
      this.#fail(error);
      return;
    }
    const next = this.#next ?? this.#plan.again({ error }, this.#gone.signal);
    if (next === undefined) this.#fail(error);
    else this.#sendAgainAfter(next);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('expected an Error', { cause: error });
}

function discarded(): Error {
  return new Error('the rest of a response that nobody reads');
}
