/** Asks whether the certificates of a chain were taken back: lists that the site supplies, then OCSP, then lists. */
import type { Certificate } from '../../../trust/certificate.ts';
import { createAnswers, messageOf, type Answers } from './answers.ts';
import type { AnswerCache } from './answer-cache.ts';
import { LIST_TIMEOUT, MAX_LIST, MAX_OCSP, MAX_PLACES, OCSP_TIMEOUT } from './bounds.ts';
import { UnreachableError, type FetchBytes } from './fetch-bytes.ts';
import {
  isListOf,
  judgeDelta,
  judgeList,
  type AskDelta,
  type ListQuestion,
} from './list-judgement.ts';
import { judgeOcsp } from './ocsp.ts';
import { certificateIdOf, writeOcspRequest } from './ocsp-request.ts';
import { isAskable, readPlaces, type RevocationPlaces } from './places.ts';
import { parseRevocationList, type RevocationList } from './revocation-list.ts';
import type { RevocationAnswer, RevocationCheck } from './revocation.ts';
import type { Standing } from './standing.ts';

export interface RevocationOptions {
  /** Guards addresses; absent where nobody may be asked. */
  readonly fetchBytes?: FetchBytes | undefined;
  readonly cache?: AnswerCache | undefined;
  /** DER of lists that the site supplies, full and delta ones. Where they answer, nobody else is asked. */
  readonly revocationLists?: readonly Buffer[];
}

/** `unnamed`: the certificate says nowhere to ask, so nobody says anything against it. */
type Found =
  | Standing
  | { readonly state: 'unknown'; readonly reason: string; readonly unreachable: boolean }
  | { readonly state: 'unnamed' };

/** RFC 6960 §A.1: GET up to 255 characters, POST for longer ones. */
const MAX_GET = 255;

/** @throws {SyntaxError} for a supplied list that cannot be read. */
export function createRevocationCheck(options: RevocationOptions): RevocationCheck {
  const supplied = (options.revocationLists ?? []).map(parseRevocationList);
  const answers = createAnswers(options.fetchBytes, options.cache);
  return async (chain, purpose, now, signal) => {
    // The last is the anchor: it is taken back by taking it out of the trust store.
    const asked = chain.slice(0, -1);
    const found = await Promise.all(
      asked.map((certificate, index) =>
        findStanding(
          { certificate, issuer: chain[index + 1] ?? certificate, now },
          supplied,
          answers,
          signal,
        ),
      ),
    );
    return summarize(found, purpose);
  };
}

function summarize(found: readonly Found[], purpose: string): RevocationAnswer {
  const revoked = found.find((one) => one.state === 'revoked');
  if (revoked !== undefined) return { state: 'revoked', reason: revoked.reason };
  const unknown = found.filter((one) => one.state === 'unknown');
  if (unknown.length > 0) {
    const reason = unknown.map((one) => one.reason).join('; ');
    const unreachable = unknown.every((one) => one.unreachable);
    return { state: 'unknown', reason, ...(unreachable ? { unreachable } : {}) };
  }
  const good = found.flatMap((one) => (one.state === 'good' ? [one.until] : []));
  if (good.length === 0) {
    return { state: 'good', reason: `no certificate of the ${purpose} chain says where to ask` };
  }
  return {
    state: 'good',
    reason: `no certificate of the ${purpose} chain is revoked`,
    until: Math.min(...good),
  };
}

async function findStanding(
  question: ListQuestion,
  supplied: readonly RevocationList[],
  answers: Answers,
  signal: AbortSignal | undefined,
): Promise<Found> {
  const { certificate } = question;
  const failures: unknown[] = [];
  const attempt = async (ask: () => Promise<Standing>): Promise<Standing | undefined> => {
    try {
      if (signal?.aborted === true) throw new UnreachableError('the time is over');
      return await ask();
    } catch (error) {
      failures.push(error);
      return undefined;
    }
  };
  const askDelta = deltaAsker(question, supplied, answers);
  let good: Standing | undefined;
  for (const list of supplied) {
    if (list.base !== undefined || !isListOf(list, question.issuer)) continue;
    const standing = await attempt(() => judgeList(list, question, askDelta));
    // Of several files, old ones among them, the one that knows of it decides.
    if (standing?.state === 'revoked') return standing;
    good = laterOf(good, standing);
  }
  if (good !== undefined) return good;
  let places: RevocationPlaces;
  try {
    places = readPlaces(certificate);
  } catch (error) {
    return unknown(certificate, [error]);
  }
  if (!places.named && failures.length === 0) return { state: 'unnamed' };
  for (const url of places.ocsp.slice(0, MAX_PLACES)) {
    const standing = await attempt(() => askResponder(url, question, answers));
    if (standing !== undefined) return standing;
  }
  for (const url of places.lists.slice(0, MAX_PLACES)) {
    const standing = await attempt(() => askList(url, question, answers, askDelta));
    if (standing !== undefined) return standing;
  }
  return unknown(certificate, failures);
}

