/** A tag: a human's word, resolved to a digest once, pinned when that digest is admitted, asked about again in time. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../oci/digest.ts';
import type { Rule } from '../policy/rule.ts';
import type { TagRule } from '../policy/tag-rule.ts';
import type { PinRecord } from '../store/tag-records.ts';
import { parseAttachmentTag } from './attachment.ts';
import { ASKING_MEMORY, PATIENCE, STALE_MEMORY } from './bounds.ts';
import type { Decision } from './decision.ts';
import type { Digests } from './digests.ts';
import type { Memory } from './memory.ts';
import type { AdmissionParts, Ask } from './parts.ts';
import {
  ageOf,
  createTagLookup,
  isOver,
  type JudgeResolved,
  type TagDecision,
  type TagQuestion,
} from './tag-lookup.ts';
import { createTagMemory } from './tag-memory.ts';
import { describeWithheld, refuseFrozen, withWarning } from './tag-moves.ts';

export interface Tags {
  admit(ask: Ask, tag: string, judge?: JudgeResolved): Promise<TagDecision>;
}

export function createTags(parts: AdmissionParts, memory: Memory, digests: Digests): Tags {
  const tagMemory = createTagMemory(parts, memory);
  const lookup = createTagLookup(parts, tagMemory, digests);

  async function admit(ask: Ask, tag: string, judge?: JudgeResolved): Promise<TagDecision> {
    const { repository, rule } = ask;
    // Signatures are added to what an attachment's tag names, which moves it: nothing is to be read from that.
    const watched = judge === undefined && parseAttachmentTag(tag) === undefined;
    const order = watched ? await parts.records.findOrder(repository, tag) : undefined;
    const pin = await parts.records.findPin(repository, tag);
    const now = parts.clock();
    if (order?.digest !== undefined) return atOrder(ask, tag, order.digest, pin);
    const question = { ask, tag, judge, watched, old: pin, order };
    if (pin === undefined) return lookup.lookUp(question);
    // In audit mode only an operator's word holds a tag: otherwise nobody would be told of its moves.
    const byRule = watched && rule.tags.freeze && rule.mode === 'enforce';
    const frozen = order?.frozen === true || byRule;
    const asks = order?.ask === true || isExcepted(pin, rule);
    const state = frozen ? 'fresh' : stateOf(pin, asks, rule.tags, now);
    if (state === 'old') return lookUpPatiently(question, pin);
    const found = await admitPinned(question, pin);
    if (found.outcome === 'refused') {
      // Unless it is frozen, what the tag means today may pass: the rules changed since.
      return frozen ? { decision: refuseFrozen(found), until: 0 } : lookup.lookUp(question);
    }
    if (frozen) return { decision: found, until: now + rule.tags.refresh };
    const decision = withWarning(found, describeWithheld(pin.withheld));
    const fresh = pin.checkedAt + rule.tags.refresh;
    if (state === 'fresh') return { decision, until: fresh };
    const until = Math.min(now + ASKING_MEMORY, fresh + rule.tags.background);
    return { decision, until, later: lookup.lookUp(question) };
  }

  /** An attachment that other rules let in once is judged anew by what it is attached to: nobody else can. */
  async function admitPinned({ ask, judge }: TagQuestion, pin: PinRecord): Promise<Decision> {
    const { digest } = pin;
    const found = await digests.admit(ask, digest, { asImage: judge === undefined });
    if (found.outcome === 'admitted' || judge === undefined) return found;
    return ask.upstream.isOffline === true ? judge({ digest }, pin) : found;
  }

  /** What the tag is held back from is admitted by now: the exception was added since. */
  function isExcepted({ withheld }: PinRecord, rule: Rule): boolean {
    if (withheld?.why !== 'unverified' || withheld.digest === undefined) return false;
    return parts.exceptions?.find(rule, withheld.digest) !== undefined;
  }

  /** Who has a last answer to give does not let clients wait long for an upstream that is silent. */
  async function lookUpPatiently(question: TagQuestion, pin: PinRecord): Promise<TagDecision> {
    const { ask, judge, order } = question;
    const found = lookup.lookUp(question);
    const isStandIn = pin.withheld?.refused !== true && order?.ask !== true;
    if (!isStandIn || ageOf(pin, parts.clock()) >= ask.rule.tags.maxStale) return found;
    const late = new AbortController();
    const inTime = await Promise.race([
      found.finally(() => {
        late.abort();
      }),
      sleep(PATIENCE, undefined, { signal: late.signal }).catch(() => found),
    ]);
    // What it said may take its time to be verified.
    if (inTime !== undefined || lookup.isAnswered(question)) return inTime ?? found;
    const decision = await digests.admit(ask, pin.digest, { asImage: judge === undefined });
    if (decision.outcome === 'refused') return found;
    const told = withWarning(decision, describeWithheld(pin.withheld));
    return {
      decision: withWarning(told, 'stale: the upstream is silent so far'),
      until: Math.min(parts.clock() + STALE_MEMORY, pin.checkedAt + ask.rule.tags.maxStale),
      later: found,
    };
  }

  /** An operator chose the digest; whether it is served is decided as for any other. */
  async function atOrder(
    ask: Ask,
    tag: string,
    digest: Digest,
    pin: PinRecord | undefined,
  ): Promise<TagDecision> {
    const { repository, rule } = ask;
    const now = parts.clock();
    const decision = await digests.admit(ask, digest, { asImage: true });
    if (decision.outcome === 'refused') return { decision: refuseFrozen(decision), until: 0 };
    if (pin?.digest !== digest || pin.withheld !== undefined) {
      // Upstream was not asked by this.
      const next = { repository, tag, digest, checkedAt: pin?.checkedAt ?? 0, since: now };
      await tagMemory.arrive(decision, next, { leaves: false, usesRollback: false });
    }
    return { decision, until: now + rule.tags.refresh };
  }

  return { admit };
}

/** `usable`: it answers once more while upstream is asked. */
function stateOf(
  pin: PinRecord,
  asks: boolean,
  { refresh, background }: TagRule,
  now: number,
): 'fresh' | 'usable' | 'old' {
  const { withheld } = pin;
  if (withheld?.refused === true || asks) return 'old';
  const age = ageOf(pin, now);
  if (!isOver(age, refresh)) return 'fresh';
  return age < refresh + background ? 'usable' : 'old';
}
