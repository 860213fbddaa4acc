/** Exchanges credentials for a Bearer token: distribution's token specification and its OAuth2 form. */
import type { Dispatcher } from 'undici';
import { isJsonObject, parseJson } from '../oci/json.ts';
import { ask, type Asker } from './ask.ts';
import { readWhole } from './body.ts';
import {
  DEFAULT_TOKEN_LIFETIME,
  MAX_TOKEN_LIFETIME,
  MAX_TOKEN_RESPONSE_BYTES,
  TOKEN_MARGIN,
} from './bounds.ts';
import type { Credential } from './credential.ts';
import { UpstreamError } from './upstream.ts';

/** What a token is for; `scope` is '' where a registry protects its API as such. */
export interface TokenRequest {
  readonly realm: string;
  readonly service: string;
  readonly scope: string;
}

export interface Token {
  readonly value: string;
  /** Milliseconds since 1970 until which it may be used. */
  readonly usableUntil: number;
}

const CLIENT_ID = 'countersign';

/**
 * Asks a realm for a token.
 * @throws {UpstreamError} among others `refused-target` for a realm that is no URL we may go to.
 */
export async function exchangeToken(
  asker: Asker,
  request: TokenRequest,
  credential: Credential | undefined,
): Promise<Token> {
  const realm = parseRealm(request.realm);
  const response = await ask(asker, toHttp(realm, request, credential));
  const bytes = await readWhole(response, MAX_TOKEN_RESPONSE_BYTES, `token from ${realm.host}`);
  return parseToken(bytes, realm.host, asker.clock());
}

function parseRealm(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (!isWeb || url.username !== '' || url.password !== '') {
    // Not quoted: it may carry a password.
    throw new UpstreamError(
      'refused-target',
      'expected the token realm to be an https URL without a user',
    );
  }
  return url;
}

function toHttp(
  realm: URL,
  { service, scope }: TokenRequest,
  credential: Credential | undefined,
): Dispatcher.RequestOptions {
  const parameters = new URLSearchParams();
  if (service !== '') parameters.set('service', service);
  if (scope !== '') parameters.set('scope', scope);
  const { origin } = realm;
  if (credential?.kind === 'identity-token') {
    parameters.set('grant_type', 'refresh_token');
    parameters.set('client_id', CLIENT_ID);
    parameters.set('refresh_token', credential.token);
    return {
      origin,
      path: realm.pathname + realm.search,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: parameters.toString(),
    };
  }
  if (credential !== undefined) parameters.set('account', credential.username);
  const query = `${realm.search === '' ? '?' : `${realm.search}&`}${parameters.toString()}`;
  return {
    origin,
    path: realm.pathname + query,
    method: 'GET',
    headers: {
      accept: 'application/json',
      ...(credential === undefined ? {} : { authorization: basicAuthorization(credential) }),
    },
  };
}

/** RFC 7617. */
export function basicAuthorization(credential: Credential & { kind: 'basic' }): string {
  const text = `${credential.username}:${credential.password}`;
  return `Basic ${Buffer.from(text, 'utf8').toString('base64')}`;
}

/**
 * Reads a token service's answer.
 * @throws {UpstreamError} `bad-response`
 */
export function parseToken(bytes: Buffer, host: string, now: number): Token {
  let answer: unknown;
  try {
    answer = parseJson(bytes);
  } catch {
    // The parser quotes what it stumbles over, and that may be the token.
  }
  const fields = isJsonObject(answer) ? answer : {};
  const value = present(fields['token']) ?? present(fields['access_token']);
  // RFC 6750 §2.1; anything else could smuggle a header.
  if (value === undefined || !/^[\x21-\x7e]+$/.test(value)) {
    throw new UpstreamError('bad-response', `expected a token from ${host}, got something else`);
  }
  return { value, usableUntil: usableUntil(fields['expires_in'], fields['issued_at'], now) };
}

function present(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function usableUntil(expiresIn: unknown, issuedAt: unknown, now: number): number {
  const said = typeof expiresIn === 'number' && expiresIn > 0 ? expiresIn * 1000 : undefined;
  const lifetime = Math.min(said ?? DEFAULT_TOKEN_LIFETIME, MAX_TOKEN_LIFETIME);
  const issued = typeof issuedAt === 'string' ? Date.parse(issuedAt) : NaN;
  // A clock that differs from ours by more than the whole lifetime says nothing about the token's age.
  const start = issued <= now && issued + lifetime > now ? issued : now;
  return start + lifetime - Math.min(TOKEN_MARGIN, lifetime / 2);
}
