/** Looks one serial number up in a revocation list, entry by entry: lists have up to a million of them. */
import { setImmediate } from 'node:timers/promises';
import { readElement, requireTag, sequence, TAG } from '../../../trust/der.ts';
import { parseIntegerBytes, parseTime } from '../../../trust/der-values.ts';
import { readExtensions } from '../../../trust/x509-extensions.ts';
import type { Revoked } from './standing.ts';

/** Entries between two turns of the event loop. */
const ENTRIES_PER_TURN = 4096;
/** `critical TRUE`; extensions without these bytes have no critical one among them. */
const CRITICAL = Buffer.from([0x01, 0x01, 0xff]);
const REASON_CODE = '2.5.29.21';
const ENUMERATED = 0x0a;

/**
 * The entry of a serial number.
 * @param entries - As they stand in `revokedCertificates`.
 * @param serialNumber - Content of the INTEGER.
 * @throws {SyntaxError} for malformed entries, and for a critical extension in one (RFC 5280 §5.3: then the list must not
 * be used for any certificate).
 */
export async function findEntry(
  entries: Buffer,
  serialNumber: Buffer,
): Promise<Revoked | undefined> {
  const what = 'an entry of the revocation list';
  let found: Revoked | undefined;
  let count = 0;
  for (let at = 0; at < entries.length;) {
    const entry = requireTag(readElement(entries, at, what), TAG.sequence, what);
    const serial = readElement(entry.content, 0, what);
    const number = parseIntegerBytes(serial, 'a serial number of the revocation list');
    if (entry.content.includes(CRITICAL)) refuseCritical(entry.raw);
    if (number.equals(serialNumber)) found = readEntry(entry.raw);
    at += entry.raw.length;
    count += 1;
    if (count % ENTRIES_PER_TURN === 0) await setImmediate();
  }
  return found;
}

function readEntry(raw: Buffer): Revoked {
  const { at, extensions } = fieldsOf(raw);
  const code = extensions.get(REASON_CODE);
  if (code === undefined) return { at, reason: 0 };
  const { tag, content } = readElement(code.value, 0, 'reasonCode');
  const [reason] = content;
  if (tag !== ENUMERATED || content.length !== 1 || reason === undefined) {
    throw new SyntaxError('expected reasonCode to be a small number');
  }
  return { at, reason };
}

/** The bytes may as well be a part of something else: only the entry read as a whole tells. */
function refuseCritical(raw: Buffer): void {
  for (const [oid, { critical }] of fieldsOf(raw).extensions) {
    if (critical) {
      throw new SyntaxError(`an entry of the revocation list has the critical extension ${oid}`);
    }
  }
}

function fieldsOf(raw: Buffer): {
  readonly at: number;
  readonly extensions: ReturnType<typeof readExtensions>['extensions'];
} {
  const what = 'an entry of the revocation list';
  const fields = sequence(readElement(raw, 0, what), what);
  fields.take(TAG.integer, 'a serial number');
  const at = parseTime(fields.takeAny(), 'revocationDate');
  const list = fields.takeIf(TAG.sequence);
  fields.end();
  return { at, extensions: readExtensions(list).extensions };
}
