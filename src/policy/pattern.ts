/** Glob patterns over canonical repository names: `*` within one path segment, `**` over segments. */
import { canonicalRegistry, formatRepository, type Repository } from '../oci/reference.ts';

/** One compiled pattern. */
export interface Pattern {
  readonly text: string;
  matches(repository: Repository): boolean;
}

/** Any of `include` and none of `exclude`. */
export interface Match {
  readonly include: readonly Pattern[];
  readonly exclude: readonly Pattern[];
}

const SEGMENT = /^[a-z0-9*._:[\]-]+$/;

/**
 * Compiles `registry/path` with `*` (any characters of one segment) and `**` (any segments; at the end at least one).
 * Patterns are canonical as names are: `docker.io/alpine` matches `docker.io/library/alpine`.
 * @throws {SyntaxError} for upper case, empty segments, tags or digests.
 */
export function parsePattern(text: string): Pattern {
  const [first, ...rest] = text.split('/');
  if (first === undefined || first === '' || (rest.length === 0 && first !== '**')) {
    throw new SyntaxError(`expected a pattern such as registry.example/team/**, got "${text}"`);
  }
  const registry = first.includes('*') ? first : canonicalRegistry(first);
  const onlyName = rest.length === 1 && rest[0] !== '**' ? rest : undefined;
  const segments = [
    registry,
    ...(registry === 'docker.io' && onlyName ? ['library', ...onlyName] : rest),
  ];
  for (const [index, segment] of segments.entries()) {
    const wrong =
      !SEGMENT.test(segment) ||
      (segment.includes('**') && segment !== '**') ||
      (index > 0 && segment.includes(':'));
    if (wrong) {
      throw new SyntaxError(
        `expected lower-case path segments, * or ** and no tag or digest in a pattern, got "${text}"`,
      );
    }
  }
  return {
    text,
    matches: (repository) => matchSegments(segments, formatRepository(repository).split('/')),
  };
}

/**
 * A list of patterns in which `!` marks exclusions.
 * @throws {SyntaxError} when nothing is included.
 */
export function parseMatch(texts: readonly string[]): Match {
  const include = texts.filter((text) => !text.startsWith('!')).map(parsePattern);
  const exclude = texts
    .filter((text) => text.startsWith('!'))
    .map((text) => parsePattern(text.slice(1)));
  if (include.length === 0) {
    throw new SyntaxError('expected at least one pattern that includes (exclusions begin with !)');
  }
  return { include, exclude };
}

export function matchesRepository(match: Match, repository: Repository): boolean {
  return (
    match.include.some((pattern) => pattern.matches(repository)) &&
    !match.exclude.some((pattern) => pattern.matches(repository))
  );
}

/** Dynamic programming over segments: linear in pattern × name, whatever the operator wrote. */
function matchSegments(pattern: readonly string[], name: readonly string[]): boolean {
  // reachable[i]: the pattern read so far matches the first i segments of the name.
  let reachable = name.map(() => false).concat(false);
  reachable[0] = true;
  for (const [index, segment] of pattern.entries()) {
    const next = reachable.map(() => false);
    const last = index === pattern.length - 1;
    let open = false;
    for (let at = 0; at <= name.length; at++) {
      if (segment === '**') {
        if (open || (!last && reachable[at] === true)) next[at] = true;
        open ||= reachable[at] === true;
      } else {
        const here = name[at - 1];
        next[at] =
          at > 0 && reachable[at - 1] === true && here !== undefined && matchText(segment, here);
      }
    }
    reachable = next;
  }
  return reachable[name.length] === true;
}

/** `*` against one segment with one point of return, so linear time for each star. */
export function matchText(pattern: string, text: string): boolean {
  let p = 0;
  let star = -1;
  let retry = 0;
  for (let i = 0; i < text.length;) {
    if (pattern[p] === '*') {
      star = p++;
      retry = i;
    } else if (pattern[p] === text[i]) {
      p++;
      i++;
    } else if (star !== -1) {
      p = star + 1;
      i = ++retry;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
