/** How a fake registry guards its door: nothing, Basic, or Bearer tokens from an issuer that counts exchanges. */
import type { FakeReply, FakeRequest } from './fake-registry-reply.ts';

export interface TokenExchange {
  readonly method: string;
  readonly authorization: string | undefined;
  /** Query of a GET or form of a POST. */
  readonly parameters: URLSearchParams;
}

export interface TokenIssuerOptions {
  /** When told, GET needs these as Basic and POST `password` accepts them. */
  readonly username?: string;
  readonly password?: string;
  /** When told, POST `refresh_token` needs it. */
  readonly refreshToken?: string;
  /** Seconds; left out of the answer when undefined. */
  readonly expiresIn?: number;
  readonly issuedAt?: string;
  readonly field?: 'token' | 'access_token';
}

export interface TokenIssuer {
  readonly exchanges: TokenExchange[];
  answer(request: FakeRequest): FakeReply;
  /** Whether this registry accepts the token for pulling the repository. */
  accepts(token: string, repository: string): boolean;
  /** Makes every token handed out so far worthless. */
  revokeAll(): void;
}

/** A token service; share one between two fake registries to keep it on another server. */
export function createTokenIssuer(options: TokenIssuerOptions = {}): TokenIssuer {
  const exchanges: TokenExchange[] = [];
  const valid = new Map<string, string>();
  let count = 0;
  return {
    exchanges,
    answer(request) {
      const parameters =
        request.method === 'POST'
          ? new URLSearchParams(request.body)
          : new URL(request.url, 'http://fake').searchParams;
      const { authorization } = request.headers;
      exchanges.push({ method: request.method, authorization, parameters });
      if (!isLoggedIn(options, request, parameters)) {
        return json(401, { errors: [{ code: 'UNAUTHORIZED', message: 'wrong credentials' }] });
      }
      count += 1;
      const token = `fake-token-${count}`;
      valid.set(token, parameters.get('scope') ?? '');
      return json(200, {
        [options.field ?? 'token']: token,
        ...(options.expiresIn === undefined ? {} : { expires_in: options.expiresIn }),
        ...(options.issuedAt === undefined ? {} : { issued_at: options.issuedAt }),
      });
    },
    accepts: (token, repository) => valid.get(token) === `repository:${repository}:pull`,
    revokeAll: () => {
      valid.clear();
    },
  };
}

export type FakeAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | {
      readonly kind: 'bearer';
      readonly issuer: TokenIssuer;
      /** URL of the token service; this server's own `/token` unless told. */
      readonly realm?: string;
      readonly service?: string;
      /** The whole WWW-Authenticate value, for challenges no decent registry sends. */
      readonly challenge?: string;
    };

/** The 401 that this registry answers to the request, or undefined when it may pass. */
export function checkAuth(
  auth: FakeAuth,
  request: FakeRequest,
  repository: string,
  ownRealm: string,
): FakeReply | undefined {
  if (auth.kind === 'none') return undefined;
  const { authorization } = request.headers;
  if (auth.kind === 'basic') {
    return authorization === basic(auth.username, auth.password)
      ? undefined
      : unauthorized('Basic realm="fake registry"');
  }
  const token = authorization?.startsWith('Bearer ') === true ? authorization.slice(7) : undefined;
  if (token !== undefined && auth.issuer.accepts(token, repository)) return undefined;
  const scope = repository === '' ? '' : `,scope="repository:${repository}:pull"`;
  return unauthorized(
    auth.challenge ??
      `Bearer realm="${auth.realm ?? ownRealm}",service="${auth.service ?? 'fake.example'}"${scope}`,
  );
}

/** The Authorization header of a user and password. */
export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function isLoggedIn(
  options: TokenIssuerOptions,
  request: FakeRequest,
  parameters: URLSearchParams,
): boolean {
  if (request.method === 'POST') {
    return (
      parameters.get('grant_type') === 'refresh_token' &&
      parameters.get('refresh_token') === options.refreshToken
    );
  }
  if (options.username === undefined) return true;
  return request.headers.authorization === basic(options.username, options.password ?? '');
}

function unauthorized(challenge: string): FakeReply {
  const body = { errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] };
  const reply = json(401, body);
  return { ...reply, headers: { ...reply.headers, 'www-authenticate': challenge } };
}

function json(status: number, value: unknown): FakeReply {
  const body = Buffer.from(JSON.stringify(value));
  return { status, headers: { 'content-type': 'application/json' }, body };
}
