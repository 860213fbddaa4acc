/** What something admitted earlier lets in: children of indexes, content of images, and what is attached to them. */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import { formatRepository } from '../oci/reference.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { GrantKey, GrantRecord, VerdictKey, VerdictRecord } from '../store/records.ts';
import { atMost, GRANT_MEMORY, MAX_ATTACHMENT_DEPTH } from './bounds.ts';
import { isOpen, type Decision, type Refused } from './decision.ts';
import { boundTag, expiryOf, holds, isDue } from './expiry.ts';
import { isCurrent } from './kept.ts';
import type { Memory } from './memory.ts';
import type { AdmissionParts, Ask } from './parts.ts';

/** Decides about another digest of the repository, with everything that guards decisions about digests. */
export type AdmitSubject = (ask: Ask, digest: Digest) => Promise<Decision>;

export interface Held {
  /**
   * A grant that admits a manifest here, of which the giver is still admitted; a refusal where that cannot be decided.
   * @param asImage it is pulled to be run: being attached to something admits it not.
   */
  findManifest(
    ask: Ask,
    digest: Digest,
    asImage: boolean,
  ): Promise<GrantRecord | Refused | undefined>;
  /** The same for content. */
  findBlob(ask: Ask, digest: Digest): Promise<GrantRecord | Refused | undefined>;
  /** What was decided about a digest, whether it still holds or not. */
  findKnown(key: VerdictKey): Promise<Known | undefined>;
}

/** A decision of before. */
export interface Known {
  readonly verdict: Verdict;
  /** Milliseconds since the epoch. */
  readonly decidedAt: number;
}

/** A giver that was found to be admitted. Milliseconds since the epoch. */
interface Fresh {
  readonly since: number;
  readonly until: number;
  /** As {@link Memory.withdrawals} was. */
  readonly withdrawals: number;
}

/** How often is looked again while something is withdrawn meanwhile. */
const LOOKS = 4;

export function createHeld(
  parts: Pick<AdmissionParts, 'records' | 'clock' | 'exceptions'>,
  memory: Memory,
  admitSubject: AdmitSubject,
): Held {
  const fresh = new LRUCache<string, Fresh>(atMost(GRANT_MEMORY));

  async function find(
    ask: Ask,
    key: GrantKey,
    of: 'manifest' | 'blob',
    isWanted: (granted: GrantRecord) => boolean,
  ): Promise<GrantRecord | Refused | undefined> {
    let open: Refused | undefined;
    for (let look = 0; look < LOOKS; look++) {
      const before = memory.withdrawals;
      const first = await memory.findGrant(key, of);
      if (first === undefined) return undefined;
      if (isWanted(first) && isFresh(first)) return first;
      const all = await memory.findGrants(key, of);
      open = undefined;
      // Where the disk fails, memory has what the records have not.
      for (const granted of all.length === 0 ? [first] : all) {
        if (!isWanted(granted)) continue;
        const state = await stateOf(ask, granted, of, before);
        if (state === 'holds') return granted;
        if (state !== 'fallen') open ??= state;
      }
      if (memory.withdrawals === before) return open;
    }
    return open;
  }

  function isFresh(granted: GrantRecord): boolean {
    const name = nameOf(granted);
    const known = fresh.get(name);
    if (known === undefined) return false;
    const is = known.withdrawals === memory.withdrawals && isCurrent(known, parts.clock());
    // What ended once does not begin again when the clock is set back.
    if (!is) fresh.delete(name);
    return is;
  }

  async function stateOf(
    ask: Ask,
    granted: GrantRecord,
    of: 'manifest' | 'blob',
    withdrawals: number,
  ): Promise<'holds' | 'fallen' | Refused> {
    const { rule } = ask;
    const giver = { ...granted, digest: granted.because };
    const known = await findKnown(giver);
    const since = parts.clock();
    if (known === undefined) {
      // Audit mode grants what an image names although it was not admitted; a manifest is then asked for its own verdict.
      if (rule.mode === 'audit') return of === 'blob' ? 'holds' : 'fallen';
      // It was withdrawn, or the disk did not take it.
      return memory.withdrawals === withdrawals ? 'holds' : 'fallen';
    }
    const { verdict, decidedAt } = known;
    const stands = holds(verdict, rule, since, parts.exceptions) && !memory.isWithdrawn(giver);
    if (stands && !isDue(decidedAt, rule, since)) {
      const until = Math.min(verdict.until ?? Number.POSITIVE_INFINITY, decidedAt + rule.reverify);
      fresh.set(nameOf(granted), { since, until, withdrawals });
      return 'holds';
    }
    return renew(ask, granted, of);
  }

  /** What gave the grant was admitted for a time that is over: it is decided anew, and the grant falls with it. */
  async function renew(
    ask: Ask,
    granted: GrantRecord,
    of: 'manifest' | 'blob',
  ): Promise<'holds' | 'fallen' | Refused> {
    if (ask.depth >= MAX_ATTACHMENT_DEPTH) return 'fallen';
    const { repository, rule } = ask;
    const reference = { repository, digest: granted.because };
    const { withdrawals } = memory;
    const again = await admitSubject({ ...ask, reference, depth: ask.depth + 1 }, granted.because);
    if (again.outcome === 'refused') return isOpen(again.code) ? again : 'fallen';
    if (again.verdict.outcome !== 'admitted') {
      return rule.mode === 'audit' && of === 'blob' ? 'holds' : 'fallen';
    }
    fresh.set(nameOf(granted), { since: parts.clock(), until: expiryOf(again), withdrawals });
    return 'holds';
  }

  async function findKnown(key: VerdictKey): Promise<Known | undefined> {
    const plain = { ...key, tag: undefined };
    return knownIn((await parts.records.findVerdict(plain)) ?? memory.findUnwritten(plain));
  }

  return {
    async findManifest(ask, digest, asImage) {
      // An index says nothing of the tag under which one of its children is pulled.
      if (boundTag(ask, asImage) !== undefined) return undefined;
      const key = { repository: ask.repository, digest, policyKey: ask.rule.key };
      return find(ask, key, 'manifest', ({ kind }) => !asImage || kind !== 'attachment');
    },
    findBlob(ask, digest) {
      const key = { repository: ask.repository, digest, policyKey: ask.rule.key };
      return find(ask, key, 'blob', () => true);
    },
    findKnown,
  };
}

/** A tuple: none of its members can contain a space. */
function nameOf({ repository, because, policyKey }: GrantRecord): string {
  return `${formatRepository(repository)} ${because} ${policyKey}`;
}

/** Our own writing: the row was found under the key of the rule in force. */
export function knownIn(record: VerdictRecord | undefined): Known | undefined {
  if (record === undefined) return undefined;
  return { verdict: JSON.parse(record.verdict) as Verdict, decidedAt: record.decidedAt };
}
