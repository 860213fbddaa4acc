/** What discovery comes across, one by one. */
import type { Finding } from '../policy/evidence.ts';
import type { Candidate } from './candidate.ts';
import type { SourceError } from './signature-source.ts';

/** A signature to check, something that is none, or a place that could not be looked at (to its end). */
export type Discovered =
  | { readonly kind: 'candidate'; readonly candidate: Candidate }
  | { readonly kind: 'finding'; readonly finding: Finding }
  | { readonly kind: 'trouble'; readonly place: string; readonly error: SourceError }
  /** The place holds more than is looked at. */
  | { readonly kind: 'bound'; readonly place: string };

/** Something that calls itself a signature and cannot be one. */
export function rejected(place: string, text: string): Discovered {
  return { kind: 'finding', finding: { place, scheme: 'other', outcome: 'rejected', text } };
}

/** Something that is no signature. */
export function ignored(place: string, text: string): Discovered {
  return { kind: 'finding', finding: { place, scheme: 'other', outcome: 'ignored', text } };
}

export function tooLarge(size: number, bound: number): string {
  return `it declares ${size} bytes, the bound is ${bound}`;
}
