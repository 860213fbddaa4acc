/** The interceptor that answers a registry's 401, and remembers how so that the next request need not be refused first. */
import type { Dispatcher } from 'undici';
import { isRepositoryPath } from '../oci/reference.ts';
import { parseChallenges } from './challenge.ts';
import type { Credential, Credentials } from './credential.ts';
import { entries } from './request-headers.ts';
import { dispatchWithReplay, type Outcome } from './replay.ts';
import { basicAuthorization, type Token, type TokenRequest } from './token-service.ts';
import type { TokenCache } from './token-cache.ts';

/** How a registry wants to be spoken to. */
type Manner =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service: string };

export interface AuthenticationOptions {
  /** Requests to any other origin pass untouched, and a 401 of any other origin is nobody's challenge to us. */
  readonly origin: string;
  /** Undefined where none are configured; tokens are asked for anonymously then. */
  readonly credentials: Credentials | undefined;
  readonly tokens: TokenCache;
}

/** Adds Authorization to requests for one origin. */
export function authenticate(
  options: AuthenticationOptions,
): Dispatcher.DispatcherComposeInterceptor {
  const { origin, credentials, tokens } = options;
  let known: Manner | undefined;

  return (dispatch) => (request, handler) => {
    if (new URL(String(request.origin)).origin !== origin) return dispatch(request, handler);
    const scope = scopeOf(request.path);
    const headers = Object.fromEntries(entries(request.headers));
    /** What was sent last, when it came out of the cache. */
    let cached: { readonly wanted: TokenRequest; readonly token: Token } | undefined;
    /** The token that was sent last. */
    let sent: { readonly wanted: TokenRequest; readonly token: Token } | undefined;
    /** Whether credentials were presented for this very request; nothing better will come after them. */
    let fresh = false;

    function withAuthorization(authorization: string): Dispatcher.DispatchOptions {
      return { ...request, headers: { ...headers, authorization } };
    }

    function prepare(): Dispatcher.DispatchOptions | Promise<Dispatcher.DispatchOptions> {
      const manner = known;
      if (manner === undefined) return request;
      if (manner.scheme === 'basic') {
        fresh = true;
        return findPassword(credentials).then((password) =>
          password === undefined ? request : withAuthorization(basicAuthorization(password)),
        );
      }
      const wanted = toTokenRequest(manner, scope);
      // One token out of the cache is tried; after that only what an exchange gives.
      const token = cached === undefined ? tokens.find(wanted) : undefined;
      if (token !== undefined) {
        cached = { wanted, token };
        sent = cached;
        return withAuthorization(`Bearer ${token.value}`);
      }
      fresh = true;
      return tokens.fetch(wanted).then(
        (exchanged) => {
          sent = { wanted, token: exchanged };
          return withAuthorization(`Bearer ${exchanged.value}`);
        },
        (error: unknown) => {
          // The realm may have moved: the next request asks the registry again where it is.
          if (known === manner) known = undefined;
          throw error;
        },
      );
    }

    function again(outcome: Outcome): Promise<void> | undefined {
      // What a token does not allow, the next one may: credentials change while it lives.
      if (outcome.status === 403 && sent !== undefined) tokens.drop(sent.wanted, sent.token);
      if (outcome.status !== 401 || fresh) return undefined;
      if (cached !== undefined) tokens.drop(cached.wanted, cached.token);
      const manner = chooseManner(outcome.headers['www-authenticate'], credentials !== undefined);
      if (manner === undefined) return undefined;
      known = manner;
      return Promise.resolve();
    }

    return dispatchWithReplay(dispatch, handler, { prepare, again });
  };
}

/** Bearer before Basic, as a token says less than a password; Basic only with something to say. */
function chooseManner(
  header: string | string[] | undefined,
  hasCredentials: boolean,
): Manner | undefined {
  const manners = parseManners(header);
  const bearer = manners.find((manner) => manner.scheme === 'bearer');
  return bearer ?? (hasCredentials ? manners[0] : undefined);
}

function parseManners(header: string | string[] | undefined): Manner[] {
  return parseChallenges(header).flatMap(({ scheme, parameters }): Manner[] => {
    if (scheme === 'basic') return [{ scheme }];
    const realm = parameters.get('realm');
    if (scheme !== 'bearer' || realm === undefined) return [];
    return [{ scheme, realm, service: parameters.get('service') ?? '' }];
  });
}

function toTokenRequest(manner: Manner & { scheme: 'bearer' }, scope: string): TokenRequest {
  return { realm: manner.realm, service: manner.service, scope };
}

async function findPassword(
  credentials: Credentials | undefined,
): Promise<(Credential & { kind: 'basic' }) | undefined> {
  const credential = await credentials?.find();
  return credential?.kind === 'basic' ? credential : undefined;
}

/** The least that the request needs; what the challenge asks for is not looked at, it could be anything. */
function scopeOf(path: string): string {
  const [pathname = ''] = path.split('?', 1);
  const [, repository = ''] =
    /^\/v2\/(.+)\/(?:manifests|blobs|referrers|tags)\/[^/]+$/.exec(pathname) ?? [];
  return isRepositoryPath(repository) ? `repository:${repository}:pull` : '';
}
