/** What admission is made of: everything it needs is handed to it here. */
import type { Logger } from 'pino';
import type { Repository, Reference } from '../oci/reference.ts';
import type { Policy, Rule } from '../policy/rule.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { Records } from '../store/records.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import type { Upstream } from '../upstream/upstream.ts';

export interface AdmissionParts {
  readonly policy: Policy;
  readonly trustRoots: ReadonlyMap<string, TrustRoot>;
  /** By canonical registry name; nothing else is ever contacted. */
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly blobs: BlobStore;
  readonly records: Records;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly logger: Pick<Logger, 'warn' | 'error'>;
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
  /** How many attachments lead here. */
  readonly depth: number;
}
