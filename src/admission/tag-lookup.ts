/** What upstream says a tag means, and what the tag then means here: one question at a time for each tag. */
import type { Digest } from '../oci/digest.ts';
import { formatReference } from '../oci/reference.ts';
import type { PinRecord, TagOrder } from '../store/tag-records.ts';
import type { ResolvedTag } from '../upstream/upstream.ts';
import { STALE_MEMORY } from './bounds.ts';
import { isUndetermined, type Decision, type Refused } from './decision.ts';
import type { Digests } from './digests.ts';
import type { AdmissionParts, Ask } from './parts.ts';
import { createSingleFlight } from './single-flight.ts';
import type { TagMemory } from './tag-memory.ts';
import {
  allowsRollback,
  describeWithheld,
  findCooldown,
  findRollback,
  findStandstill,
  refuseMove,
  refuseStale,
  withWarning,
  type Doubt,
  type TagMove,
} from './tag-moves.ts';
import { isOutage, refuseForUpstream } from './trouble.ts';

/** A decision about a tag, and until when it answers without another look (milliseconds since the epoch). */
export interface TagDecision {
  readonly decision: Decision;
  readonly until: number;
  /** Upstream is being asked meanwhile: what is decided then. It may fail. */
  readonly later?: Promise<TagDecision>;
}

/** How a resolved tag is judged; an attachment's tag is judged by what it is attached to. */
export type JudgeResolved = (resolved: ResolvedTag, pin: PinRecord) => Promise<Decision>;

export interface TagQuestion {
  readonly ask: Ask;
  readonly tag: string;
  readonly judge: JudgeResolved | undefined;
  /** Whether its moves are judged; those of attachments' tags are their business. */
  readonly watched: boolean;
  /** The pin that is too old to answer, or to answer for long. */
  readonly old: PinRecord | undefined;
  readonly order: TagOrder | undefined;
}

export interface TagLookup {
  /** Asks upstream, joining whoever asks already. */
  lookUp(question: TagQuestion): Promise<TagDecision>;
  /** Whether upstream has said what the tag means in the look that is under way. */
  isAnswered(question: TagQuestion): boolean;
}

