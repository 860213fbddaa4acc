/** What the rules of tests say of tags. */
import type { TagRule } from '../../src/policy/tag-rule.ts';

/** Longer than any test lasts that does not name a time. */
export const REVERIFY = 365 * 86_400_000;

/** Upstream is asked before the answer, not in the background, so that tests see what came of it. */
export const TAG_RULE: TagRule = {
  refresh: 60_000,
  background: 0,
  maxStale: 3_600_000,
  onMove: 'follow',
  onUnverifiedMove: 'refuse',
  onRollback: 'hold',
  onDelete: 'purge',
  freeze: false,
  cooldown: 0,
};
