/** A request's path becomes a value once: which upstream, which repository, what of it. */
import { isDigest, type Digest } from '../oci/digest.ts';
import {
  canonicalRegistry,
  isTag,
  parseRepository,
  type Reference,
  type Repository,
} from '../oci/reference.ts';
import type { RegistryError } from './registry-error.ts';

export type Route =
  | { readonly kind: 'base' }
  | (Named & { readonly kind: 'manifest'; readonly reference: Reference })
  | (Named & { readonly kind: 'blob'; readonly digest: Digest })
  | (Named & { readonly kind: 'referrers'; readonly digest: Digest })
  | (Named & { readonly kind: 'tags' });

interface Named {
  readonly repository: Repository;
  /** The path as the client wrote it, for the audit trail. */
  readonly asked: string;
  /** The value of `ns`, to be echoed as `OCI-Namespace` (distribution-spec "Registry Proxying"). */
  readonly namespace: string | undefined;
  readonly query: URLSearchParams | undefined;
}

/** Which names reach an upstream. */
export interface UpstreamNames {
  has(registry: string): boolean;
  /** The upstream of names without a registry. */
  readonly default: string | undefined;
}

const ENDPOINT = /^(.+)\/(manifests|blobs|referrers|tags)\/([^/]+)$/;

/**
 * Reads `/v2/<host>/<repository>/…`, `/<host>/v2/<repository>/…`, `/v2/<repository>/…?ns=<host>` and
 * `/v2/<repository>/…` for the default upstream.
 * @returns the route, or the error that answers the request.
 */
export function parseRoute(url: string, upstreams: UpstreamNames): Route | RegistryError {
  const mark = url.indexOf('?');
  const path = decoded(mark === -1 ? url : url.slice(0, mark));
  const query = mark === -1 ? undefined : new URLSearchParams(url.slice(mark + 1));
  if (path === undefined) return nameInvalid('the path is not valid percent-encoding');
  const split = splitPath(path);
  if (split === undefined) return unknownPath();
  const { host, rest } = split;
  if (rest === '')
    return host === undefined || upstreams.has(host) ? { kind: 'base' } : unknownUpstream(host);
  const [, name, endpoint, last] = ENDPOINT.exec(rest) ?? [];
  if (name === undefined || last === undefined) return unknownPath();
  const namespaces = query?.getAll('ns') ?? [];
  if (new Set(namespaces).size > 1) return nameInvalid('more than one ns');
  const [namespace] = namespaces;
  const repository = toRepository(name, host ?? undefined, namespace, upstreams);
  if ('code' in repository) return repository;
  const named: Named = { repository, asked: path, namespace, query };
  switch (endpoint) {
    case 'manifests':
      return manifestRoute(named, last);
    case 'tags':
      return last === 'list' ? { kind: 'tags', ...named } : unknownPath();
    default:
      if (!isDigest(last)) return { ...digestInvalid(last) };
      return { kind: endpoint === 'blobs' ? 'blob' : 'referrers', digest: last, ...named };
  }
}

/** `undefined` where percent-encoding is malformed. Names need none, but clients may encode the colon of a digest. */
function decoded(path: string): string | undefined {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** Separates `/<host>/v2/` and `/v2/` from what follows. */
function splitPath(path: string): { host: string | undefined; rest: string } | undefined {
  if (path === '/v2' || path === '/v2/') return { host: undefined, rest: '' };
  if (path.startsWith('/v2/')) return { host: undefined, rest: path.slice(4) };
  const [, host, rest] = /^\/([^/]+)\/v2(?:\/(.*))?$/.exec(path) ?? [];
  return host === undefined ? undefined : { host: canonicalRegistry(host), rest: rest ?? '' };
}

/** Every way in which the request names a registry must name the same one, and a configured one. */
function toRepository(
  name: string,
  host: string | undefined,
  namespace: string | undefined,
  upstreams: UpstreamNames,
): Repository | RegistryError {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : canonicalRegistry(name.slice(0, slash));
  // A dot or colon makes it a host to every client, so it is never taken for part of a repository's path.
  const looksLikeHost = first.includes('.') || first.includes(':') || first === 'localhost';
  const prefix = first !== '' && (upstreams.has(first) || looksLikeHost) ? first : undefined;
  const asked = namespace === undefined ? undefined : canonicalRegistry(namespace);
  const named = [host, asked, prefix].filter((one) => one !== undefined);
  const unknown = named.find((one) => !upstreams.has(one));
  if (unknown !== undefined) return unknownUpstream(unknown);
  const [registry = upstreams.default, other] = new Set(named);
  if (registry === undefined) {
    return nameInvalid('no registry is named and no upstream is the default');
  }
  if (other !== undefined) return nameInvalid(`the request names both ${registry} and ${other}`);
  try {
    return parseRepository(registry, prefix === undefined ? name : name.slice(slash + 1));
  } catch (error) {
    if (error instanceof SyntaxError) return nameInvalid(error.message);
    throw error;
  }
}

function manifestRoute(named: Named, text: string): Route | RegistryError {
  const { repository } = named;
  if (isDigest(text))
    return { kind: 'manifest', reference: { repository, digest: text }, ...named };
  if (isTag(text)) return { kind: 'manifest', reference: { repository, tag: text }, ...named };
  return text.includes(':')
    ? digestInvalid(text)
    : nameInvalid(`expected a tag, got ${shown(text)}`);
}

function nameInvalid(message: string): RegistryError {
  return { status: 400, code: 'NAME_INVALID', message };
}

function digestInvalid(text: string): RegistryError {
  const message = `expected a sha256 or sha512 digest, got ${shown(text)}`;
  return { status: 400, code: 'DIGEST_INVALID', message };
}

function unknownUpstream(registry: string): RegistryError {
  const message = `no upstream named ${shown(registry)} is configured here`;
  return { status: 404, code: 'NAME_UNKNOWN', message, phrase: 'unknown upstream' };
}

function unknownPath(): RegistryError {
  const message = 'this is a registry: its API begins at /v2/';
  return { status: 404, code: 'NAME_UNKNOWN', message };
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 160));
}
