/** How asking the proxy went, as a value: a refusal is what many of these commands are run to see. */

/** Why there is nothing. */
export interface Failed {
  /**
   * `refused`: the proxy looked and says no. `absent`: there is no such thing. `failed`: it could not be decided, or not
   * be fetched, now.
   */
  readonly outcome: 'refused' | 'absent' | 'failed';
  /** One sentence, the proxy's own where it gave one. */
  readonly message: string;
  /** Of the HTTP answer; undefined where there was none. */
  readonly status?: number | undefined;
  /** The proxy has none, and nobody may ask the upstream: what came here before is all that there is. */
  readonly isUnasked?: boolean;
}

export interface Got<T> {
  readonly outcome: 'got';
  readonly value: T;
}

export type Answer<T> = Got<T> | Failed;

export function got<T>(value: T): Got<T> {
  return { outcome: 'got', value };
}

export function failed(message: string): Failed {
  return { outcome: 'failed', message };
}
