/** How much is asked of strangers about one certificate, and how long it stays an answer. */

/** Bytes and milliseconds of one OCSP response, as notation has them. */
export const MAX_OCSP = 20 * 1024;
export const OCSP_TIMEOUT = 2000;
/** Bytes and milliseconds of one revocation list. */
export const MAX_LIST = 32 * 1024 * 1024;
export const LIST_TIMEOUT = 5000;
/** Places of one kind that are asked about one certificate; what is named beyond them is not. */
export const MAX_PLACES = 2;
/** Certificates that come with one OCSP response. */
export const MAX_RESPONDERS = 8;
/** Answers in one OCSP response. */
export const MAX_ANSWERS = 16;
/** How far a responder's clock may be ahead of ours. Milliseconds. */
export const MAX_AHEAD = 5 * 60_000;
/** An answer that was kept is asked for anew after this, though it be valid for longer. Milliseconds. */
export const MAX_KEPT_AGE = 24 * 60 * 60_000;
/** A kept answer stands in for a place that cannot be reached, until it is asked again after this. Milliseconds. */
export const RETRY_KEPT = 10 * 60_000;
/** A place that could not be reached is left alone for so long. Milliseconds. */
export const LEFT_ALONE = 30_000;
/** Places that are remembered as out of reach. */
export const MAX_LEFT_ALONE = 1000;
