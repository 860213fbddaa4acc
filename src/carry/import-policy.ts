/** The rules of this side for what is carried here: the same in everything but when a tag is asked about. */
import type { Policy } from '../policy/rule.ts';

/** A bundle is asked what its tags mean now, however young the pins are; they move, or not, by the rules as ever. */
export function importPolicy({ rules }: Policy): Policy {
  return {
    rules: rules.map((rule) => ({
      ...rule,
      tags: { ...rule.tags, refresh: 0, background: 0, maxStale: 0 },
    })),
  };
}
