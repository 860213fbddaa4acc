/** What is written about tags. A disk that fails costs another look at upstream, never the answer. */
import type { Digest } from '../oci/digest.ts';
import type { Arrival, PinRecord, TagKey } from '../store/tag-records.ts';
import type { Admitted } from './decision.ts';
import type { Memory } from './memory.ts';
import type { AdmissionParts } from './parts.ts';
import { evidenceText } from './tag-moves.ts';

export interface TagMemory {
  /** Writes a pin whose tag stays at its digest. */
  keep(pin: PinRecord): Promise<void>;
  /** Writes a pin with its history. */
  arrive(
    decision: Admitted,
    pin: PinRecord,
    how: Pick<Arrival, 'leaves' | 'usesRollback'>,
  ): Promise<void>;
  /**
   * Remembers a digest, admitted or not.
   * @returns when it was first seen in the repository by our own clock; an image's `created` is whatever its author wrote.
   */
  see(key: TagKey, digest: Digest, now: number): Promise<number>;
  /** Upstream was asked, as an operator wanted. */
  asked(key: TagKey): Promise<void>;
  remove(key: TagKey): Promise<void>;
  /** Whether exactly this was written. */
  isPinned(pin: PinRecord): Promise<boolean>;
  /** Whether the history knows that the tag was admitted there, and has not left. */
  isInHistory(pin: PinRecord): Promise<boolean>;
}

export function createTagMemory(
  parts: Pick<AdmissionParts, 'records' | 'clock' | 'logger'>,
  memory: Pick<Memory, 'record'>,
): TagMemory {
  const { records } = parts;

  async function attempt<T>(writing: Promise<T>, otherwise: T): Promise<T> {
    try {
      return await writing;
    } catch (error) {
      parts.logger.error({ err: error }, 'what is known of a tag was not recorded on disk');
      return otherwise;
    }
  }

  return {
    keep: (pin) => memory.record({ pin }),
    arrive(decision, pin, how) {
      const { verdict } = decision;
      // Audit mode serves what is not admitted: the tag has it, and no history.
      if (verdict.outcome !== 'admitted') return memory.record({ pin });
      const { signedAt } = verdict;
      const evidence = evidenceText(verdict);
      const arrival = { pin, at: parts.clock(), evidence, signedAt, ...how };
      return attempt(records.arrive(arrival), undefined);
    },
    // What could not be remembered waits from now on, again.
    see: (key, digest, now) => attempt(records.see(key, digest, now), now),
    asked: (key) => attempt(records.asked(key), undefined),
    remove: (key) => attempt(records.removePin(key), undefined),
    async isPinned({ repository, tag, digest, checkedAt }) {
      const pin = await records.findPin(repository, tag);
      return pin?.digest === digest && pin.checkedAt === checkedAt && pin.withheld === undefined;
    },
    async isInHistory({ repository, tag, digest }) {
      const history = await records.findHistory(repository, tag);
      return history.some(
        (entry) =>
          entry.digest === digest && entry.admittedAt !== undefined && entry.leftAt === undefined,
      );
    },
  };
}
