/** Names of things in registries: distribution-spec "Pulling manifests" and the grammar of its `<name>` and `<reference>`. */
import { isDigest, type Digest } from './digest.ts';

/** A repository under its canonical name, e.g. `{ registry: 'docker.io', path: 'library/alpine' }`. */
export interface Repository {
  /** The upstream's configured name, lower case, with `:port` where it has one. */
  readonly registry: string;
  /** Slash-separated path components, at most 255 characters. */
  readonly path: string;
}

/** A human's word for a manifest, or the fact. */
export type Reference =
  | { readonly repository: Repository; readonly tag: string; readonly digest?: undefined }
  | { readonly repository: Repository; readonly digest: Digest; readonly tag?: undefined };

// distribution-spec: one path component; separators are '.', '_', '__' or any number of '-'.
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
// A host name or IPv4 address with an optional port, or a bracketed IPv6 address.
const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::[0-9]{1,5})?$/;

const MAX_PATH = 255;

/** Names under which clients know docker.io. */
const DOCKER_HUB_ALIASES = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

export function isRepositoryPath(text: string): boolean {
  return text.length <= MAX_PATH && PATH.test(text);
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Whether the text can name a registry: host, optional port, lower case. */
export function isRegistryName(text: string): boolean {
  return text.length <= 255 && HOST.test(text);
}

/** The one name a registry is known by here: lower case, Docker Hub's aliases folded into `docker.io`. */
export function canonicalRegistry(name: string): string {
  // ASCII alone: U+212A is no letter of a host name, though it becomes a k in lower case.
  const lower = name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return DOCKER_HUB_ALIASES.has(lower) ? 'docker.io' : lower;
}

/**
 * The canonical repository: `docker.io/alpine` is `docker.io/library/alpine`.
 * @throws {SyntaxError} when registry or path is not of the grammar.
 */
export function parseRepository(registry: string, path: string): Repository {
  const canonical = canonicalRegistry(registry);
  if (!isRegistryName(canonical)) {
    throw new SyntaxError(
      `expected a registry host, got ${JSON.stringify(registry.slice(0, 160))}`,
    );
  }
  const full = canonical === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  if (!isRepositoryPath(full)) {
    throw new SyntaxError(
      `expected a repository name (lower-case path of at most ${MAX_PATH} characters), got ${JSON.stringify(path.slice(0, 300))}`,
    );
  }
  return { registry: canonical, path: full };
}

/**
 * A tag or digest within a repository.
 * @throws {SyntaxError} when the text is neither.
 */
export function parseReferenceIn(repository: Repository, text: string): Reference {
  if (isDigest(text)) return { repository, digest: text };
  if (isTag(text)) return { repository, tag: text };
  throw new SyntaxError(`expected a tag or digest, got ${JSON.stringify(text.slice(0, 160))}`);
}

export interface ReferenceDefaults {
  /** Meant where no registry is written; docker.io unless told. */
  readonly registry?: string | undefined;
  /** Whether a first component without a dot or colon names a registry all the same. */
  readonly isRegistry?: (name: string) => boolean;
}

/**
 * A reference as people write it: `[registry/]path[:tag][@digest]`; no tag means `latest`, with both tag and digest the
 * digest decides.
 * @throws {SyntaxError} when it is not of that form.
 */
export function parseReference(text: string, defaults: ReferenceDefaults = {}): Reference {
  const at = text.indexOf('@');
  const name = at === -1 ? text : text.slice(0, at);
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const hasRegistry =
    first.includes('.') ||
    first.includes(':') ||
    first === 'localhost' ||
    (first !== '' && defaults.isRegistry?.(first) === true);
  const registry = hasRegistry ? first : (defaults.registry ?? 'docker.io');
  const rest = hasRegistry ? name.slice(slash + 1) : name;
  const colon = rest.lastIndexOf(':');
  const path = colon === -1 ? rest : rest.slice(0, colon);
  const tag = colon === -1 ? 'latest' : rest.slice(colon + 1);
  const repository = parseRepository(registry, path);
  const tagged = parseReferenceIn(repository, tag);
  if (at === -1) return tagged;
  const digest = text.slice(at + 1);
  if (!isDigest(digest)) {
    throw new SyntaxError(`expected a digest after @, got ${JSON.stringify(digest.slice(0, 160))}`);
  }
  return { repository, digest };
}

/** `registry/path` */
export function formatRepository(repository: Repository): string {
  return `${repository.registry}/${repository.path}`;
}

/** `registry/path:tag` or `registry/path@digest` */
export function formatReference(reference: Reference): string {
  const name = formatRepository(reference.repository);
  return reference.tag === undefined ? `${name}@${reference.digest}` : `${name}:${reference.tag}`;
}
