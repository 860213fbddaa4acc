/** Signed entry timestamps (SET): a log's promise to hold an entry, and the time at which it made it. */
import { json } from '@sigstore/core';
import type { LogKey } from '../../trust/trust-root.ts';
import { signatureMatches } from '../key-signature.ts';
import type { LogEntry } from './material.ts';

/** How far a log's clock may be ahead of ours. Milliseconds. */
const CLOCK_SKEW = 5 * 60_000;

/**
 * Verifies the promise over the entry's body, time, log and index, and gives the time, in milliseconds since the epoch.
 * An integrated time is believed for this signature alone (CVE-2026-48816).
 * @throws {SyntaxError} saying what does not hold.
 */
export function verifyPromise(entry: LogEntry, promise: Buffer, log: LogKey, now: number): number {
  const { integratedTime, index, body } = entry;
  if (integratedTime === undefined) {
    throw new SyntaxError('expected an integrated time along with the promise of the log');
  }
  // RFC 8785 §3.2.2.3: a number that loses digits would be another number to another reader.
  if (!Number.isSafeInteger(integratedTime) || integratedTime < 0) {
    throw new SyntaxError('expected the integrated time as seconds since the epoch');
  }
  if (index < 0n || index > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new SyntaxError('expected a log index from 0 to 2^53 - 1');
  }
  const promised = json.canonicalize({
    body: body.toString('base64'),
    integratedTime,
    logID: log.id,
    logIndex: Number(index),
  });
  if (!signatureMatches(log.key, Buffer.from(promised), promise)) {
    throw new SyntaxError('the promise (SET) of the log does not verify for this entry');
  }
  const time = integratedTime * 1000;
  if (time < log.validity.start || time > log.validity.end) {
    throw new SyntaxError(`the key of the log was not valid at the integrated time ${said(time)}`);
  }
  if (time > now + CLOCK_SKEW) {
    throw new SyntaxError(`the integrated time ${said(time)} is in the future`);
  }
  return time;
}

function said(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}
