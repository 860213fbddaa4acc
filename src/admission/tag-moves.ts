/** A tag that means another digest than before: what speaks against following it, by the rule. */
import type { Digest } from '../oci/digest.ts';
import { formatReference, type Reference } from '../oci/reference.ts';
import type { Rule } from '../policy/rule.ts';
import type { TagRule } from '../policy/tag-rule.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { TagEntry, TagOrder, Withheld } from '../store/tag-records.ts';
import type { Admitted, Refused } from './decision.ts';
import { plainText } from './plain-text.ts';
import { refuse } from './refusal.ts';

/** Why a move is not followed; `move` alone where the rule follows none. */
export type MoveDoubt = 'cooldown' | 'deleted' | 'freeze' | 'move' | 'rollback' | 'unverified';

/** What became of a move; `audited`: followed although the rule would not, were it not in audit mode. */
export interface TagMove {
  readonly rule: string;
  readonly outcome: 'followed' | 'held' | 'refused' | 'audited' | 'purged';
  readonly why: MoveDoubt;
}

export interface Doubt {
  readonly why: MoveDoubt;
  readonly action: 'hold' | 'refuse';
  /** One clause, for people. */
  readonly reason: string;
  /** When it is over by itself; milliseconds since the epoch. */
  readonly until?: number;
}

/** What is known of a digest that a tag moves to. */
export interface Destination {
  readonly digest: Digest;
  /** Of the tag. */
  readonly history: readonly TagEntry[];
  /** What the tag means now; absent where it means nothing yet. */
  readonly from: Digest | undefined;
  readonly signedAt: number | undefined;
}

/** A digest that is not known for long enough. */
export function findCooldown(
  firstSeen: number,
  now: number,
  { cooldown }: Pick<TagRule, 'cooldown'>,
): Doubt | undefined {
  const until = firstSeen + cooldown;
  if (cooldown === 0 || now >= until) return undefined;
  return {
    why: 'cooldown',
    action: 'hold',
    reason: `it was first seen here on ${time(firstSeen)}, and the rule waits until ${time(until)}`,
    until,
  };
}

/** Nothing that cosign or Notation sign binds a tag, so an older image that was signed as well would pass. */
export function findRollback(
  { digest, history, from, signedAt }: Destination,
  { onRollback }: Pick<TagRule, 'onRollback'>,
): Doubt | undefined {
  if (onRollback === 'allow') return undefined;
  const doubt = (reason: string): Doubt => ({ why: 'rollback', action: onRollback, reason });
  const left = history.find((entry) => entry.digest === digest)?.leftAt;
  if (left !== undefined) {
    return doubt(`the tag left it on ${time(left)}, so this is a rollback`);
  }
  const last =
    history.find((entry) => entry.digest === from) ??
    history.find(({ admittedAt, leftAt }) => admittedAt !== undefined && leftAt === undefined);
  if (signedAt === undefined || last?.signedAt === undefined || signedAt >= last.signedAt) {
    return undefined;
  }
  return doubt(
    `it was signed on ${time(signedAt)}, before what the tag has (${time(last.signedAt)}), so this is a rollback`,
  );
}

/** Rules that follow no move at all; `from` is what the tag means now. */
export function findStandstill(
  from: Digest | undefined,
  { onMove, freeze }: Pick<TagRule, 'onMove' | 'freeze'>,
): Doubt | undefined {
  if (from === undefined) return undefined;
  if (freeze) return { why: 'freeze', action: 'hold', reason: 'the rule freezes its tags' };
  if (onMove === 'follow') return undefined;
  return { why: 'move', action: onMove, reason: 'the rule follows no move' };
}

/** Whether an operator allowed to go back there. */
export function allowsRollback(order: TagOrder | undefined, digest: Digest | undefined): boolean {
  if (order?.rollback === undefined || digest === undefined) return false;
  return order.rollback === 'any' || order.rollback === digest;
}

const MAX_EVIDENCE = 300;

/** By which evidence a digest was admitted, in a few words. */
export function evidenceText({ signers, reasons }: Verdict): string {
  const text = signers.length > 0 ? signers.join(', ') : (reasons[0] ?? '');
  return plainText(text, MAX_EVIDENCE);
}

/** What the client is told while a tag is held. */
export function withWarning(decision: Admitted, warning: string | undefined): Admitted {
  if (warning === undefined) return decision;
  const all = decision.warning === undefined ? warning : `${warning}; ${decision.warning}`;
  return { ...decision, warning: all };
}

/** In words; undefined where the tag means what upstream says. */
export function describeWithheld(withheld: Withheld | undefined): string | undefined {
  if (withheld === undefined) return undefined;
  const { digest, reason, refused } = withheld;
  const state = refused ? 'refused while upstream answers' : 'held';
  return digest === undefined
    ? `${state}: ${reason}`
    : `${state}: upstream the tag is at ${digest}, which is not followed: ${reason}`;
}

const ADVICE: Readonly<Record<MoveDoubt, string>> = {
  rollback: 'countersign pins allow-rollback',
  cooldown: 'countersign pins move',
  freeze: 'countersign pins move',
  move: 'countersign pins move',
  unverified: 'countersign verify',
  deleted: 'countersign pins show',
};

export function refuseMove(
  reference: Reference,
  digest: Digest,
  rule: Rule,
  { why, reason, until }: Doubt,
  now: number,
): Refused {
  const asked = formatReference(reference);
  const advice = `If it is right: ${ADVICE[why]} ${asked} ${digest}`;
  return refuse('tag-held', asked, [`the tag is not followed to this digest: ${reason}`], advice, {
    digest,
    rule,
    retryAfter: until === undefined ? undefined : Math.max(1, Math.ceil((until - now) / 1000)),
  });
}

/** A tag whose upstream cannot be asked, for longer than the rule lets its pin stand in. */
export function refuseStale(
  reference: Reference,
  rule: Rule,
  checkedAt: number,
  { reasons, retryAfter }: Refused,
): Refused {
  const old = `the tag was looked up last on ${time(checkedAt)}, longer ago than tags.maxStale allows`;
  const advice = 'What was pulled is still served by its digest.';
  return refuse('unreachable', formatReference(reference), [...reasons, old], advice, {
    rule,
    retryAfter,
  });
}

/** A frozen tag whose digest is not admitted: there is nothing else that it may mean. */
export function refuseFrozen(refused: Refused): Refused {
  const end = refused.message.endsWith('.') ? '' : '.';
  const message = `${refused.message}${end} The tag is frozen at this digest: see countersign pins.`;
  return { ...refused, message };
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z');
}
