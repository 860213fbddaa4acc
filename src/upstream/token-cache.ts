/** Tokens by what they are for: kept until they end, and fetched once for all who ask at the same time. */
import { LRUCache } from 'lru-cache';
import { MAX_CACHED_TOKENS } from './bounds.ts';
import type { Token, TokenRequest } from './token-service.ts';

export interface TokenCache {
  /** A usable token without asking anybody. */
  find(request: TokenRequest): Token | undefined;
  /** A usable token, fetched when there is none. */
  fetch(request: TokenRequest): Promise<Token>;
  /** Forgets the token, unless another one has taken its place already. */
  drop(request: TokenRequest, token: Token): void;
}

export function createTokenCache(
  exchange: (request: TokenRequest) => Promise<Token>,
  clock: () => number,
): TokenCache {
  const tokens = new LRUCache<string, Token>({ max: MAX_CACHED_TOKENS });
  const underway = new Map<string, Promise<Token>>();

  function find(request: TokenRequest): Token | undefined {
    const token = tokens.get(keyOf(request));
    return token !== undefined && clock() < token.usableUntil ? token : undefined;
  }

  async function fetchNow(key: string, request: TokenRequest): Promise<Token> {
    try {
      const token = await exchange(request);
      tokens.set(key, token);
      return token;
    } finally {
      underway.delete(key);
    }
  }

  return {
    find,
    async fetch(request) {
      const found = find(request);
      if (found !== undefined) return found;
      const key = keyOf(request);
      let exchanged = underway.get(key);
      if (exchanged === undefined) {
        exchanged = fetchNow(key, request);
        underway.set(key, exchanged);
      }
      return exchanged;
    },
    drop(request, token) {
      const key = keyOf(request);
      if (tokens.peek(key) === token) tokens.delete(key);
    },
  };
}

function keyOf({ realm, service, scope }: TokenRequest): string {
  return JSON.stringify([realm, service, scope]);
}
