/** Children of admitted indexes whose content nobody granted yet, because nobody asked for their manifests here. */
import { LRUCache } from 'lru-cache';
import { formatRepository } from '../oci/reference.ts';
import { atMost, EXPANSION, REFUSAL_MEMORY } from './bounds.ts';
import type { Digests } from './digests.ts';
import type { AdmissionParts, Ask } from './parts.ts';
import { createSingleFlight } from './single-flight.ts';

/**
 * Admits the children of a repository's admitted indexes that were never asked for.
 * A runtime whose pull broke off holds the child's manifest already and asks for its blobs at once; after a change of
 * rules or a lost cache they would be refused for ever.
 */
export type Expand = (ask: Ask) => Promise<void>;

export function createExpansion(
  { records, clock }: Pick<AdmissionParts, 'records' | 'clock'>,
  digests: Digests,
): Expand {
  const flights = createSingleFlight<undefined>();
  /** When a repository was expanded last, so that strange digests cost the upstream little. */
  const expanded = new LRUCache<string, number>(atMost(10_000));

  return async (ask) => {
    const { repository, rule } = ask;
    const key = formatRepository(repository);
    const last = expanded.get(key);
    if (last !== undefined && clock() < last + REFUSAL_MEMORY) return;
    await flights.run(key, async () => {
      const children = await records.findOpenChildren(repository, rule.key, EXPANSION.children);
      const queue = [...children];
      const admitNext = async (): Promise<void> => {
        for (let digest = queue.pop(); digest !== undefined; digest = queue.pop()) {
          await digests.admit({ ...ask, reference: { repository, digest } }, digest);
        }
      };
      await Promise.all(Array.from({ length: EXPANSION.parallel }, admitNext));
      expanded.set(key, clock());
      return undefined;
    });
  };
}
