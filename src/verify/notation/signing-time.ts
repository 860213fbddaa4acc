/** Whether a signature was made while its certificates were valid, by a time that somebody trusted vouches for. */
import type { NotationFacts, NotationResult } from '../../policy/notation-facts.ts';
import type { Certificate } from '../../trust/certificate.ts';
import type { NotationRoot } from '../../trust/notation-root.ts';
import { UntrustedError } from '../candidate.ts';
import { verifyCountersignature, type Countersignature } from './countersignature.ts';
import type { Envelope } from './envelope.ts';
import type { Lasting } from './lasting.ts';
import { toResult, type RevocationCheck } from './revocation/revocation.ts';

export interface TimeContext {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly revocation?: RevocationCheck;
}

type Answer = Lasting<NotationResult>;

/**
 * Both answers to "was it made in time". A timestamp is asked for where the root has timestamp authorities: always, or
 * once a certificate of the chain has expired. Where none is asked for, the chain has to be valid now.
 */
export async function checkSigningTime(
  envelope: Envelope,
  root: NotationRoot,
  context: TimeContext,
): Promise<Lasting<NotationFacts['timestamp']>> {
  const { chain, attributes } = envelope;
  if (attributes.scheme === 'notary.x509.signingAuthority') {
    // The authority's word, which is signed; a timestamp beside it counts for nothing.
    const { signingTime } = attributes;
    const result = within(chain, signingTime, signingTime, 'when it was signed');
    return { result: { always: result, afterCertExpiry: result }, until: Infinity };
  }
  const present = validNow(chain, context.now);
  if (root.tsa.length === 0) {
    return {
      result: { always: present.result, afterCertExpiry: present.result },
      until: present.until,
    };
  }
  const stamped = await checkTimestamp(envelope, root.tsa, context);
  const expired = chain.some(({ notAfter }) => context.now > notAfter);
  const after = expired ? stamped : present;
  return {
    result: { always: stamped.result, afterCertExpiry: after.result },
    until: Math.min(stamped.until, after.until),
  };
}

function validNow(chain: readonly Certificate[], now: number): Answer {
  const result = within(chain, now, now, 'now, and no timestamp says when it was signed');
  const until = result.ok ? Math.min(...chain.map(({ notAfter }) => notAfter + 1)) : Infinity;
  return { result, until };
}

/** Ends included (signature-specification.md "Signing time"). */
function within(
  chain: readonly Certificate[],
  earliest: number,
  latest: number,
  when: string,
): NotationResult {
  const outside = chain.find(
    ({ notBefore, notAfter }) => !(earliest >= notBefore && latest <= notAfter),
  );
  if (outside === undefined) return { ok: true };
  const { subject, notBefore, notAfter } = outside;
  const span = `from ${new Date(notBefore).toISOString()} to ${new Date(notAfter).toISOString()}`;
  return {
    ok: false,
    reason: `the certificate of ${subject || 'nobody'} is valid ${span}, and not ${when}`,
  };
}

async function checkTimestamp(
  { timestamp, signature, chain }: Envelope,
  roots: readonly Certificate[],
  { now, revocation }: TimeContext,
): Promise<Answer> {
  if (timestamp === undefined) return failed('it carries no timestamp');
  let stamp: Countersignature;
  try {
    stamp = verifyCountersignature(timestamp, signature, roots, now);
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof UntrustedError)) throw error;
    return failed(`its timestamp does not hold: ${error.message}`);
  }
  const when = `when it was stamped, ${new Date(stamp.latest).toISOString()}`;
  const result = within(chain, stamp.earliest, stamp.latest, when);
  if (!result.ok || revocation === undefined) return { result, until: Infinity };
  // CVE-2024-56138: an authority whose key is stolen stamps any time. Its chain leads to a root of the store by now.
  const answer = toResult(await revocation(stamp.chain, 'timestamping', now));
  if (answer.result.ok) return answer;
  const reason = `its timestamp does not hold: ${answer.result.reason}`;
  return { ...answer, result: { ...answer.result, reason } };
}

function failed(reason: string): Answer {
  return { result: { ok: false, reason }, until: Infinity };
}
