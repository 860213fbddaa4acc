/** Who stands behind the alternatives of a threshold: each that counts needs a signer of its own. */
import type { Signer } from './evidence.ts';

/**
 * Names a signer: a key by its fingerprint, a certificate by whom it names, since every keyless signature has a
 * certificate of its own. A person with certificates of different names is as many signers.
 */
export type SignerId = string;

/** Signers that could stand for an alternative, each with the time until which it then holds. */
export type Standing = ReadonlyMap<SignerId, number>;

/**
 * Tells signers apart. Notation's certificates are not signed along: whoever has two for one key, or two keys under one
 * name, is one signer, and so is the same key in a list of keys.
 */
export function identify(signers: readonly Signer[]): (signer: Signer) => SignerId {
  const parents = new Map<SignerId, SignerId>();
  const representative = (id: SignerId): SignerId => {
    let at = id;
    for (let next = parents.get(at); next !== undefined; next = parents.get(at)) at = next;
    return at;
  };
  const idOf = (signer: Signer): SignerId => representative(idsOf(signer)[0]);
  for (const signer of signers) {
    // Strangers may use any name, also those of two signers with one key: they make nobody the same.
    if (signer.kind === 'notation' && !signer.facts.authenticity.ok) continue;
    for (const id of idsOf(signer)) {
      const [one, other] = [idOf(signer), representative(id)];
      if (one !== other) parents.set(one, other);
    }
  }
  return idOf;
}

function idsOf(signer: Signer): readonly [SignerId, ...SignerId[]] {
  if (signer.kind === 'key') return [keyId(signer.fingerprint)];
  if (signer.kind === 'notation') {
    const { subject, keyFingerprint } = signer.facts;
    // Whoever renews a certificate stays who they are.
    return [JSON.stringify(['notation', subject]), keyId(keyFingerprint)];
  }
  const names = signer.subjects.map(({ type, value }) => [type, value]);
  return [JSON.stringify(['certificate', signer.issuer ?? null, names.sort()])];
}

function keyId(fingerprint: string): SignerId {
  return JSON.stringify(['key', fingerprint]);
}

const ATTESTATION = '["attestation",';

/** An attestation counts for what it says: one signer can stand for as many as there are types of it. */
export function attestationId(signer: SignerId, predicateType: string): SignerId {
  return `${ATTESTATION}${JSON.stringify(predicateType)},${signer}]`;
}

/** Either of two ways. */
export function either(standings: readonly Standing[]): Standing {
  const best = new Map<SignerId, number>();
  for (const standing of standings) {
    for (const [id, until] of standing) best.set(id, Math.max(until, best.get(id) ?? -Infinity));
  }
  return best;
}

/** Who could stand for something that holds until `until` at most. Attestations alone stand for nobody among signers. */
export function limited(standing: Standing, until: number): Standing {
  const people = [...standing].filter(([id]) => !id.startsWith(ATTESTATION));
  const entries = people.length > 0 ? people : [...standing];
  return new Map(entries.map(([id, each]) => [id, Math.min(each, until)]));
}

/**
 * The latest time until which `count` of the alternatives have a signer of their own; undefined where they have not.
 */
export function latestUntil(alternatives: readonly Standing[], count: number): number | undefined {
  const times = new Set(alternatives.flatMap((standing) => [...standing.values()]));
  return [...times]
    .sort((a, b) => (a < b ? 1 : -1))
    .find((until) => countDistinct(alternatives, until) >= count);
}

/** Maximum matching of alternatives to signers (Kuhn): at most alternatives × signers steps for each alternative. */
function countDistinct(alternatives: readonly Standing[], until: number): number {
  const taken = new Map<SignerId, Standing>();
  const place = (standing: Standing, tried: Set<SignerId>): boolean => {
    for (const [id, each] of standing) {
      if (each < until || tried.has(id)) continue;
      tried.add(id);
      const holder = taken.get(id);
      if (holder === undefined || place(holder, tried)) {
        taken.set(id, standing);
        return true;
      }
    }
    return false;
  };
  return alternatives.filter((standing) => place(standing, new Set())).length;
}
