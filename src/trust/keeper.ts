/**
 * Keeps one Sigstore trust root fresh in the background. Whoever asks for the root gets the last one that was good, at
 * once: no question waits for a server, and no failing server takes a root away before it is stale.
 */
import { findLastKnownGood, keepLastKnownGood, type LastKnownGood } from './last-known-good.ts';
import type { TrustSource } from './trust-source.ts';
import { parseTrustedRoot } from './trusted-root.ts';
import { sigstoreRoot, type SigstoreAuthorities, type SigstoreRoot } from './trust-root.ts';
import { untilAborted } from './tuf-failure.ts';

export interface TrustKeeperLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Runs the work once, after so many milliseconds, unless it is cancelled. */
export type Schedule = (work: () => void, delay: number) => { cancel(): void };

export interface TrustKeeperOptions {
  /** The trust root's configured name. */
  readonly name: string;
  readonly source: TrustSource;
  /** What stands in until something was fetched. */
  readonly shipped?: SigstoreAuthorities;
  /** For this root alone; a source may keep its own things in it. */
  readonly folder: string;
  /** Milliseconds between two fetches. */
  readonly refresh: number;
  /** The source is never asked. */
  readonly isOffline?: boolean;
  /** Milliseconds after the last good fetch during which the root may be decided with; for ever unless given. */
  readonly maxStaleness?: number;
  readonly logger: TrustKeeperLogger;
  /**
   * Told whenever {@link TrustKeeper.current} has become another value. With the same id, only what is said about the
   * root differs: when it goes stale, why there is none.
   */
  readonly onChange: (root: SigstoreRoot, previous: SigstoreRoot) => void;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  readonly schedule?: Schedule;
  /** From 0 up to 1, for pauses that many proxies do not share. */
  readonly random?: () => number;
}

/** Milliseconds for one fetch, retries included. */
const FETCH_DEADLINE = 60_000;
const FIRST_PAUSE = 30_000;
const MAX_PAUSE = 60 * 60_000;
/** What a timer of Node can wait for. */
const MAX_DELAY = 2 ** 31 - 1;

const NOTHING: SigstoreAuthorities = {
  certificateAuthorities: [],
  timestampAuthorities: [],
  transparencyLogs: [],
  certificateLogs: [],
};

const neverFetched = (isOffline: boolean): string =>
  `it was never fetched${isOffline ? ', and the configuration says offline' : ''}`;

const byTimer: Schedule = (work, delay) => {
  const timer = setTimeout(work, delay).unref();
  return {
    cancel: () => {
      clearTimeout(timer);
    },
  };
};

export class TrustKeeper {
  readonly #options: TrustKeeperOptions;
  readonly #clock: () => number;
  readonly #schedule: Schedule;
  readonly #random: () => number;
  readonly #closing = new AbortController();
  #root: SigstoreRoot;
  #failures = 0;
  #timer: { cancel(): void } | undefined;
  #running: Promise<boolean> | undefined;

  constructor(options: TrustKeeperOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    this.#schedule = options.schedule ?? byTimer;
    this.#random = options.random ?? Math.random;
    this.#root = this.#rootOf(options.shipped, undefined);
  }

  /** The root to decide with now: look again for every decision. */
  current(): SigstoreRoot {
    return this.#root;
  }

  /** Takes up what the folder has and begins to refresh in the background. Never rejects, never waits for a server. */
  async start(): Promise<void> {
    const { refresh, shipped, maxStaleness } = this.#options;
    const kept = await this.#findKept();
    if (kept?.content === undefined) {
      // How old the shipped root is nobody knows, so its age counts from when it was first relied upon.
      const since = kept?.since ?? this.#clock();
      if (shipped !== undefined && maxStaleness !== undefined) {
        if (kept === undefined) await this.#keep({ content: undefined, since });
        this.#become(this.#rootOf(shipped, { since }));
      }
      this.#wait(0);
      return;
    }
    this.#wait(Math.max(0, kept.since + refresh - this.#clock()));
  }

