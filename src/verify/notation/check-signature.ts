/** One Notation envelope about one manifest: from its bytes to the facts that rules ask for. */
import type { NotationFacts, NotationResult } from '../../policy/notation-facts.ts';
import type { NotationRoot } from '../../trust/notation-root.ts';
import { MAX_SIGNATURE_CONTENT } from '../bounds.ts';
import { requireSignature } from './algorithm.ts';
import { findAuthenticity } from './authenticity.ts';
import { requireSigningChain } from './certificate-profile.ts';
import { parseCose } from './cose.ts';
import type { Envelope } from './envelope.ts';
import { parseJws } from './jws.ts';
import { COSE_TYPE, JWS_TYPE } from './manifest.ts';
import type { Lasting } from './lasting.ts';
import { readPlaces } from './revocation/places.ts';
import { toResult, type RevocationCheck } from './revocation/revocation.ts';
import { checkSigningTime } from './signing-time.ts';
import { readSubject } from './subject.ts';
import { requireTarget, type Target } from './target.ts';

export interface NotationContext {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Asked about chains that lead to a trusted certificate or name nowhere to ask; without it nothing is asked. */
  readonly revocation?: RevocationCheck;
}

/** An envelope as a signature manifest carries it. */
export interface NotationEnvelope {
  /** Of the layer. */
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/**
 * Verifies what nobody may leave out, the integrity of the signature, and says how everything else stands.
 * @throws {SyntaxError} when the envelope is malformed, its chain is not of the form that is required, its signature does
 * not hold, it is about something else, or it demands what is unknown here.
 */
export async function checkNotation(
  { mediaType, bytes }: NotationEnvelope,
  target: Target,
  root: NotationRoot,
  context: NotationContext,
): Promise<NotationFacts> {
  const envelope = parseEnvelope(mediaType, bytes);
  const { attributes, chain } = envelope;
  requireSigningChain(chain);
  requireSignature(envelope);
  const annotations = requireTarget(envelope.payload, target);
  const [leaf] = chain;
  const authenticity = findAuthenticity(chain, attributes.scheme, root);
  const timestamp = await checkSigningTime(envelope, root, context);
  const expiry = checkExpiry(attributes.expiry, context.now);
  const revocation = await checkRevocation(envelope, authenticity.ok, root, context);
  const until = Math.min(timestamp.until, expiry.until, revocation.until);
  return {
    envelope: envelope.kind,
    scheme: attributes.scheme,
    subject: readSubject(leaf.rawSubject),
    subjectText: leaf.subject,
    fingerprint: leaf.fingerprint,
    keyFingerprint: leaf.publicKey.fingerprint,
    signingTime: attributes.signingTime,
    annotations,
    authenticity,
    timestamp: timestamp.result,
    expiry: expiry.result,
    revocation: revocation.result,
    ...(until === Infinity ? {} : { until }),
  };
}

function parseEnvelope(mediaType: string, bytes: Buffer): Envelope {
  if (bytes.length > MAX_SIGNATURE_CONTENT) {
    throw new SyntaxError(`expected an envelope of at most ${MAX_SIGNATURE_CONTENT} bytes`);
  }
  switch (mediaType) {
    case JWS_TYPE:
      return parseJws(bytes);
    case COSE_TYPE:
      return parseCose(bytes);
    default:
      throw new SyntaxError(`expected ${JWS_TYPE} or ${COSE_TYPE}, got ${mediaType}`);
  }
}

/** "Expired when the current time is greater than or equal to expiry time." */
function checkExpiry(expiry: number | undefined, now: number): Lasting<NotationResult> {
  if (expiry === undefined) return { result: { ok: true }, until: Infinity };
  if (now < expiry) return { result: { ok: true }, until: expiry };
  const reason = `it expired at ${new Date(expiry).toISOString()}`;
  return { result: { ok: false, reason }, until: Infinity };
}

/**
 * The part of a chain that may be asked about: up to its topmost trusted certificate, and the one that issued that. What
 * is above it anybody may have put there, with a copied name and key and places of his own: the chain is not signed.
 */
function upToTrusted(chain: Envelope['chain'], trusted: ReadonlySet<string>): Envelope['chain'] {
  const topmost = chain.findLastIndex(({ fingerprint }) => trusted.has(fingerprint));
  const [leaf, ...rest] = chain;
  return [leaf, ...rest.slice(0, topmost + 1)];
}

/** Certificates that name no place to ask at cannot be revoked, whoever issued them; the last is the anchor. */
function namesNoPlace(chain: Envelope['chain']): boolean {
  try {
    return chain.slice(0, -1).every((certificate) => !readPlaces(certificate).named);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

async function checkRevocation(
  { chain }: Envelope,
  isAuthentic: boolean,
  root: NotationRoot,
  { now, revocation }: NotationContext,
): Promise<Lasting<NotationFacts['revocation']>> {
  if (revocation === undefined) return { result: 'not-checked', until: Infinity };
  // The places to ask at are in the certificates, and lists are long: strangers make nobody ask or read.
  if (!isAuthentic) {
    return { result: namesNoPlace(chain) ? { ok: true } : 'not-checked', until: Infinity };
  }
  const trusted = new Set([...root.ca, ...root.signingAuthority].map((one) => one.fingerprint));
  return toResult(await revocation(upToTrusted(chain, trusted), 'signing', now));
}
