/** Bounds of one decision and of what is remembered about decisions. */

/** Bytes of a manifest; containerd refuses larger ones itself. */
export const MAX_MANIFEST = 4 * 1024 * 1024;
/** Milliseconds that finding and checking signatures may take. */
export const VERIFICATION_DEADLINE = 20_000;
/** Milliseconds for which a refusal answers without another look; long enough for a storm, short for a person who signs. */
export const REFUSAL_MEMORY = 5_000;
/** Milliseconds for which a tag answers from memory while upstream is being asked about it. */
export const ASKING_MEMORY = 1_000;
/** Milliseconds that a client waits for a word of the upstream while there is a last answer to give. */
export const PATIENCE = 2_000;
/** Milliseconds between attempts to reach an upstream whose tags are served stale. */
export const STALE_MEMORY = 10_000;
/** Milliseconds for which an exception answers for signatures that could not be looked at. */
export const UNDETERMINED_EXCEPTION = 60_000;
/** Seconds that a client should wait when nothing can be decided and the upstream named no time. */
export const RETRY_AFTER = 10;
/** Bytes of decisions kept in memory, with their manifests. */
export const DECISION_MEMORY = 64 * 1024 * 1024;
/** Bounds a cache to so many entries. lru-cache's own `max` takes the room for all of them at once, and at every reload. */
export const atMost = (entries: number) => ({ maxSize: entries, sizeCalculation: () => 1 });
/** Grants for blobs kept in memory. */
export const GRANT_MEMORY = 100_000;
/** Manifests that gave one grant and are asked whether they still hold, until one does. */
export const MAX_GIVERS = 16;
/** Bytes of one piece of attached content (a signature, attestation or SBOM); it is inspected as a whole. */
export const MAX_ATTACHMENT_CONTENT = 32 * 1024 * 1024;
/** Bytes of signatures and attestations that one decision keeps to serve them from the cache later. */
export const KEPT_CONTENT = 16 * 1024 * 1024;
/** Inspections of attached content that are remembered. */
export const INSPECTION_MEMORY = 100_000;
/** Manifests that this side itself attached to one image and that are listed: as many as one image is imported with. */
export const MAX_LOCAL_ATTACHMENTS = 1024;
/** How many attachments of attachments are followed: image, attestation, signature of the attestation. */
export const MAX_ATTACHMENT_DEPTH = 3;
/** Children of indexes that are admitted at once when a blob of one of them may be asked for. */
export const EXPANSION = { children: 64, parallel: 4 };

/** Blobs that may wait to be fetched ahead; those of a larger crowd are fetched when they are asked for. */
export const MAX_PREFETCH_WAITING = 1024;
/** Images that are remembered as fetched ahead. */
export const PREFETCH_MEMORY = 10_000;
