/** Glob patterns over references: a pattern of repositories, alone or with a pattern of tags or a digest behind it. */
import { isDigest } from '../oci/digest.ts';
import { matchText, parsePattern } from './pattern.ts';

/** One compiled pattern. */
export interface ReferencePattern {
  readonly text: string;
  /** Whether it matches `registry/path:tag` or `registry/path@digest`, canonical. */
  matches(reference: string): boolean;
}

const TAG_PATTERN = /^[A-Za-z0-9._*-]{1,128}$/;

/**
 * Compiles `registry/path`, `registry/path:tag` or `registry/path@digest`; `*` stands for any characters of a segment of
 * the path or of the tag, `**` for segments.
 * @throws {SyntaxError} when it is of none of these forms.
 */
export function parseReferencePattern(text: string): ReferencePattern {
  const { repository, tag, digest } = split(text);
  const pattern = parsePattern(repository);
  if (digest !== undefined && !isDigest(digest)) {
    throw new SyntaxError(`expected a digest after @, got "${digest}"`);
  }
  if (tag !== undefined && !TAG_PATTERN.test(tag)) {
    throw new SyntaxError(`expected a tag, in which * may stand for any characters, got "${tag}"`);
  }
  return {
    text,
    matches(reference) {
      const named = split(reference);
      const slash = named.repository.indexOf('/');
      const registry = named.repository.slice(0, slash);
      return (
        pattern.matches({ registry, path: named.repository.slice(slash + 1) }) &&
        (digest === undefined || digest === named.digest) &&
        (tag === undefined || (named.tag !== undefined && matchText(tag, named.tag)))
      );
    },
  };
}

function split(text: string): {
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
} {
  const at = text.indexOf('@');
  if (at !== -1) return { repository: text.slice(0, at), digest: text.slice(at + 1) };
  const colon = text.indexOf(':', text.lastIndexOf('/'));
  if (!text.includes('/') || colon === -1) return { repository: text };
  return { repository: text.slice(0, colon), tag: text.slice(colon + 1) };
}
