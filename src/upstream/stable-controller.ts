/** One controller for whoever asked, whichever attempt is under way. */
import type { Dispatcher } from 'undici';

type Controller = Dispatcher.DispatchController;

/** Hands pauses and aborts to the attempt that is under way; an abort between attempts reaches `onAbort` alone. */
export class StableController implements Controller {
  target: Controller | undefined;
  readonly #onAbort: (reason: Error) => void;
  #reason: Error | null = null;

  constructor(onAbort: (reason: Error) => void) {
    this.#onAbort = onAbort;
  }

  /** Whether whoever asked has lost interest. */
  get dropped(): boolean {
    return this.#reason !== null;
  }

  get aborted(): boolean {
    return this.#reason !== null || (this.target?.aborted ?? false);
  }

  get paused(): boolean {
    return this.target?.paused ?? false;
  }

  get reason(): Error | null {
    return this.#reason ?? this.target?.reason ?? null;
  }

  get rawHeaders(): NonNullable<Controller['rawHeaders']> | null {
    return this.target?.rawHeaders ?? null;
  }

  get rawTrailers(): NonNullable<Controller['rawTrailers']> | null {
    return this.target?.rawTrailers ?? null;
  }

  abort(reason: Error): void {
    this.#reason ??= reason;
    this.target?.abort(reason);
    this.#onAbort(reason);
  }

  pause(): void {
    this.target?.pause();
  }

  resume(): void {
    this.target?.resume();
  }
}
