/** How much of an image layout from elsewhere is looked at. */

/** Files and folders. */
export const MAX_ENTRIES = 100_000;
/** Bytes of an entry's name; those of a layout have at most 141. */
export const MAX_NAME = 1024;
/** Bytes of one extended header of a tar; a layout needs none. */
export const MAX_PAX = 64 * 1024;
/** Bytes behind the end of a tar; writers fill up their last block. */
export const MAX_PADDING = 1024 * 1024;
/** Bytes of `oci-layout`. */
export const MAX_MARKER = 4096;
/** Bytes of `index.json`. */
export const MAX_INDEX = 4 * 1024 * 1024;
/** Entries of `index.json`. */
export const MAX_LISTED = 20_000;
/** Bytes of a manifest, as everywhere. */
export const MAX_MANIFEST = 4 * 1024 * 1024;
/** Bytes of the record of an export. */
export const MAX_RECORD = 32 * 1024 * 1024;
/** Objects and arrays in one of the two. */
export const MAX_CONTAINERS = 500_000;
/** Bytes of a file that a record brings: a key, a certificate, a list of what was revoked. */
export const MAX_FILE = 32 * 1024 * 1024;
/** Files that a record brings. */
export const MAX_FILES = 10_000;
/** Bytes read at once. */
export const CHUNK = 256 * 1024;
