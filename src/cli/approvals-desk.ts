/** What the commands about approvals work with. */
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Signer } from '../signing/signer.ts';
import type { LocalRecords } from '../store/local-records.ts';

export type ApprovalRecords = Pick<LocalRecords, 'approve' | 'revoke' | 'listApprovals'>;

/** Keys, and the person who has them. */
export interface KeyDesk {
  /** @throws {SigningError} */
  openSigner(name: string): Promise<Signer>;
  /** Asks for a yes; undefined where there is nobody to ask. */
  confirm(question: string): Promise<boolean | undefined>;
}

/** A manifest as it is upstream, or in the cache. */
export interface FoundManifest {
  readonly digest: Digest;
  readonly bytes: Buffer;
  /** '' where nobody says. */
  readonly contentType: string;
}

/** What a tag means. */
export interface TagMeaning {
  readonly digest: Digest;
  /** Who says so. */
  readonly from: 'upstream' | 'pin';
  /** What the proxy serves for it for the time being, where that is something else. */
  readonly served?: Digest;
}

/** Whom a key matters to. */
export interface KeyMeaning {
  /** Trust roots of the configuration that hold it. */
  readonly trustRoots: readonly string[];
  /** The rule that governs the repository; absent where none does. */
  readonly rule?: {
    readonly name: string;
    readonly asksForIt: boolean;
    /** Whether a signature counts for the tag alone that it names. */
    readonly bindsTag: boolean;
  };
}

/** The records of a cache, which a proxy may be using, and the upstreams. */
export interface ApprovalsDesk {
  /** The upstream of references without a registry. */
  readonly defaultRegistry: string | undefined;
  isRegistry(name: string): boolean;
  /** As of `PinsDesk`. */
  records(purpose: 'read' | 'write'): Promise<ApprovalRecords>;
  /**
   * What a tag means upstream, or by its pin where the upstream is configured offline; undefined where it means nothing.
   * Throws where upstream cannot be asked.
   */
  resolve(repository: Repository, tag: string): Promise<TagMeaning | undefined>;
  /** From the cache, or else from upstream; undefined where it is nowhere. Throws where upstream cannot be asked. */
  findManifest(repository: Repository, digest: Digest): Promise<FoundManifest | undefined>;
  meaningOf(repository: Repository, fingerprint: Digest): KeyMeaning;
  /** Waits until a running proxy has noticed what was written: `nobody` where none runs, `late` where it does not say. */
  awaitNotice(): Promise<'noticed' | 'nobody' | 'late'>;
  /** Milliseconds since the epoch. */
  now(): number;
  close(): Promise<void>;
}
