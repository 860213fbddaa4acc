/** A circuit: it lets everything through until there were failures in a row, nothing for a while, and then one to try. */
import type { CircuitLimits } from './bounds.ts';
import type { UpstreamError } from './upstream.ts';

export interface CircuitOptions {
  readonly limits: CircuitLimits;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** From 0 to below 1, for the jitter. */
  readonly random: () => number;
  /** It opened after it had let everything through. @param rest milliseconds. */
  readonly onOpen: (failures: number, rest: number, error: UpstreamError) => void;
  /** It lets everything through again. */
  readonly onClose: () => void;
}

/** Why nobody is let through. */
export interface Rest {
  /** Milliseconds until it may be worth asking again. */
  readonly left: number;
  readonly failures: number;
  /** The last failure. */
  readonly error: UpstreamError;
}

/** Milliseconds to wait for the one who tries. */
const TRIAL = 1000;

/** Opens by failures, closes by any answer. */
export class Circuit {
  readonly #options: CircuitOptions;
  #failures = 0;
  /** Rests in a row, with nothing but failed trials between them. */
  #rests = 0;
  #rest:
    { readonly since: number; readonly until: number; readonly error: UpstreamError } | undefined;
  #isTried = false;

  constructor(options: CircuitOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#rest !== undefined;
  }

  /** Why nobody is let through now; undefined where somebody is. */
  findRest(): Rest | undefined {
    if (this.#rest === undefined) return undefined;
    const { since, until, error } = this.#rest;
    const now = this.#options.clock();
    // A clock that was set back makes no rest longer.
    const left = now < since ? 0 : until - now;
    if (left <= 0 && !this.#isTried) return undefined;
    return { left: Math.max(left, TRIAL), failures: this.#failures, error };
  }

  /**
   * To be called where {@link findRest} finds nothing.
   * @returns whether this is the one who tries, and whose outcome therefore decides.
   */
  enter(): boolean {
    if (this.#rest === undefined) return false;
    this.#isTried = true;
    return true;
  }

  /** It answered, whatever it said; who began before the rest proves that too. */
  answered(): void {
    const wasOpen = this.isOpen;
    this.#rest = undefined;
    this.#isTried = false;
    this.#failures = 0;
    this.#rests = 0;
    if (wasOpen) this.#options.onClose();
  }

  /** It did not answer. @param weight how many failures this is worth. */
  failed(isTrial: boolean, weight: number, error: UpstreamError): void {
    if (this.#rest !== undefined && !isTrial) return;
    const { limits, onOpen } = this.#options;
    this.#isTried = false;
    this.#failures += isTrial ? 1 : weight;
    if (!isTrial && this.#failures < limits.failures) return;
    const rest = this.#openFor(error);
    if (!isTrial) onOpen(this.#failures, rest, error);
  }

  /** Nothing was learned: whoever asked gave up. */
  released(isTrial: boolean): void {
    if (isTrial) this.#isTried = false;
  }

  /**
   * Half of it for sure, half of it by chance: proxies that failed together do not come back together. Not sooner than the
   * upstream asked, within the longest rest.
   */
  #openFor(error: UpstreamError): number {
    const { limits, clock, random } = this.#options;
    const full = Math.min(limits.firstRest * 2 ** this.#rests, limits.longestRest);
    const asked = Math.min((error.retryAfter ?? 0) * 1000, limits.longestRest);
    const rest = Math.max(full / 2 + (full / 2) * random(), asked);
    this.#rests = Math.min(this.#rests + 1, 32);
    const since = clock();
    this.#rest = { since, until: since + rest, error };
    return rest;
  }
}
