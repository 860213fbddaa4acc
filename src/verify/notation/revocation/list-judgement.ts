/** What a revocation list proves about one certificate (RFC 5280 §6.3.3). */
import type { Certificate } from '../../../trust/certificate.ts';
import { readDer } from '../../../trust/der.ts';
import { parseNamedBits } from '../../../trust/der-values.ts';
import { verifyExactly } from '../../../trust/signature-algorithm.ts';
import { EXTENSION } from '../../../trust/x509-extensions.ts';
import { MAX_AHEAD } from './bounds.ts';
import { findEntry } from './list-entries.ts';
import { readPlaces } from './places.ts';
import type { RevocationList } from './revocation-list.ts';
import { REASON, revoked, type Revoked, type Standing } from './standing.ts';

/** Which certificate is asked about, and when. */
export interface ListQuestion {
  readonly certificate: Certificate;
  /** Proven to have signed the certificate. */
  readonly issuer: Certificate;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What a delta list says: of an entry, that it changed; and until when it may be believed. */
export interface DeltaAnswer {
  readonly entry: Revoked | undefined;
  readonly until: number;
}

/** Finds the list that adds to a full one, and asks it; undefined where none is named and none is at hand. */
export type AskDelta = (full: RevocationList) => Promise<DeltaAnswer | undefined>;

const BY = 'the revocation list';
/** RFC 5280 §4.2.1.3. */
const LIST_SIGN_BIT = 6;

/**
 * Judges a full list.
 * @throws {SyntaxError} for a list that is by somebody else, about other certificates, out of date, or that may not be
 * understood; and what `askDelta` throws, for without the list that it names a full one is out of date.
 */
export async function judgeList(
  list: RevocationList,
  question: ListQuestion,
  askDelta: AskDelta,
): Promise<Standing> {
  const { certificate, now } = question;
  if (list.base !== undefined)
    throw new SyntaxError('expected a full revocation list, got a delta');
  requireList(list, question);
  const entry = await findEntry(list.entries, certificate.serialNumber);
  // What is revoked stays so, however old the list is; only a hold may have been lifted since.
  if (entry !== undefined && entry.reason !== REASON.certificateHold) {
    return revoked(certificate, entry, BY);
  }
  const until = requireCurrent(list, now);
  const delta = (await askDelta(list)) ?? { entry: undefined, until };
  const latest = delta.entry ?? entry;
  if (latest !== undefined && latest.reason !== REASON.removeFromList) {
    return revoked(certificate, latest, BY);
  }
  return { state: 'good', until: Math.min(until, delta.until) };
}

/**
 * Judges a list that adds to a full one (RFC 5280 §5.2.4).
 * @throws {SyntaxError} also for a list that adds to another one.
 */
export async function judgeDelta(
  delta: RevocationList,
  full: RevocationList,
  question: ListQuestion,
): Promise<DeltaAnswer> {
  requireList(delta, question);
  if (delta.base === undefined || delta.number === undefined || full.number === undefined) {
    throw new SyntaxError('expected a delta revocation list and the numbers of both lists');
  }
  const isSameScope =
    delta.rawScope === undefined || full.rawScope === undefined
      ? delta.rawScope === full.rawScope
      : delta.rawScope.equals(full.rawScope);
  if (delta.base > full.number || delta.number < full.number || !isSameScope) {
    throw new SyntaxError('expected a delta to the full revocation list, got one to another list');
  }
  const until = requireCurrent(delta, question.now);
  return { entry: await findEntry(delta.entries, question.certificate.serialNumber), until };
}

/** Whether the list is about the certificates of this issuer; of others nobody here asks. */
export function isListOf({ rawIssuer }: RevocationList, issuer: Certificate): boolean {
  return rawIssuer.equals(issuer.rawSubject);
}

/** Whether this authority signed it; of a list's age and scope that says nothing. */
export function isListBy(list: RevocationList, issuer: Certificate): boolean {
  return isListOf(list, issuer) && isSignedBy(list, issuer);
}

/** Before any entry is read: who signed it, and for whom it speaks. */
function requireList(list: RevocationList, { certificate, issuer, now }: ListQuestion): void {
  if (!isListOf(list, issuer)) {
    throw new SyntaxError(`expected a revocation list of ${issuer.subject}, got another's`);
  }
  requireListSigner(issuer);
  if (!isSignedBy(list, issuer)) {
    throw new SyntaxError('the signature of the revocation list does not hold');
  }
  requireScope(list, certificate);
  if (list.thisUpdate > now + MAX_AHEAD) {
    throw new SyntaxError('the revocation list is from the future');
  }
}

/** Whose signatures hold on lists that are asked more than once: hashing a long one takes its time. */
const verified = new WeakMap<RevocationList, Map<string, boolean>>();

function isSignedBy(list: RevocationList, { publicKey, fingerprint }: Certificate): boolean {
  const known = verified.get(list) ?? new Map<string, boolean>();
  verified.set(list, known);
  const { algorithm, signed, signature } = list;
  const holds =
    known.get(fingerprint) ??
    (algorithm !== undefined && verifyExactly(algorithm, publicKey, signed, signature));
  known.set(fingerprint, holds);
  return holds;
}

/** RFC 5280 §6.3.3 (f). */
function requireListSigner({ extensions, subject }: Certificate): void {
  const extension = extensions.get(EXTENSION.keyUsage);
  if (extension === undefined) return;
  if (!parseNamedBits(readDer(extension.value, 'keyUsage'), 'keyUsage').has(LIST_SIGN_BIT)) {
    throw new SyntaxError(`the key of ${subject} is not for signing revocation lists`);
  }
}

/** RFC 5280 §6.3.3 (b) (2): a list may hold a part of the certificates, and then it has to be the right part. */
function requireScope({ scope }: RevocationList, certificate: Certificate): void {
  if (scope.onlyUsers && certificate.claimsCa) {
    throw new SyntaxError('the revocation list is for certificates of no authority alone');
  }
  if (scope.onlyAuthorities && !certificate.claimsCa) {
    throw new SyntaxError('the revocation list is for certificates of authorities alone');
  }
  if (scope.names === undefined) return;
  const wanted = new Set(readPlaces(certificate).listNames);
  if (!scope.names.some((name) => wanted.has(name))) {
    throw new SyntaxError('the revocation list is of another place than the certificate names');
  }
}

function requireCurrent({ nextUpdate }: RevocationList, now: number): number {
  // RFC 5280 §5.1.2.5 requires it; without it a list could be shown for ever.
  if (nextUpdate === undefined) throw new SyntaxError('the revocation list has no nextUpdate');
  if (nextUpdate <= now) throw new SyntaxError('the revocation list is out of date');
  return nextUpdate;
}