  /** Fetches now, or joins the fetch that is under way. @returns whether the root is fresh. Never rejects. */
  refresh(): Promise<boolean> {
    if (this.#closing.signal.aborted || this.#isOffline) return Promise.resolve(false);
    this.#timer?.cancel();
    this.#running ??= this.#refresh().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Ends the refreshing; the last root stays readable. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('closing'));
    this.#timer?.cancel();
    await this.#running;
  }

  async #refresh(): Promise<boolean> {
    const { name, source, logger, refresh } = this.#options;
    try {
      const content = Buffer.from(await this.#fetch());
      const authorities = parseTrustedRoot(content);
      const since = this.#clock();
      const root = this.#rootOf(authorities, { since, fetched: true });
      if (root.id !== this.#root.id) {
        logger.info({ trustRoot: name, source: source.name, id: root.id }, 'trust root changed');
      }
      // On disk before anything is decided with it: a restart must not fall back behind what was decided.
      await this.#keep({ content, since });
      this.#become(root);
      this.#failures = 0;
      this.#wait(refresh * (0.9 + this.#random() / 5));
      return true;
    } catch (error) {
      if (this.#closing.signal.aborted) return false;
      this.#failures++;
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn(
        { trustRoot: name, source: source.name, failures: this.#failures, reason },
        'trust root not refreshed',
      );
      if (this.#root.unavailable !== undefined) {
        this.#become({ ...this.#root, unavailable: `it was never fetched: ${reason}` });
      }
      const pause = Math.min(FIRST_PAUSE * 2 ** (this.#failures - 1), MAX_PAUSE, refresh);
      this.#wait(pause * (0.5 + this.#random() / 2));
      return false;
    }
  }

  async #fetch(): Promise<Uint8Array> {
    const deadline = new AbortController();
    const timer = this.#schedule(() => {
      deadline.abort(new Error(`no answer within ${FETCH_DEADLINE / 1000} s`));
    }, FETCH_DEADLINE);
    const signal = AbortSignal.any([this.#closing.signal, deadline.signal]);
    try {
      return await untilAborted(this.#options.source.fetch(signal), signal);
    } finally {
      timer.cancel();
    }
  }

  /** What the folder has, put in place; undefined, with a warning, where it is of no use. */
  async #findKept(): Promise<LastKnownGood | undefined> {
    const { name, folder, source, logger } = this.#options;
    try {
      const found = await findLastKnownGood(folder, source.id);
      if (found === undefined) return undefined;
      // A clock that was set back must not make a root fresh for longer.
      const kept = { ...found, since: Math.min(found.since, this.#clock()) };
      if (kept.content !== undefined) {
        const authorities = parseTrustedRoot(kept.content);
        this.#become(this.#rootOf(authorities, { since: kept.since, fetched: true }));
      }
      return kept;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ trustRoot: name, reason }, 'kept trust root ignored');
      return undefined;
    }
  }

  async #keep(kept: LastKnownGood): Promise<void> {
    const { name, folder, source, logger } = this.#options;
    try {
      await keepLastKnownGood(folder, source.id, kept);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ trustRoot: name, reason }, 'trust root not kept on disk');
    }
  }

  #rootOf(
    authorities: SigstoreAuthorities | undefined,
    known: { readonly since: number; readonly fetched?: boolean } | undefined,
  ): SigstoreRoot {
    const { name, source, maxStaleness } = this.#options;
    const fetched = known?.fetched === true ? new Date(known.since).toISOString() : undefined;
    return sigstoreRoot(name, authorities ?? NOTHING, {
      source:
        fetched === undefined && authorities !== undefined
          ? 'shipped with countersign'
          : source.name + (fetched === undefined ? '' : `, fetched ${fetched}`),
      ...(known === undefined || maxStaleness === undefined
        ? {}
        : { staleAfter: known.since + maxStaleness }),
      ...(authorities === undefined ? { unavailable: neverFetched(this.#isOffline) } : {}),
    });
  }

  get #isOffline(): boolean {
    return this.#options.isOffline === true;
  }

  #become(root: SigstoreRoot): void {
    const previous = this.#root;
    this.#root = root;
    this.#options.onChange(root, previous);
  }

  #wait(delay: number): void {
    if (this.#closing.signal.aborted || this.#isOffline) return;
    this.#timer?.cancel();
    this.#timer = this.#schedule(
      () => {
        void this.refresh();
      },
      Math.min(delay, MAX_DELAY),
    );
  }
}
