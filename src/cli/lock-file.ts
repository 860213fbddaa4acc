/** The lock file: what tags mean, as text that lives well in git, sorted and one line for each. */
import { parseDocument, stringify } from 'yaml';
import { parseAttachmentTag } from '../admission/attachment.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json.ts';
import { formatReference, type Repository } from '../oci/reference.ts';

/** One line of it. */
export interface LockedTag {
  readonly repository: Repository;
  readonly tag: string;
  readonly digest: Digest;
}

/** Bytes. */
export const MAX_LOCK_FILE = 16 * 1024 * 1024;

const VERSION = 1;
const HEADER = '# What tags mean, for `countersign pins import` and `countersign pins diff`.\n';

/** The same tags give the same text, whatever order they come in. */
export function formatLockFile(tags: readonly LockedTag[]): string {
  const lines = tags
    .map(({ digest, ...tag }) => [formatReference(tag), digest] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const content = { version: VERSION, pins: Object.fromEntries(lines) };
  return `${HEADER}${stringify(content, { lineWidth: 0 })}`;
}

/**
 * Reads YAML, or JSON.
 * @param parse reads a reference as people write it, and throws SyntaxError where it is none of a tag here.
 * @throws {SyntaxError} naming what is wrong.
 */
export function parseLockFile(
  text: string,
  parse: (reference: string) => Pick<LockedTag, 'repository' | 'tag'>,
): readonly LockedTag[] {
  const { version, pins, ...others } = readMapping(text);
  const [other] = Object.keys(others);
  if (other !== undefined) throw new SyntaxError(`unknown key ${JSON.stringify(other)}`);
  if (version !== VERSION) {
    throw new SyntaxError(`expected version: ${VERSION}, got ${JSON.stringify(version)}`);
  }
  if (!isJsonObject(pins)) throw new SyntaxError('expected pins: a mapping of tags to digests');
  const known = new Map<string, LockedTag>();
  for (const [reference, digest] of Object.entries(pins)) {
    const tag = parse(reference);
    const name = formatReference(tag);
    if (typeof digest !== 'string' || !isDigest(digest)) {
      throw new SyntaxError(`${name}: expected a digest, got ${JSON.stringify(digest)}`);
    }
    if (parseAttachmentTag(tag.tag) !== undefined) {
      throw new SyntaxError(`${name}: tags of signatures and attestations cannot be locked`);
    }
    if (known.has(name)) throw new SyntaxError(`${name} is there twice`);
    known.set(name, { ...tag, digest });
  }
  return [...known.values()];
}

function readMapping(text: string): Readonly<Record<string, unknown>> {
  if (Buffer.byteLength(text) > MAX_LOCK_FILE) {
    throw new SyntaxError(`expected at most ${MAX_LOCK_FILE / 1024 / 1024}MiB`);
  }
  let value: unknown;
  try {
    const document = parseDocument(text, { prettyErrors: false, stringKeys: true });
    const [mistake] = document.errors;
    if (mistake !== undefined) throw mistake;
    value = document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SyntaxError(`expected YAML: ${reason}`, { cause: error });
  }
  if (!isJsonObject(value)) throw new SyntaxError('expected a mapping of version and pins');
  return value;
}
