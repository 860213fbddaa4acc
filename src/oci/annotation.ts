/** Annotations of our own. */

/** On the descriptor of an attachment that was found under this tag where it came from: no list of referrers has it. */
export const FOUND_UNDER_TAG = 'dev.countersign.tag';