/** A move under judgement. */
interface Moving extends TagQuestion {
  /** Where it comes from. */
  readonly pin: PinRecord | undefined;
  /** Where it goes; absent where the tag is gone. */
  readonly digest: Digest | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export function createTagLookup(
  parts: AdmissionParts,
  memory: TagMemory,
  digests: Digests,
): TagLookup {
  const flights = createSingleFlight<TagDecision>();
  const answered = new Set<string>();

  async function askUpstream(question: TagQuestion): Promise<TagDecision> {
    const { ask, tag, judge, watched, old, order } = question;
    const { repository, rule } = ask;
    const pin = await parts.records.findPin(repository, tag);
    const now = parts.clock();
    // Somebody else asked between the look at the pin and this.
    if (
      pin !== undefined &&
      pin.checkedAt !== old?.checkedAt &&
      ageOf(pin, now) < rule.tags.refresh
    ) {
      const known = await digests.admit(ask, pin.digest, { asImage: judge === undefined });
      if (known.outcome === 'admitted') {
        const decision = withWarning(known, describeWithheld(pin.withheld));
        return { decision, until: pin.checkedAt + rule.tags.refresh };
      }
    }
    const resolved = await resolve(ask, tag);
    answered.add(keyOf(question));
    if ('failure' in resolved) return withoutAnswer({ ...question, pin, now }, resolved.failure);
    if (order?.ask === true) await memory.asked({ repository, tag });
    const { digest } = resolved;
    if (watched && digest !== pin?.digest) {
      return move({ ...question, pin, digest, now }, digest, resolved);
    }
    const since = pin?.digest === digest ? pin.since : now;
    const next: PinRecord = { repository, tag, digest, checkedAt: now, since };
    const decision =
      judge === undefined
        ? await digests.admit(ask, digest, { manifest: resolved.manifest, asImage: true })
        : await judge(resolved, next);
    if (decision.outcome === 'refused') return { decision, until: 0 };
    if (watched && !(await memory.isInHistory(next))) {
      // It was served in audit mode, and is admitted now.
      await memory.arrive(decision, next, { leaves: true, usesRollback: false });
    } else if (!(await memory.isPinned(next))) {
      // What is attached wrote its pin with its grants, unless the decision was remembered.
      await memory.keep(next);
    }
    return { decision, until: now + rule.tags.refresh };
  }

  async function move(
    moving: Moving,
    digest: Digest,
    { manifest }: ResolvedTag,
  ): Promise<TagDecision> {
    const { ask, tag, pin, now } = moving;
    const { repository, rule } = ask;
    const enforced = rule.mode === 'enforce';
    const history = await parts.records.findHistory(repository, tag);
    // What no rule ever asks about need not be remembered.
    const relevant = pin !== undefined || rule.tags.cooldown > 0;
    const seen = relevant ? await memory.see({ repository, tag }, digest, now) : now;
    const young = findCooldown(seen, now, rule.tags);
    if (young !== undefined && enforced) return withhold(moving, young);
    const decision = await digests.admit(ask, digest, { manifest, asImage: true });
    if (decision.outcome === 'refused') return toUnverified(moving, decision);
    const { signedAt } = decision.verdict;
    const rollback = findRollback({ digest, history, from: pin?.digest, signedAt }, rule.tags);
    const usesRollback =
      rollback !== undefined &&
      allowsRollback(await parts.records.findOrder(repository, tag), digest);
    const doubt =
      findStandstill(pin?.digest, rule.tags) ?? (usesRollback ? undefined : rollback) ?? young;
    if (doubt !== undefined && enforced) return withhold(moving, doubt);
    await memory.arrive(
      decision,
      { repository, tag, digest, checkedAt: now, since: now },
      { leaves: true, usesRollback },
    );
    const until = now + rule.tags.refresh;
    if (doubt !== undefined) {
      tell(moving, 'audited', doubt);
      const warning = `audit mode: the tag would not be followed: ${doubt.reason}`;
      return { decision: withWarning(decision, warning), until };
    }
    if (pin !== undefined) {
      const audited = decision.verdict.outcome !== 'admitted';
      parts.onTagMove?.({
        rule: rule.name,
        ...(audited
          ? { outcome: 'audited', why: 'unverified' }
          : { outcome: 'followed', why: 'move' }),
      });
    }
    return { decision, until };
  }

  async function toUnverified(moving: Moving, refusal: Refused): Promise<TagDecision> {
    const { pin, ask } = moving;
    if (pin === undefined) return { decision: refusal, until: 0 };
    // What cannot be looked at now is an outage like any other.
    if (isUndetermined(refusal.code) || refusal.code === 'upstream-refused') {
      return stale(moving, pin, refusal);
    }
    const reason = refusal.reasons.join('; ');
    const action = ask.rule.tags.onUnverifiedMove;
    return withhold(moving, { why: 'unverified', action, reason }, refusal);
  }

  /** The tag stays where it is, or is refused until upstream says something else. */
  async function withhold(moving: Moving, doubt: Doubt, refusal?: Refused): Promise<TagDecision> {
    const { ask, pin, digest, now } = moving;
    const { why, action, reason } = doubt;
    const withheld = { ...(digest === undefined ? {} : { digest }), why, reason };
    if (pin !== undefined && action === 'hold') {
      const held = await digests.admit(ask, pin.digest, { asImage: true });
      if (held.outcome === 'admitted') {
        const next = { ...pin, checkedAt: now, withheld: { ...withheld, refused: false } };
        await memory.keep(next);
        tell(moving, 'held', doubt);
        const until = Math.min(now + ask.rule.tags.refresh, doubt.until ?? Infinity);
        return { decision: withWarning(held, describeWithheld(next.withheld)), until };
      }
    }
    if (pin !== undefined) {
      await memory.keep({ ...pin, withheld: { ...withheld, refused: true } });
    }
    tell(moving, 'refused', doubt);
    if (refusal !== undefined) return { decision: refusal, until: 0 };
    if (digest === undefined) throw new Error('expected a refusal for a tag that is gone');
    return { decision: refuseMove(ask.reference, digest, ask.rule, doubt, now), until: 0 };
  }

  function tell({ ask, pin, digest }: Moving, outcome: TagMove['outcome'], doubt: Doubt): void {
    const { why, reason } = doubt;
    const reference = formatReference(ask.reference);
    parts.logger.warn(
      { reference, rule: ask.rule.name, from: pin?.digest, to: digest, outcome, why, reason },
      'a tag moved upstream',
    );
    parts.onTagMove?.({ rule: ask.rule.name, outcome, why });
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

  async function withoutAnswer(
    question: Omit<Moving, 'digest'>,
    failure: unknown,
  ): Promise<TagDecision> {
    const { ask, tag, pin, watched } = question;
    const refusal = refuseForUpstream(formatReference(ask.reference), failure, ask.rule);
    if (pin === undefined) return { decision: refusal, until: 0 };
    if (isOutage(failure)) return stale(question, pin, refusal);
    if (!watched) return { decision: refusal, until: 0 };
    if (refusal.code !== 'absent') return toUnverified({ ...question, digest: undefined }, refusal);
    const gone = { ...question, digest: undefined };
    const reason = 'the tag is gone upstream';
    if (ask.rule.tags.onDelete === 'keep') {
      return withhold(gone, { why: 'deleted', action: 'hold', reason }, refusal);
    }
    await memory.remove({ repository: ask.repository, tag });
    tell(gone, 'purged', { why: 'deleted', action: 'refuse', reason });
    return { decision: refusal, until: 0 };
  }

  /** The last admitted digest stands in while the upstream does not answer, as long as the rule allows. */
  async function stale(
    { ask, judge }: TagQuestion,
    pin: PinRecord,
    refusal: Refused,
  ): Promise<TagDecision> {
    const now = parts.clock();
    const { maxStale } = ask.rule.tags;
    if (isOver(ageOf(pin, now), maxStale)) {
      return { decision: refuseStale(ask.reference, ask.rule, pin.checkedAt, refusal), until: 0 };
    }
    const decision: Decision = await digests.admit(ask, pin.digest, {
      asImage: judge === undefined,
    });
    if (decision.outcome !== 'admitted') return { decision: refusal, until: 0 };
    const told = withWarning(decision, describeWithheld(pin.withheld));
    const warning = `stale: ${refusal.reasons.join('; ')}`;
    const until = Math.min(now + STALE_MEMORY, pin.checkedAt + maxStale);
    return { decision: withWarning(told, warning), until };
  }

  return {
    lookUp: (question) => {
      const key = keyOf(question);
      return flights.run(key, () =>
        askUpstream(question).finally(() => {
          answered.delete(key);
        }),
      );
    },
    isAnswered: (question) => answered.has(keyOf(question)),
  };
}

function keyOf({ ask, judge }: TagQuestion): string {
  return `${judge === undefined ? 'image' : 'attached'} ${formatReference(ask.reference)}`;
}

/** Nothing is older than a bound that there is not: of an upstream that is never asked, whatever the clock says. */
export function isOver(age: number, bound: number): boolean {
  return age >= bound && Number.isFinite(bound);
}

/** Milliseconds since upstream was asked. A clock that was set back does not make a pin young for ever. */
export function ageOf(pin: PinRecord, now: number): number {
  return now >= pin.checkedAt ? now - pin.checkedAt : Number.POSITIVE_INFINITY;
}
