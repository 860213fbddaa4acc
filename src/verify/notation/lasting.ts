/** A result, and until when it stays: milliseconds since the epoch, Infinity for ever. */
export interface Lasting<T> {
  readonly result: T;
  readonly until: number;
}
