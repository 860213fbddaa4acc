/** Manifests that something admitted earlier lets in: children of indexes, and what is attached to an image. */
import type { Digest } from '../oci/digest.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { GrantRecord, VerdictKey, VerdictRecord } from '../store/records.ts';
import { MAX_ATTACHMENT_DEPTH } from './bounds.ts';
import { isUndetermined, type Decision, type Refused } from './decision.ts';
import { boundTag, holds, isDue } from './expiry.ts';
import type { Memory } from './memory.ts';
import type { AdmissionParts, Ask } from './parts.ts';

/** Decides about another digest of the repository, with everything that guards decisions about digests. */
export type AdmitSubject = (ask: Ask, digest: Digest) => Promise<Decision>;

export interface Held {
  /** The grant that admits a manifest here; a refusal where what gave it cannot be decided any more. */
  find(ask: Ask, digest: Digest, asImage: boolean): Promise<GrantRecord | Refused | undefined>;
  /** What was decided about a digest, whether it still holds or not. */
  findKnown(key: VerdictKey): Promise<Known | undefined>;
}

/** A decision of before. */
export interface Known {
  readonly verdict: Verdict;
  /** Milliseconds since the epoch. */
  readonly decidedAt: number;
}

/** Parents that are asked before a manifest is taken for nobody's; each of them that is denied takes its grant along. */
const MAX_PARENTS = 8;

export function createHeld(
  parts: Pick<AdmissionParts, 'records' | 'clock'>,
  memory: Memory,
  admitSubject: AdmitSubject,
): Held {
  async function find(
    ask: Ask,
    digest: Digest,
    asImage: boolean,
  ): Promise<GrantRecord | Refused | undefined> {
    const { repository, rule } = ask;
    // An index says nothing of the tag under which one of its children is pulled.
    if (boundTag(ask, asImage) !== undefined) return undefined;
    const key = { repository, digest, policyKey: rule.key };
    for (let parents = 0; parents < MAX_PARENTS; parents++) {
      const granted = await memory.findGrant(key, 'manifest');
      if (granted === undefined || (asImage && granted.kind === 'attachment')) return undefined;
      const parent = await findKnown({ ...key, digest: granted.because });
      // Audit mode grants what an image names although the image was not admitted; its own verdict is then asked for.
      if (parent === undefined) return rule.mode === 'audit' ? undefined : granted;
      const now = parts.clock();
      if (holds(parent.verdict, now) && !isDue(parent.decidedAt, rule, now)) return granted;
      const renewed = await renew(ask, granted);
      if (renewed !== undefined || rule.mode === 'audit') return renewed;
    }
    return undefined;
  }

  /** What gave the grant was admitted for a time that is over: it is decided anew, and the grant falls with it. */
  async function renew(ask: Ask, granted: GrantRecord): Promise<GrantRecord | Refused | undefined> {
    if (ask.depth >= MAX_ATTACHMENT_DEPTH) return undefined;
    const { repository } = ask;
    const reference = { repository, digest: granted.because };
    const again = await admitSubject({ ...ask, reference, depth: ask.depth + 1 }, granted.because);
    if (again.outcome === 'refused') return isUndetermined(again.code) ? again : undefined;
    return again.verdict.outcome === 'admitted' ? granted : undefined;
  }

  async function findKnown(key: VerdictKey): Promise<Known | undefined> {
    return knownIn(await parts.records.findVerdict(key));
  }

  return { find, findKnown };
}

/** Our own writing: the row was found under the key of the rule in force. */
export function knownIn(record: VerdictRecord | undefined): Known | undefined {
  if (record === undefined) return undefined;
  return { verdict: JSON.parse(record.verdict) as Verdict, decidedAt: record.decidedAt };
}
