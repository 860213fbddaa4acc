/** Promises of logs (SET): over which entry, by whom, and at which time. */
import t from 'tap';
import type { LogKey } from '../../../src/trust/trust-root.ts';
import { verifyPromise } from '../../../src/verify/sigstore/entry-promise.ts';
import type { LogEntry } from '../../../src/verify/sigstore/material.ts';
import type { KeyKind } from '../../helpers/sigstore/key.ts';
import { trustedLog } from '../../helpers/sigstore/sigstore.ts';
import { createTransparencyLog } from '../../helpers/sigstore/transparency-log.ts';

const SECONDS = 1_700_000_000;
const TIME = SECONDS * 1000;
const log = createTransparencyLog({ clock: () => TIME });
const body = Buffer.from('{"kind":"a body"}');

const entry: LogEntry = {
  logId: log.id.toString('hex'),
  index: 7n,
  kind: 'hashedrekord',
  version: '0.0.1',
  integratedTime: SECONDS,
  body,
};
const promise = log.promise(body, SECONDS, 7);

function verify(
  change: Partial<LogEntry> = {},
  {
    by = trustedLog(log),
    set = promise,
    now = TIME,
  }: {
    readonly by?: LogKey;
    readonly set?: Buffer;
    readonly now?: number;
  } = {},
): number {
  return verifyPromise({ ...entry, ...change }, set, by, now);
}

t.test('gives the time that the log signed', (t) => {
  t.equal(verify(), TIME);
  t.end();
});

t.test('verifies with keys of every kind that logs have', (t) => {
  for (const kind of ['p256', 'p384', 'p521', 'ed25519', 'rsa'] satisfies KeyKind[]) {
    const other = createTransparencyLog({ clock: () => TIME, kind });
    const set = other.promise(body, SECONDS, 7);
    t.equal(verify({}, { by: trustedLog(other), set }), TIME, kind);
  }
  t.end();
});

t.test('refuses a promise for anything else', (t) => {
  const message = /promise \(SET\) of the log does not verify for this entry/;
  const expected = { name: 'SyntaxError', message };
  t.throws(() => verify({ body: Buffer.from('another body') }), expected);
  t.throws(() => verify({ index: 8n }), expected);
  t.throws(() => verify({ integratedTime: SECONDS - 1 }), expected);
  t.throws(() => verify({ integratedTime: 0 }), expected);
  t.throws(() => verify({}, { set: Buffer.alloc(0) }), expected);
  t.throws(() => verify({}, { set: Buffer.from('no DER') }), expected);
  t.throws(() => verify({}, { by: { ...trustedLog(log), id: '00'.repeat(32) } }), expected);
  const other = createTransparencyLog({ clock: () => TIME });
  t.throws(() => verify({}, { by: { ...trustedLog(other), id: entry.logId } }), expected);
  t.end();
});

t.test('refuses a promise without a time, and numbers that lose digits', (t) => {
  t.throws(() => verify({ integratedTime: undefined }), { message: /expected an integrated time/ });
  for (const integratedTime of [-1, 1.5, 2 ** 53, Infinity, NaN]) {
    const set = log.promise(body, integratedTime, 7);
    t.throws(() => verify({ integratedTime }, { set }), { message: /seconds since the epoch/ });
  }
  for (const index of [-1n, 2n ** 53n, 2n ** 63n]) {
    const set = log.promise(body, SECONDS, Number(index));
    t.throws(() => verify({ index }, { set }), { message: /log index from 0 to 2\^53 - 1/ });
  }
  const index = 2n ** 53n - 1n;
  t.equal(verify({ index }, { set: log.promise(body, SECONDS, Number(index)) }), TIME);
  t.end();
});

t.test('the key was valid at that time, both ends included', (t) => {
  const within = (start: number, end: number) =>
    verify({}, { by: { ...trustedLog(log), validity: { start, end } } });
  t.equal(within(TIME, TIME), TIME);
  const message = /key of the log was not valid at the integrated time 2023-11-14T22:13:20.000Z/;
  t.throws(() => within(TIME + 1, Infinity), { name: 'SyntaxError', message });
  t.throws(() => within(0, TIME - 1), { name: 'SyntaxError', message });
  t.end();
});

t.test('the time is not in the future, but for five minutes', (t) => {
  const skew = 5 * 60_000;
  t.equal(verify({}, { now: TIME - skew }), TIME);
  t.throws(() => verify({}, { now: TIME - skew - 1 }), {
    name: 'SyntaxError',
    message: /is in the future/,
  });
  // The largest number of seconds that is still signed has no name as a date.
  const integratedTime = Number.MAX_SAFE_INTEGER;
  const set = log.promise(body, integratedTime, 7);
  t.throws(() => verify({ integratedTime }, { set }), { name: 'SyntaxError' });
  t.end();
});
