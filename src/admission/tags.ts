/** A tag: a human's word, resolved to a digest once, pinned when that digest is admitted. */
import { formatReference } from '../oci/reference.ts';
import type { PinRecord } from '../store/records.ts';
import type { ResolvedTag } from '../upstream/upstream.ts';
import { STALE_MEMORY } from './bounds.ts';
import type { Decision } from './decision.ts';
import type { Digests } from './digests.ts';
import type { Memory } from './memory.ts';
import type { AdmissionParts, Ask } from './parts.ts';
import { isOutage, refuseForUpstream } from './trouble.ts';

/** A decision about a tag, and until when it answers without another look (milliseconds since the epoch). */
export interface TagDecision {
  readonly decision: Decision;
  readonly until: number;
}

/** How a resolved tag is judged; an attachment's tag is judged by what it is attached to. */
export type JudgeResolved = (resolved: ResolvedTag, pin: PinRecord) => Promise<Decision>;

export interface Tags {
  admit(ask: Ask, tag: string, judge?: JudgeResolved): Promise<TagDecision>;
}

export function createTags(parts: AdmissionParts, memory: Memory, digests: Digests): Tags {
  async function admit(ask: Ask, tag: string, judge?: JudgeResolved): Promise<TagDecision> {
    const { repository, rule } = ask;
    const asImage = judge === undefined;
    const pin = await parts.records.findPin(repository, tag);
    const now = parts.clock();
    if (pin !== undefined && age(pin, now) < rule.tags.refresh) {
      const decision = await digests.admit(ask, pin.digest, { asImage });
      if (decision.outcome === 'admitted') {
        return { decision, until: pin.checkedAt + rule.tags.refresh };
      }
      // The rules changed since: what the tag means today may pass.
    }
    const resolved = await resolve(ask, tag);
    if ('failure' in resolved) return withoutUpstream(ask, pin, resolved.failure, asImage);
    const { digest } = resolved;
    const since = pin?.digest === digest ? pin.since : now;
    const next: PinRecord = { repository, tag, digest, checkedAt: now, since };
    const decision =
      judge === undefined
        ? await digests.admit(ask, digest, { manifest: resolved.manifest, pin: next, asImage })
        : await judge(resolved, next);
    // A pin follows only what is admitted. Most decisions wrote it with their verdict; one that was remembered, or made
    // for somebody else at the same time, did not.
    if (decision.outcome === 'admitted' && !(await isPinned(next)))
      await memory.record({ pin: next });
    return { decision, until: decision.outcome === 'admitted' ? now + rule.tags.refresh : 0 };
  }

  async function isPinned({ repository, tag, digest, checkedAt }: PinRecord): Promise<boolean> {
    const pin = await parts.records.findPin(repository, tag);
    return pin?.digest === digest && pin.checkedAt === checkedAt;
  }

  async function resolve(
    ask: Ask,
    tag: string,
  ): Promise<ResolvedTag | { readonly failure: unknown }> {
    try {
      return await ask.upstream.resolve(ask.repository.path, tag);
    } catch (failure) {
      return { failure };
    }
  }

  /** The last admitted digest stands in while the upstream does not answer, as long as the rule allows. */
  async function withoutUpstream(
    ask: Ask,
    pin: PinRecord | undefined,
    failure: unknown,
    asImage: boolean,
  ): Promise<TagDecision> {
    const refusal = refuseForUpstream(formatReference(ask.reference), failure, ask.rule);
    const now = parts.clock();
    if (pin === undefined || !isOutage(failure) || age(pin, now) >= ask.rule.tags.maxStale) {
      return { decision: refusal, until: 0 };
    }
    const decision = await digests.admit(ask, pin.digest, { asImage });
    if (decision.outcome !== 'admitted') return { decision: refusal, until: 0 };
    const warning = `stale: ${refusal.reasons.join('; ')}`;
    return { decision: { ...decision, warning }, until: now + STALE_MEMORY };
  }

  return { admit };
}

/** A clock that was set back does not make a pin young for ever. */
function age(pin: PinRecord, now: number): number {
  return now >= pin.checkedAt ? now - pin.checkedAt : Number.POSITIVE_INFINITY;
}
