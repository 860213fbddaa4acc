/** The interceptor that makes every request ours: no header by which a client could be known, no compression. */
import { readFileSync } from 'node:fs';
import type { Dispatcher } from 'undici';
import { isJsonObject } from '../oci/json.ts';

/** All that may leave; anything else a caller of the dispatcher passes on from its own client stays here. */
const OURS = new Set([
  'accept',
  'authorization',
  'content-length',
  'content-type',
  'if-none-match',
  'range',
]);

/** What a registry is told without its own authentication asking for it. */
const WITHOUT_CREDENTIALS = new Set([...OURS].filter((name) => name !== 'authorization'));

/** `countersign/<version>` */
export const USER_AGENT = `countersign/${version()}`;

/**
 * Rebuilds the headers from what we mean to send.
 * @param credentials 'drop' where an inner interceptor adds Authorization itself: a client's is never forwarded.
 */
export function ownHeaders(credentials: 'drop' | 'keep'): Dispatcher.DispatcherComposeInterceptor {
  const allowed = credentials === 'keep' ? OURS : WITHOUT_CREDENTIALS;
  return (dispatch) => (options, handler) => {
    const headers: Record<string, string> = {};
    for (const [name, value] of entries(options.headers)) {
      if (allowed.has(name.toLowerCase())) headers[name.toLowerCase()] = value;
    }
    headers['accept-encoding'] = 'identity';
    headers['user-agent'] = USER_AGENT;
    return dispatch({ ...options, headers }, handler);
  };
}

/** Name and value pairs of any form in which undici takes headers; absent values are left out. */
export function entries(headers: Dispatcher.DispatchOptions['headers']): [string, string][] {
  if (headers == null) return [];
  const pairs: unknown[] = Array.isArray(headers)
    ? pairUp(headers)
    : Symbol.iterator in headers
      ? [...headers]
      : Object.entries(headers);
  return pairs.flatMap((pair): [string, string][] => {
    if (!isList(pair)) return [];
    const [name, value] = pair;
    if (typeof name !== 'string') return [];
    if (typeof value === 'string' || typeof value === 'number') return [[name, String(value)]];
    return isList(value) ? [[name, value.join(', ')]] : [];
  });
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/** undici takes `[name, value, …]` and `[[name, value], …]`. */
function pairUp(list: readonly unknown[]): unknown[] {
  if (Array.isArray(list[0])) return [...list];
  const pairs: unknown[] = [];
  for (let at = 0; at < list.length; at += 2) pairs.push([list[at], list[at + 1]]);
  return pairs;
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  const json: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const found = isJsonObject(json) ? json['version'] : undefined;
  return typeof found === 'string' ? found : '0';
}
