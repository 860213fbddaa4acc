/** What the commands about pins work with. */
import { parseAttachmentTag } from '../admission/attachment.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { KnownTag, TagRecords } from '../store/tag-records.ts';

export type PinRecords = Pick<
  TagRecords,
  'findPin' | 'findHistory' | 'findOrder' | 'giveOrders' | 'listTags'
>;

/** The records of a cache, which a proxy may be using, and the upstreams. */
export interface PinsDesk {
  /** The upstream of references without a registry. */
  readonly defaultRegistry: string | undefined;
  isRegistry(name: string): boolean;
  /**
   * Opened by whoever needs them: what asks upstream alone works without a cache. Where there are none, they are made only
   * to be written, since who looks may not be the user whom the proxy runs as.
   */
  records(purpose: 'read' | 'write'): Promise<PinRecords>;
  /** Name of the rule that freezes the repository's tags; undefined where none does. */
  frozenBy(repository: Repository): string | undefined;
  /** What upstream says today; undefined where the tag is gone. Throws where it cannot be asked. */
  resolve(repository: Repository, tag: string): Promise<Digest | undefined>;
  /** `-` is the standard input. */
  readFile(file: string): Promise<string>;
  /** `-` is the standard output. */
  writeFile(file: string, text: string): Promise<void>;
}

/** What signatures and attestations are found under are tags as well, and nobody's concern here. */
export function isOfImage({ tag }: KnownTag): boolean {
  return parseAttachmentTag(tag) === undefined;
}
