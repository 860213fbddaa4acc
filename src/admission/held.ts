/** Manifests that something admitted earlier lets in: children of indexes, and what is attached to an image. */
import type { Digest } from '../oci/digest.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { GrantRecord, VerdictKey, VerdictRecord } from '../store/records.ts';
import { MAX_ATTACHMENT_DEPTH } from './bounds.ts';
import { isUndetermined, type Decision, type Refused } from './decision.ts';
import { boundTag, holds } from './expiry.ts';
import type { Memory } from './memory.ts';
import type { AdmissionParts, Ask } from './parts.ts';

/** Decides about another digest of the repository, with everything that guards decisions about digests. */
export type AdmitSubject = (ask: Ask, digest: Digest) => Promise<Decision>;

export interface Held {
  /** The grant that admits a manifest here; a refusal where what gave it cannot be decided any more. */
  find(ask: Ask, digest: Digest, asImage: boolean): Promise<GrantRecord | Refused | undefined>;
  /** What was decided about a digest, whether it still holds or not. */
  findVerdict(key: VerdictKey): Promise<Verdict | undefined>;
}

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
    const granted = await memory.findGrant(key, 'manifest');
    if (granted === undefined || (asImage && granted.kind === 'attachment')) return undefined;
    const parent = await findVerdict({ ...key, digest: granted.because });
    if (parent !== undefined && !holds(parent, parts.clock())) return renew(ask, granted);
    // Audit mode grants what an image names although the image was not admitted; its own verdict is then asked for.
    return parent === undefined && rule.mode === 'audit' ? undefined : granted;
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

  async function findVerdict(key: VerdictKey): Promise<Verdict | undefined> {
    return verdictIn(await parts.records.findVerdict(key));
  }

  return { find, findVerdict };
}

/** Our own writing: the row was found under the key of the rule in force. */
export function verdictIn(record: VerdictRecord | undefined): Verdict | undefined {
  return record === undefined ? undefined : (JSON.parse(record.verdict) as Verdict);
}
