/** A pin in words: one line, a tree, or JSON. */
import { formatReference } from '../oci/reference.ts';
import type { KnownTag, TagEntry } from '../store/tag-records.ts';
import type { Branch } from './tree.ts';

export function describePin({ pin, order, ...key }: KnownTag): string {
  const digest = order?.digest ?? pin?.digest ?? 'no digest yet';
  const since = pin === undefined ? '' : `  since ${time(pin.since)}`;
  return `${formatReference(key)}  ${digest}${since}${notes({ pin, order })}`;
}

function notes({ pin, order }: Pick<KnownTag, 'pin' | 'order'> | Notes): string {
  const words = [
    ...(order?.frozen === true ? ['frozen'] : []),
    ...(order?.rollback === undefined ? [] : [`may go back to ${order.rollback}`]),
    ...(order?.digest === undefined || order.digest === pin?.digest ? [] : ['not pulled since']),
    ...(pin?.withheld === undefined
      ? []
      : [`${pin.withheld.refused ? 'refused' : 'held'}: ${pin.withheld.why}`]),
  ];
  return words.length === 0 ? '' : `  (${words.join(', ')})`;
}

interface Notes {
  readonly pin: KnownTag['pin'] | undefined;
  readonly order: KnownTag['order'] | undefined;
}

export function pinTree({ pin, order, ...key }: KnownTag, history: readonly TagEntry[]): Branch {
  const of: Branch[] = [];
  const digest = order?.digest ?? pin?.digest;
  of.push({ text: `digest      ${digest ?? 'none yet'}${notes({ pin, order })}` });
  if (pin !== undefined) {
    of.push({ text: `since       ${time(pin.since)}` });
    of.push({ text: `asked       ${time(pin.checkedAt)}` });
    if (pin.withheld !== undefined) {
      const { digest: other, refused, reason } = pin.withheld;
      const text = `upstream    ${other ?? 'gone'}, ${refused ? 'refused' : 'held back'}`;
      of.push({ text, of: [{ text: reason }] });
    }
  }
  of.push({
    text: `history     ${history.length === 0 ? 'none' : history.length}`,
    of: history.map((entry) => ({ text: entry.digest, of: [{ text: storyOf(entry) }] })),
  });
  return { text: formatReference(key), of };
}

function storyOf({ firstSeen, admittedAt, signedAt, leftAt, evidence }: TagEntry): string {
  return [
    ...(signedAt === undefined ? [] : [`signed ${time(signedAt)}`]),
    `first seen ${time(firstSeen)}`,
    admittedAt === undefined ? 'never admitted' : `admitted ${time(admittedAt)}`,
    ...(leftAt === undefined ? [] : [`left ${time(leftAt)}`]),
    ...(evidence === '' ? [] : [evidence]),
  ].join(', ');
}

/** @param history left out of lists. */
export function pinJson({ pin, order, ...key }: KnownTag, history?: readonly TagEntry[]): object {
  return {
    reference: formatReference(key),
    digest: order?.digest ?? pin?.digest,
    since: timeOrNone(pin?.since),
    checkedAt: timeOrNone(pin?.checkedAt),
    frozen: order?.frozen ?? false,
    rollback: order?.rollback,
    withheld: pin?.withheld,
    history: history?.map((entry) => ({
      digest: entry.digest,
      firstSeen: time(entry.firstSeen),
      admittedAt: timeOrNone(entry.admittedAt),
      signedAt: timeOrNone(entry.signedAt),
      leftAt: timeOrNone(entry.leftAt),
      evidence: entry.evidence,
    })),
  };
}

function timeOrNone(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : time(milliseconds);
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
