/** The port to what we know of tags: what each means here, what it meant before, and what an operator said of it. */
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';

export interface TagKey {
  readonly repository: Repository;
  readonly tag: string;
}

export interface PinRecord extends TagKey {
  readonly digest: Digest;
  /** When upstream was last asked and the tag stayed at this digest, or came to it; milliseconds since the epoch. */
  readonly checkedAt: number;
  /** When the tag first meant this digest here; milliseconds since the epoch. */
  readonly since: number;
  /** What upstream says instead, where that is not followed. */
  readonly withheld?: Withheld;
}

/** A move that is not followed. */
export interface Withheld {
  /** Absent where the tag is gone. */
  readonly digest?: Digest;
  /** In one word of admission's. */
  readonly why: string;
  /** One sentence, for people. */
  readonly reason: string;
  /** Whether the tag is refused; otherwise the pin goes on answering. */
  readonly refused: boolean;
}

/** A digest that a tag has or had, or that was only seen under it. Times are milliseconds since the epoch. */
export interface TagEntry {
  readonly digest: Digest;
  readonly firstSeen: number;
  /** Absent where it never was. */
  readonly admittedAt?: number;
  /** Why it was admitted, in a few words; '' where that is not known. */
  readonly evidence: string;
  /** When it was signed, where that is known. */
  readonly signedAt?: number;
  /** When upstream took the tag away from it. */
  readonly leftAt?: number;
}

/** What an operator said of a tag. */
export interface TagOrder {
  /** It means what it means, whatever upstream says. */
  readonly frozen: boolean;
  /** What it means; absent where that is the pin, or the first digest that is admitted. */
  readonly digest?: Digest;
  /** The rollback that may be followed, once. */
  readonly rollback?: Digest | 'any';
  /** Upstream is to be asked before the pin answers again. */
  readonly ask?: true;
}

/** A tag that comes to mean what its pin says. */
export interface Arrival {
  readonly pin: PinRecord;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly evidence: string;
  readonly signedAt?: number | undefined;
  /** By upstream's word, so that it has left every other digest. */
  readonly leaves: boolean;
  /** Whether an allowed rollback is used up by it. */
  readonly usesRollback: boolean;
}

/** Everything that is known of one tag. */
export interface KnownTag extends TagKey {
  readonly pin?: PinRecord;
  readonly order?: TagOrder;
}

/** Digests that a tag had and that are remembered: upstream would have to publish as many to hide a rollback. */
export const MAX_TAG_HISTORY = 256;
/** Digests that were seen under one tag and never admitted. */
export const MAX_SEEN_OF_TAG = 64;
/** The same for all tags of a repository. */
export const MAX_SEEN_OF_REPOSITORY = 4096;

export interface TagRecords {
  findPin(repository: Repository, tag: string): Promise<PinRecord | undefined>;
  /** What the tag has comes first, then what it left or was seen with, the latest first. */
  findHistory(repository: Repository, tag: string): Promise<readonly TagEntry[]>;
  findOrder(repository: Repository, tag: string): Promise<TagOrder | undefined>;
  /**
   * Remembers that the digest was seen under the tag at that time, if it was not seen earlier.
   * @returns when it was first seen in the repository, no later than `at`; milliseconds since the epoch.
   */
  see(key: TagKey, digest: Digest, at: number): Promise<number>;
  /** Pin and history in one transaction. */
  arrive(arrival: Arrival): Promise<void>;
  /** Takes back that upstream is to be asked: it was. */
  asked(key: TagKey): Promise<void>;
  /** The history stays: a tag that comes back must not have forgotten what it left. */
  removePin(key: TagKey): Promise<void>;
  /** All or none; an order that says nothing takes back what was said. */
  giveOrders(orders: readonly (TagKey & { readonly order: TagOrder })[]): Promise<void>;
  /** Every tag with a pin or an order, by name. */
  listTags(): Promise<readonly KnownTag[]>;
  /** Names of the pinned tags of one repository, in the order of their bytes, those after one. */
  listPinned(repository: Repository, after: string, limit: number): Promise<readonly string[]>;
  /** A number that changes when another process, or another connection, has written. */
  version(): Promise<number>;
}
