/** The port to what we decided: verdicts, pins and grants, each found under a tuple, written in one transaction. */
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { LocalRecords } from './local-records.ts';
import type { PinRecord, TagRecords } from './tag-records.ts';

/**
 * What a decision rests on besides the bytes: the digest of the rule and of the trust roots that it names.
 * Another rule or root is another key, so nothing decided under the old one is ever found.
 */
export type PolicyKey = string;

export interface VerdictKey {
  readonly repository: Repository;
  readonly digest: Digest;
  /** The tag, for schemes that bind it; undefined for all that bind only the digest. */
  readonly tag?: string | undefined;
  readonly policyKey: PolicyKey;
}

export interface VerdictRecord extends VerdictKey {
  readonly mediaType: string;
  /** Bytes of the manifest. */
  readonly size: number;
  /** The verdict as its room writes it (JSON); opaque here. */
  readonly verdict: string;
  /** Milliseconds since the epoch. */
  readonly decidedAt: number;
  /** When it is to be verified again, unasked; absent: never. Milliseconds since the epoch. */
  readonly dueAt?: number | undefined;
}

export type GrantKind =
  /** A child of an admitted index. */
  | 'manifest'
  /** Config or layer of an admitted manifest. */
  | 'blob'
  /** Manifest of a signature, attestation or SBOM of an admitted digest. */
  | 'attachment'
  /** Content of such a manifest: never runnable, inspected before it is served. */
  | 'attachment-blob';

export interface GrantKey {
  readonly repository: Repository;
  readonly digest: Digest;
  readonly policyKey: PolicyKey;
}

export interface GrantRecord extends GrantKey {
  readonly kind: GrantKind;
  readonly mediaType: string;
  /** Bytes, as the granting manifest declares. */
  readonly size: number;
  /** The admitted digest that gave it. */
  readonly because: Digest;
}

/** A verdict that is to be verified again. */
export type DueVerdict = Omit<VerdictKey, 'policyKey'> & { readonly dueAt: number };

/** Everything one decision writes, or nothing of it. */
export interface DecisionRecord {
  readonly verdict?: VerdictRecord;
  readonly grants?: readonly GrantRecord[];
  readonly pin?: PinRecord;
}

export interface Records extends TagRecords {
  /** What this side adds of its own: approvals and imports. */
  readonly local: LocalRecords;
  findVerdict(key: VerdictKey): Promise<VerdictRecord | undefined>;
  /**
   * `manifest` finds the kinds manifest and attachment, `blob` finds blob and attachment-blob. Of one digest the first
   * named kind comes first: what an admitted image names is never treated as attached to it. Each manifest that names the
   * digest gave a grant of its own.
   */
  findGrants(
    key: GrantKey,
    of: 'manifest' | 'blob',
    limit: number,
  ): Promise<readonly GrantRecord[]>;
  /** Children of admitted indexes (grants of kind `manifest`) without a verdict of their own, at most `limit`. */
  findOpenChildren(
    repository: Repository,
    policyKey: PolicyKey,
    limit: number,
  ): Promise<readonly Digest[]>;
  /** What is due under a policy at that time (milliseconds since the epoch), the first due first; those after one. */
  listDue(
    policyKey: PolicyKey,
    at: number,
    limit: number,
    after?: DueVerdict,
  ): Promise<readonly DueVerdict[]>;
  /** The verdict is to be verified again at another time, or never. */
  postpone(key: VerdictKey, dueAt: number | undefined): Promise<void>;
  /**
   * Forgets what was decided about a manifest, what it granted, and so on for the manifests that it let in: one
   * transaction. Grants that others gave stay. With a tag, only what was decided for the tag is forgotten while the
   * manifest is admitted for another one.
   */
  withdraw(key: VerdictKey): Promise<void>;
  /** One transaction; an existing row of the same key is replaced (a pin keeps its `since` while its digest stays). */
  record(decision: DecisionRecord): Promise<void>;
  close(): Promise<void>;
}
