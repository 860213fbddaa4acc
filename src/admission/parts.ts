/** What admission is made of: everything it needs is handed to it here. */
import type { Logger } from 'pino';
import type { Repository, Reference } from '../oci/reference.ts';
import type { Policy, Rule } from '../policy/rule.ts';
import type { BlobStore, Images } from '../store/blob-store.ts';
import type { LocalRecords } from '../store/local-records.ts';
import type { Records } from '../store/records.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Exceptions } from './exceptions.ts';
import type { JudgeParts } from './judge.ts';
import type { TagMove } from './tag-moves.ts';

export interface AdmissionParts {
  readonly policy: Policy;
  readonly trustRoots: ReadonlyMap<string, TrustRoot>;
  /** Digests that are admitted for a time whatever their signatures say; absent: none. */
  readonly exceptions?: Exceptions;
  /** By canonical registry name; nothing else is ever contacted. */
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly blobs: BlobStore;
  /** Told what belongs together and what is pulled; absent where nothing is kept for long. */
  readonly images?: Images;
  readonly records: Records;
  /** What this side adds of its own; that of the records unless told. */
  readonly local?: LocalRecords;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly logger: Pick<Logger, 'warn' | 'error'>;
  /** Told of each move of a tag, and of what became of it. */
  readonly onTagMove?: ((move: TagMove) => void) | undefined;
  /** Told of each image that was admitted and is not any more. */
  readonly onWithdrawn?: ((rule: string) => void) | undefined;
  /** Asks whether certificates were taken back; absent: nobody is asked. */
  readonly revocation?: JudgeParts['revocation'];
  /** Blobs fetched ahead at a time; absent: none. */
  readonly prefetch?: number;
  /** Look at every signature even when the requirement is satisfied. */
  readonly exhaustive?: boolean;
}

/** One question, with the rule and upstream that answer it. */
export interface Ask {
  /** As asked, under its canonical name. */
  readonly reference: Reference;
  readonly repository: Repository;
  readonly rule: Rule;
  readonly upstream: Upstream;
  /** The same, for looking at the image's signatures: the rule may have them in another repository. */
  readonly signatures: Upstream;
  /** How many attachments lead here. */
  readonly depth: number;
}
