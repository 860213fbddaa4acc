/** The port to what this side adds of its own: approvals by its operator, and what was carried here and imported. */
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';

/** A manifest that is attached to an image here, whatever the upstream has. */
export interface LocalAttachment {
  readonly repository: Repository;
  readonly subject: Digest;
  readonly descriptor: Descriptor;
  readonly origin: 'approval' | 'import';
  /** Since when; milliseconds since the epoch. */
  readonly at: number;
}

/** Who said that which image is good. A key says so once of each. */
export interface ApprovalKey {
  readonly repository: Repository;
  readonly subject: Digest;
  /** Fingerprint of the key that signed. */
  readonly key: string;
}

/** What an operator signed. Times are milliseconds since the epoch. */
export interface Approval extends ApprovalKey {
  /** As it was asked for: with the tag, where there was one. */
  readonly reference: string;
  /** '' for none. */
  readonly note: string;
  readonly approvedAt: number;
  /** Absent: for ever. */
  readonly expires?: number;
  /** The manifest that carries the signature; absent where only a revocation is known. */
  readonly manifest?: Digest;
  readonly revoked?: { readonly at: number; readonly reason: string };
}

/** Bytes that nothing else has, so they are never removed to make room. */
export interface LocalContent {
  readonly digest: Digest;
  readonly bytes: Buffer;
}

export interface Revocation {
  readonly repository: Repository;
  readonly subject: Digest;
  /** Fingerprints; signatures of these keys over the image count no longer in the repository, wherever they are. */
  readonly keys: readonly string[];
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly reason: string;
}

/** An image that was carried here. */
export interface ImportedImage {
  readonly repository: Repository;
  readonly digest: Digest;
  /** Absent where it came by its digest alone. */
  readonly tag?: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface LocalRecords {
  /** Approvals before what came from elsewhere, and of each the latest first. */
  listAttachments(
    repository: Repository,
    subject: Digest,
    limit: number,
  ): Promise<readonly LocalAttachment[]>;
  /** One of them by its own digest. */
  findAttachment(repository: Repository, digest: Digest): Promise<LocalAttachment | undefined>;
  /** Bytes that came with an approval, proven again; undefined where they are damaged. */
  findContent(digest: Digest): Promise<Buffer | undefined>;
  /**
   * What came with an import: the manifests are attached from now on; their bytes are in the blob store. It is not announced:
   * more signatures take nothing back, and whoever decides meanwhile need not begin anew for each of them.
   */
  attach(attachments: readonly LocalAttachment[]): Promise<void>;
  /**
   * The approval takes the place of an earlier one by the same key, and takes back its revocation. Where it says less, since
   * it ends before that or is of another name, what was decided is forgotten as by a revocation.
   */
  approve(
    approval: Approval & { readonly manifest: Digest },
    descriptor: Descriptor,
    contents: readonly LocalContent[],
  ): Promise<void>;
  /** Takes approvals back, and forgets what was decided about the image and about the indexes that name it. */
  revoke(revocation: Revocation): Promise<void>;
  /** Fingerprints of the keys that were revoked for the image. */
  findRevokedKeys(repository: Repository, subject: Digest): Promise<readonly string[]>;
  /** Every approval and revocation, by repository, then the latest first. */
  listApprovals(): Promise<readonly Approval[]>;
  /** Written in one transaction: what is imported is not in the books of the store yet. */
  addImported(images: readonly ImportedImage[]): Promise<void>;
  /** Images that no proxy has taken into the books of its store. */
  listUnadopted(limit: number): Promise<readonly ImportedImage[]>;
  adopted(images: readonly ImportedImage[]): Promise<void>;
  /** Everything that was attached is to be noticed. */
  announce(): Promise<void>;
  /**
   * How often something was announced, approved or revoked: whoever decides meanwhile decides anew, and whoever wrote waits
   * until a running proxy has noticed that number.
   */
  announced(): Promise<number>;
  /** A running proxy says up to which number it has forgotten what it remembered. */
  notice(number: number): Promise<void>;
  /** Up to which number a running proxy has noticed. */
  noticed(): Promise<number>;
}
