/** One decision per digest at a time, and a denied one not again at once. */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import { formatRepository } from '../oci/reference.ts';
import { atMost, REFUSAL_MEMORY } from './bounds.ts';
import type { Decision } from './decision.ts';
import type { DigestOptions, Digests } from './digests.ts';
import { boundTag } from './expiry.ts';
import { isCurrent, type Kept } from './kept.ts';
import type { Memory } from './memory.ts';
import type { AdmissionParts, Ask } from './parts.ts';
import { refuseVerdict } from './refusal.ts';
import { createSingleFlight } from './single-flight.ts';

/** One decision per digest at a time, and a denied one not again at once, whatever tags lead to it. */
export function once(
  digests: Digests,
  memory: Memory,
  { clock }: Pick<AdmissionParts, 'clock'>,
): Digests {
  const flights = createSingleFlight<Flown>();
  const denied = new LRUCache<string, Kept>(atMost(10_000));
  /** As {@link Memory.withdrawals} was when denials were remembered: after the operator's word they are made anew. */
  let withdrawals = 0;

  async function fly(question: Ask, digest: Digest, options: DigestOptions): Promise<Flown> {
    const asImage = options.asImage ?? false;
    const decision = await digests.admit(question, digest, options);
    if (decision.outcome === 'refused' && decision.code === 'not-admitted') {
      const since = clock();
      denied.set(deniedKey(question, digest, asImage), {
        decision,
        since,
        until: since + REFUSAL_MEMORY,
      });
    }
    return { decision, asImage };
  }

  return {
    load: (question, digest) => digests.load(question, digest),
    async admit(question, digest, options = {}) {
      const asImage = options.asImage ?? false;
      if (memory.withdrawals !== withdrawals) {
        withdrawals = memory.withdrawals;
        denied.clear();
      }
      const known = denied.get(deniedKey(question, digest, asImage));
      if (known !== undefined && isCurrent(known, clock())) {
        const { repository, rule } = question;
        const grant = { repository, digest, policyKey: rule.key };
        const granted = await memory.findGrant(grant, 'manifest');
        if (granted === undefined) return inWordsOf(question, known.decision);
      }
      // Whoever pulls may be answered by what was decided before, and does not wait for who verifies it again.
      const turn = options.again === true ? 'again ' : '';
      const key = `${turn}${flightKey(question, digest, asImage)}`;
      let flown = await flights.run(key, () => fly(question, digest, options));
      if (!answersFor(flown, asImage)) {
        const own = `${asImage ? 'image' : 'any'} ${key}`;
        flown = await flights.run(own, () => fly(question, digest, options));
      }
      return inWordsOf(question, flown.decision);
    },
  };
}

/** A decision, and whether it was asked for an image; see {@link DigestOptions.asImage}. */
interface Flown {
  readonly decision: Decision;
  readonly asImage: boolean;
}

/** Most decisions are the same either way. What is attached is no image, and no image may still be attached. */
function answersFor({ decision, asImage }: Flown, wantsImage: boolean): boolean {
  if (asImage === wantsImage) return true;
  if (decision.outcome === 'admitted') return !wantsImage || decision.verdict.attached !== true;
  return wantsImage || decision.code !== 'not-admitted';
}

function deniedKey(ask: Ask, digest: Digest, asImage: boolean): string {
  return `${asImage ? 'image' : 'any'} ${flightKey(ask, digest, asImage)}`;
}

/** Decisions about one digest are one, except where the rule binds signatures to the very tag that is pulled. */
function flightKey(ask: Ask, digest: Digest, asImage: boolean): string {
  return `${formatRepository(ask.repository)}@${digest} ${boundTag(ask, asImage) ?? ''}`;
}

/** A verdict may have been found for another tag of the digest; its refusal names what is asked for here. */
function inWordsOf({ reference, rule }: Ask, decision: Decision): Decision {
  if (decision.outcome === 'admitted') return decision;
  const { digest, verdict, source } = decision;
  if (digest === undefined || verdict === undefined) return decision;
  return { ...refuseVerdict(reference, digest, rule, verdict), source };
}
