/** How much a registry still lets us ask, by its own headers. */
import type { IncomingHttpHeaders } from 'node:http';
import { BUDGET_WINDOW, RESERVED_BUDGET, RESERVED_QUESTIONS } from './bounds.ts';

/** What a registry said of its limit. */
export interface Budget {
  /** Questions in a window; undefined where it does not say. */
  readonly limit: number | undefined;
  readonly remaining: number;
  /** Milliseconds for which that is so at most. */
  readonly window: number;
}

/**
 * Docker Hub's `ratelimit-remaining: 76;w=21600`, the same with `ratelimit-reset` as several registries have it, or one
 * item of `RateLimit: "name";r=76;t=30` (draft-ietf-httpapi-ratelimit-headers).
 * @returns undefined where there is nothing of the kind.
 */
export function parseBudget(headers: IncomingHttpHeaders): Budget | undefined {
  const item = parseItem(headers['ratelimit']);
  if (item.has('r')) {
    const { r, t } = numbersOf(item);
    return r === undefined ? undefined : { limit: undefined, remaining: r, window: windowOf(t) };
  }
  const { '': remaining, w } = numbersOf(parseItem(headers['ratelimit-remaining']));
  if (remaining === undefined) return undefined;
  const { '': limit } = numbersOf(parseItem(headers['ratelimit-limit']));
  const { '': reset } = numbersOf(parseItem(headers['ratelimit-reset']));
  return { limit, remaining, window: windowOf(reset ?? w) };
}

/** Parameters of a header with one item, by name; the item itself is ''. */
function parseItem(header: string | string[] | undefined): ReadonlyMap<string, string> {
  if (typeof header !== 'string' || header.length > 256 || header.includes(',')) return new Map();
  const [item = '', ...parameters] = header.split(';').map((part) => part.trim());
  return new Map([
    ['', item],
    ...parameters.map((part): [string, string] => {
      const [name = '', value = ''] = part.split('=', 2);
      return [name, value];
    }),
  ]);
}

function numbersOf(
  item: ReadonlyMap<string, string>,
): Partial<Record<'' | 'r' | 't' | 'w', number>> {
  return Object.fromEntries(
    [...item].flatMap(([name, value]) => (/^\d{1,12}$/.test(value) ? [[name, Number(value)]] : [])),
  );
}

function windowOf(seconds: number | undefined): number {
  return seconds === undefined
    ? BUDGET_WINDOW.unknown
    : Math.min(seconds * 1000, BUDGET_WINDOW.most);
}

/** What was said last, as long as it is so. */
export interface BudgetAccount {
  readonly read: (headers: IncomingHttpHeaders) => void;
  find(): Budget | undefined;
  /** Whether what is left is for those who wait: a tenth of the whole, or ten questions. */
  isLow(): boolean;
}

/** @param clock milliseconds since 1970. */
export function openBudget(clock: () => number): BudgetAccount {
  let last: { readonly budget: Budget; readonly at: number } | undefined;

  function find(): Budget | undefined {
    if (last === undefined) return undefined;
    const age = clock() - last.at;
    return age >= 0 && age < last.budget.window ? last.budget : undefined;
  }

  return {
    read(headers) {
      const budget = parseBudget(headers);
      if (budget !== undefined) last = { budget, at: clock() };
    },
    find,
    isLow() {
      const budget = find();
      if (budget === undefined) return false;
      const { limit, remaining } = budget;
      return remaining <= (limit === undefined ? RESERVED_QUESTIONS : limit * RESERVED_BUDGET);
    },
  };
}