function laterOf(one: Standing | undefined, other: Standing | undefined): Standing | undefined {
  if (one?.until === undefined || other?.until === undefined) return one ?? other;
  return other.until > one.until ? other : one;
}

function unknown({ subject }: Certificate, failures: readonly unknown[]): Found {
  const why = failures.map(messageOf).join(', ') || 'it names no place that may be asked';
  return {
    state: 'unknown',
    reason: `whether ${subject} is revoked cannot be told: ${why}`,
    unreachable: failures.some(isUnreachable),
  };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof UnreachableError;
}

/** What several failures amount to: one that may be none later makes it worth asking again. */
function failed(message: string, failures: readonly unknown[]): Error {
  const kind = failures.some(isUnreachable) ? UnreachableError : SyntaxError;
  return new kind(message);
}

async function askResponder(
  place: string,
  question: ListQuestion,
  answers: Answers,
): Promise<Standing> {
  const { certificate, issuer, now } = question;
  const request = writeOcspRequest(certificateIdOf(certificate, issuer));
  const address = `${place.replace(/\/$/, '')}/${encodeURIComponent(request.toString('base64'))}`;
  const bounds = { maxBytes: MAX_OCSP, timeoutMs: OCSP_TIMEOUT };
  const read = async (bytes: Buffer): Promise<Standing> => {
    const { standing, unchecked } = judgeOcsp(bytes, certificate, issuer, now);
    if (unchecked !== undefined) await requireResponder(unchecked, question, answers);
    return standing;
  };
  return address.length <= MAX_GET
    ? answers.ask({ url: address, method: 'GET', ...bounds }, now, read)
    : answers.ask(
        {
          url: place,
          method: 'POST',
          body: request,
          contentType: 'application/ocsp-request',
          ...bounds,
        },
        now,
        read,
      );
}

/** A responder's own standing is asked for by lists alone: OCSP would have to vouch for itself. */
async function requireResponder(
  responder: Certificate,
  { issuer, now }: ListQuestion,
  answers: Answers,
): Promise<void> {
  const question = { certificate: responder, issuer, now };
  const failures: unknown[] = [];
  for (const url of readPlaces(responder).lists.slice(0, MAX_PLACES)) {
    try {
      const standing = await askList(url, question, answers, deltaAsker(question, [], answers));
      if (standing.state === 'good') return;
      failures.push(new SyntaxError(standing.reason));
    } catch (error) {
      failures.push(error);
    }
  }
  const why = failures.map(messageOf).join(', ') || 'it says nowhere to ask';
  throw failed(`the OCSP responder ${responder.subject} is not known to be good: ${why}`, failures);
}

function askList(
  url: string,
  question: ListQuestion,
  answers: Answers,
  askDelta: AskDelta,
): Promise<Standing> {
  return answers.ask(listAt(url), question.now, (bytes) =>
    judgeList(parseRevocationList(bytes), question, askDelta),
  );
}

function deltaAsker(
  question: ListQuestion,
  supplied: readonly RevocationList[],
  answers: Answers,
): AskDelta {
  return async (full) => {
    const failures: unknown[] = [];
    const newestFirst = supplied
      .filter((list) => list.base !== undefined && isListOf(list, question.issuer))
      .sort((one, other) => ((one.number ?? 0n) < (other.number ?? 0n) ? 1 : -1));
    for (const list of newestFirst) {
      try {
        return await judgeDelta(list, full, question);
      } catch (error) {
        failures.push(error);
      }
    }
    if (full.freshest.length === 0) return undefined;
    for (const url of full.freshest.filter(isAskable).slice(0, MAX_PLACES)) {
      try {
        return await answers.ask(listAt(url), question.now, (bytes) =>
          judgeDelta(parseRevocationList(bytes), full, question),
        );
      } catch (error) {
        failures.push(error);
      }
    }
    const why = failures.map(messageOf).join(', ') || 'no place may be asked';
    throw failed(`the delta to the revocation list cannot be had: ${why}`, failures);
  };
}

function listAt(url: string) {
  return { url, method: 'GET', maxBytes: MAX_LIST, timeoutMs: LIST_TIMEOUT } as const;
}
