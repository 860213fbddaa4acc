/** What a layout says it holds: images under their names, and what is attached to them. */
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference, Repository } from '../oci/reference.ts';

/** Of what nothing is proven yet but that it hashes to its digest. */
export interface Contents {
  readonly images: readonly ContainedImage[];
  readonly attachments: readonly ContainedAttachment[];
  /** What people should know of how it was read. */
  readonly notes: readonly string[];
}

export interface ContainedImage {
  readonly reference: Reference;
  readonly descriptor: Descriptor;
  /** Of which the layers are said to be there; absent: of all. */
  readonly platforms?: readonly string[];
}

export interface ContainedAttachment {
  readonly repository: Repository;
  readonly subject: Digest;
  readonly descriptor: Descriptor;
  /** `sha256-….sig` where it is found under a tag; absent: it names its subject itself. */
  readonly tag?: string;
}

const ATTACHMENT_TAG = /^(sha256|sha512)-([0-9a-f]{64,128})(?:\.(?:sig|att|sbom))?$/;

/** The digest that a tag of cosign's, or of the referrers fallback, belongs to. */
export function subjectOfTag(tag: string): string | undefined {
  const [, algorithm = '', hex = ''] = ATTACHMENT_TAG.exec(tag) ?? [];
  return hex === '' ? undefined : `${algorithm}:${hex}`;
}
