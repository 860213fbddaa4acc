/** What is to be carried: references, patterns of tags, platforms. */
import { matchText } from '../policy/pattern.ts';
import { parseAttachmentTag } from '../admission/attachment.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import {
  formatReference,
  formatRepository,
  parseReference,
  type Reference,
  type ReferenceDefaults,
  type Repository,
} from '../oci/reference.ts';

/** `os/architecture[/variant]` */
export type Platform = string;

/** One image, or all that a pattern of tags matches. */
export type Wanted = {
  /** Undefined for all. */
  readonly platforms: readonly Platform[] | undefined;
} & (
  | { readonly reference: Reference; readonly pattern?: undefined }
  | { readonly repository: Repository; readonly pattern: string; readonly reference?: undefined }
);

/** One image. */
export interface WantedImage {
  readonly reference: Reference;
  readonly platforms: readonly Platform[] | undefined;
}

const TAG_PATTERN = /^[A-Za-z0-9._*-]{1,128}$/;
const PLATFORM = /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/;

/**
 * Reads a reference as people write it, in whose tag `*` stands for any characters.
 * @throws {SyntaxError} when it is none.
 */
export function parseWanted(
  text: string,
  platforms: readonly Platform[] | undefined,
  defaults: ReferenceDefaults,
): Wanted {
  const colon = text.lastIndexOf(':');
  const tag = colon > text.lastIndexOf('/') && !text.includes('@') ? text.slice(colon + 1) : '';
  if (!tag.includes('*')) {
    if (text.includes('*')) {
      throw new SyntaxError(
        `expected * in the tag only, got ${JSON.stringify(text.slice(0, 300))}`,
      );
    }
    return { reference: parseReference(text, defaults), platforms };
  }
  if (!TAG_PATTERN.test(tag)) {
    throw new SyntaxError(`expected a tag in which * may stand for any characters, got "${tag}"`);
  }
  const before = text.slice(0, colon);
  if (before.lastIndexOf(':') > before.lastIndexOf('/') && before.includes('/')) {
    throw new SyntaxError(`expected one tag, got ${JSON.stringify(text.slice(0, 300))}`);
  }
  const { repository } = parseReference(before, defaults);
  return { repository, pattern: tag, platforms };
}

/** @throws {SyntaxError} */
export function parsePlatform(text: string): Platform {
  if (PLATFORM.test(text)) return text;
  throw new SyntaxError(
    `expected a platform such as linux/amd64 or linux/arm/v7, got ${JSON.stringify(text.slice(0, 80))}`,
  );
}

/** As it was asked for. */
export function formatWanted(wanted: Wanted): string {
  return wanted.pattern === undefined
    ? formatReference(wanted.reference)
    : `${formatRepository(wanted.repository)}:${wanted.pattern}`;
}

/** Tags of images that the pattern matches: what belongs to a digest has tags as well, and comes with its image. */
export function matchingTags(pattern: string, tags: readonly string[]): readonly string[] {
  return [...new Set(tags)]
    .filter((tag) => parseAttachmentTag(tag) === undefined && matchText(pattern, tag))
    .sort((one, other) => one.localeCompare(other, 'en', { numeric: true }));
}

/** Written without a variant it means every variant. */
export function isOfPlatform(platform: string, wanted: Platform): boolean {
  return platform === wanted || platform.startsWith(`${wanted}/`);
}

/** BuildKit's annotation of an attestation manifest that lies beside the image that it is about. */
const ABOUT = 'vnd.docker.reference.digest';

/** The children of an index that are of the platforms, and what lies in the index about these. */
export function chooseChildren(
  children: readonly Descriptor[],
  platforms: readonly Platform[] | undefined,
): readonly Descriptor[] {
  if (platforms === undefined) return children;
  const ofPlatform = ({ platform = '' }: Descriptor): boolean =>
    platforms.some((wanted) => isOfPlatform(platform, wanted));
  const chosen = new Set<string>(children.filter(ofPlatform).map(({ digest }) => digest));
  return children.filter(
    ({ digest, annotations }) => chosen.has(digest) || chosen.has(annotations?.[ABOUT] ?? ''),
  );
}
