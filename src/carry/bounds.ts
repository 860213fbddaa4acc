/** How much is read from a proxy, and for how long it is waited. */

const MiB = 1024 * 1024;
const MINUTE = 60_000;

export const CLIENT_BOUNDS = {
  /** Bytes of a manifest. */
  manifest: 4 * MiB,
  /** Bytes of one page of a list. */
  page: 8 * MiB,
  pages: 1000,
  tags: 200_000,
  referrers: 1000,
  /** Bytes of an error answer. */
  error: 64 * 1024,
  /** Milliseconds until an answer begins: a first decision has a deadline of its own, and upstreams are waited for. */
  headers: 3 * MINUTE,
  /** Milliseconds between two pieces of a body. */
  body: 2 * MINUTE,
  /** Milliseconds until a whole blob is in the cache. */
  wholeBlob: 60 * MINUTE,
  /** Attempts at a blob after which only its last byte is asked for. */
  wholeAttempts: 2,
} as const;

/** Images of one run. */
export const MAX_IMAGES = 20_000;
/** How deep indexes may lie in indexes. */
export const MAX_INDEX_DEPTH = 3;
/** How many attachments of attachments are followed: image, attestation, signature of the attestation. */
export const MAX_ATTACHMENT_DEPTH = 2;
/** Manifests of one image that are looked at because they are attached to attachments, and looks for such. */
export const MAX_FURTHER_ATTACHED = 1000;
