/** When an image was signed, as far as that is known: to tell an older image from a newer one. */
import type { Evidence } from './evidence.ts';
import { count } from './leaf-evaluation.ts';
import { leavesOf, type Requirement } from './requirement.ts';

/**
 * The time of the newest signature that counts for a leaf of the requirement; each is as old as the oldest time that is
 * proven of it. What a stranger signed, whenever it was, says nothing, and neither does an attestation: scans are made anew
 * for old images too.
 * @param now milliseconds since the epoch.
 * @returns milliseconds since the epoch; undefined where no signature has a time.
 */
export function signingTime(
  requirement: Requirement,
  evidence: readonly Evidence[],
  now: number,
): number | undefined {
  const leaves = leavesOf(requirement);
  const times = evidence
    .filter(
      (item) =>
        item.statement === undefined &&
        leaves.some((leaf) => leaf.kind !== 'notation-policy' && count(leaf, item, now).counts),
    )
    .map(({ signer, times }) =>
      // Of Notation's the signer's own word is signed along, and here it is the registry that is not believed.
      signer.kind === 'notation'
        ? signer.facts.signingTime
        : Math.min(...times.map(({ time }) => time)),
    )
    .filter(Number.isSafeInteger);
  return times.length === 0 ? undefined : Math.max(...times);
}
