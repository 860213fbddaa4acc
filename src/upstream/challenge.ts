/** WWW-Authenticate headers by their grammar: RFC 9110 §11.6.1, several challenges and quoted commas included. */
import { MAX_CHALLENGE_LENGTH } from './bounds.ts';

export interface Challenge {
  /** Lower case, e.g. `bearer`. */
  readonly scheme: string;
  /** By lower-case name; of a name given twice the first counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

// Each is tried at one position only (sticky), so no input makes them look twice at the same character.
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const SPACE = /[ \t]*/y;
const SEPARATOR = /[ \t,]*/y;

/** The challenges of a response, in order; where the grammar breaks, those before the break. */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const text = (typeof header === 'string' ? [header] : (header ?? [])).join(', ');
  return text.length > MAX_CHALLENGE_LENGTH ? [] : new Parser(text).challenges();
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  challenges(): Challenge[] {
    const found: Challenge[] = [];
    this.#take(SEPARATOR);
    while (this.#at < this.#text.length) {
      const scheme = this.#take(TOKEN);
      if (scheme === undefined) break;
      this.#take(SPACE);
      const parameters = new Map<string, string>();
      const whole = this.#parameters(parameters);
      // Half a challenge could name half a realm.
      if (!whole) break;
      found.push({ scheme: scheme.toLowerCase(), parameters });
    }
    return found;
  }

  /** Reads `name=value` pairs up to the next scheme; false when they break off. */
  #parameters(into: Map<string, string>): boolean {
    // A scheme that stands alone.
    if (this.#text[this.#at] === ',') return this.#separate();
    for (let first = true; this.#at < this.#text.length; first = false) {
      const start = this.#at;
      const name = this.#take(TOKEN);
      this.#take(SPACE);
      const isPair = name !== undefined && this.#text[this.#at] === '=';
      if (isPair) {
        this.#at += 1;
        this.#take(SPACE);
        const value = this.#value();
        if (value !== undefined) {
          const key = name.toLowerCase();
          if (!into.has(key)) into.set(key, value);
          if (!this.#separate()) return false;
          continue;
        }
      }
      // No pair: a token68, which stands alone and first, or the next challenge's scheme.
      this.#at = start;
      if (first && this.#take(TOKEN68) !== undefined) return this.#separate();
      return name !== undefined && !isPair;
    }
    return true;
  }

  #value(): string | undefined {
    const quoted = this.#take(QUOTED);
    return quoted === undefined ? this.#take(TOKEN) : quoted.slice(1, -1).replace(/\\(.)/gs, '$1');
  }

  /** A comma, or the end. */
  #separate(): boolean {
    const separator = this.#take(SEPARATOR) ?? '';
    return separator.includes(',') || this.#at === this.#text.length;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#at = pattern.lastIndex;
    return found;
  }
}
