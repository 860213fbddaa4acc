/** An exception: one digest that a rule admits for a time although its signatures do not do. */
import type { Digest } from '../oci/digest.ts';

export interface Exception {
  /** Of an image or of an index, which lets its children in. */
  readonly digest: Digest;
  /** The rule by its name. */
  readonly rule: string;
  /** Why, for whoever pulls and whoever reads the log. */
  readonly reason: string;
  /** When it is over; milliseconds since the epoch. */
  readonly expires: number;
}

/** Until when and why, in one clause. */
export function describeException({ expires, reason }: Exception): string {
  return `exception until ${formatTime(expires)}: ${reason}`;
}

/** The same for one that is over. */
export function describeOver({ expires, reason }: Exception): string {
  return `an exception was over on ${formatTime(expires)}: ${reason}`;
}

function formatTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z');
}
