/** Revocation lists: by the issuer, about these certificates, of these days, and understood to the last entry. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import {
  judgeDelta,
  judgeList,
  type AskDelta,
} from '../../../../src/verify/notation/revocation/list-judgement.ts';
import { parseRevocationList } from '../../../../src/verify/notation/revocation/revocation-list.ts';
import type { Issued } from '../../../helpers/sigstore/certificate.ts';
import * as der from '../../../helpers/sigstore/der.ts';
import {
  DAY,
  deltaOf,
  freshest,
  HOUR,
  listNumber,
  lists,
  makeAuthority,
  makeLeaf,
  makeList,
  NOW,
  point,
  points,
  read,
  scope,
  scopeFlag,
  scopeName,
  UNKNOWN_CRITICAL,
  type ListChange,
} from './made-revocation.ts';

const PLACE = 'http://ca.example/a.crl';
const ca = makeAuthority('ca');
const otherCa = makeAuthority('other ca');
const leaf = makeLeaf(ca, [lists(PLACE)], { serial: 0x1234n });
const { serial } = leaf;
const GOOD = { state: 'good', until: NOW + DAY };

const noDelta: AskDelta = ({ freshest: named }) =>
  named.length === 0 ? Promise.resolve(undefined) : Promise.reject(new SyntaxError('no delta'));
const judgeBytes = (bytes: Buffer, certificate: Issued = leaf, issuer: Issued = ca) =>
  judgeList(
    parseRevocationList(bytes),
    { certificate: read(certificate), issuer: read(issuer), now: NOW },
    noDelta,
  );
const judge = async (change: ListChange = {}, certificate: Issued = leaf) =>
  judgeBytes(makeList(ca, change), certificate);
const refuses = (t: Test, message: RegExp, change: ListChange, name = 'is refused') =>
  t.rejects(judge(change), { name: 'SyntaxError', message }, name);

t.test('a certificate that is not listed is good', async (t) => {
  t.strictSame(await judge(), GOOD);
  t.strictSame(await judge({ entries: [{ serial: 0x34n }, { serial: 0x123400n }] }), GOOD);
  t.strictSame(await judge({ version: null }), GOOD, 'version 1');
  t.strictSame(await judge({ extensions: [listNumber(3)] }), GOOD);
});

t.test('a listed one is revoked, with the reason', async (t) => {
  t.match(await judge({ entries: [{ serial: 1n }, { serial, reason: 1 }, { serial: 2n }] }), {
    state: 'revoked',
    reason:
      'O=Vendor, CN=leaf was revoked at 2026-05-31T00:00:00.000Z (keyCompromise), says the revocation list',
  });
  t.match(await judge({ entries: [{ serial }] }), { reason: /\(unspecified\)/ });
  t.match(await judge({ entries: [{ serial, reason: 6 }] }), { reason: /\(certificateHold\)/ });
  t.match(
    await judge({ entries: [{ serial, reason: 1 }], nextUpdate: NOW - 1 }),
    { state: 'revoked' },
    'for ever, however old the list is',
  );
  const invalidityDate = { oid: '2.5.29.24', value: der.generalizedTime(NOW) };
  t.match(
    await judge({ entries: [{ serial, reason: 1, extensions: [invalidityDate] }] }),
    { state: 'revoked' },
    'no date softens it',
  );
});

t.test('a list holds from its thisUpdate to its nextUpdate', async (t) => {
  await refuses(t, /out of date/, { nextUpdate: NOW });
  await refuses(t, /has no nextUpdate/, { nextUpdate: null });
  await refuses(t, /from the future/, { thisUpdate: NOW + HOUR });
  await refuses(
    t,
    /out of date/,
    { nextUpdate: NOW, entries: [{ serial, reason: 6 }] },
    'a hold may have been lifted',
  );
  t.strictSame(await judge({ thisUpdate: NOW + HOUR / 60 }), GOOD, 'clocks differ a little');
});

t.test('a list is by the issuer and no other', async (t) => {
  await refuses(t, /signature of the revocation list does not hold/, { signer: otherCa });
  await t.rejects(judgeBytes(makeList(otherCa)), /expected a revocation list of .*CN=ca, got/);
  const sha1 = der.sequence(der.oid('1.2.840.10045.4.1'));
  await refuses(t, /signature of the revocation list does not hold/, { algorithm: sha1 });
  // keyUsage with keyCertSign alone.
  const mute = makeAuthority('ca', {
    extensions: [
      { oid: '2.5.29.19', critical: true, value: der.sequence(der.boolean(true)) },
      { oid: '2.5.29.15', critical: true, value: der.bits(Buffer.from([0x04]), 2) },
    ],
  });
  const child = makeLeaf(mute);
  await t.rejects(judgeBytes(makeList(mute), child, mute), /not for signing revocation lists/);
});

t.test('what nobody understands makes a list unusable', async (t) => {
  const list = /the revocation list has the unknown critical extension 1\.2\.3\.4/;
  await refuses(t, list, { extensions: [UNKNOWN_CRITICAL] });
  const entry = /an entry of the revocation list has the critical extension 1\.2\.3\.4/;
  await refuses(t, entry, { entries: [{ serial: 1n, extensions: [UNKNOWN_CRITICAL] }] });
  const indirect = { oid: '2.5.29.29', critical: true, value: der.sequence() };
  await refuses(t, /critical extension 2\.5\.29\.29/, {
    entries: [{ serial: 1n, extensions: [indirect] }, { serial: 2n }],
  });
  t.strictSame(
    await judge({ entries: [{ serial: 0x0101ffn }] }),
    GOOD,
    'bytes that only look like a critical extension are none',
  );
});

t.test('a list of a part of the certificates has to be of the right part', async (t) => {
  const of = (...fields: readonly Buffer[]): ListChange => ({ extensions: [scope(...fields)] });
  const authority = makeAuthority('under', { issuer: ca });
  t.strictSame(await judge(of(scopeFlag(1))), GOOD);
  await t.rejects(judge(of(scopeFlag(1)), authority), /of no authority alone/);
  t.strictSame(await judge(of(scopeFlag(2)), authority), GOOD);
  await refuses(t, /of authorities alone/, of(scopeFlag(2)));
  t.strictSame(await judge(of(scopeName(PLACE))), GOOD);
  const shard = 'http://ca.example/b.crl';
  await refuses(t, /of another place than the certificate names/, of(scopeName(shard)));
  await t.rejects(judge(of(scopeName(PLACE)), makeLeaf(ca)), /of another place/);
  const relative = der.context(0, der.context(1, der.sequence()));
  await refuses(t, /of another place/, of(relative));
  const partial = /for all reasons and of its own issuer/;
  await refuses(t, partial, of(der.contextPrimitive(3, Buffer.from([1, 0x40]))), 'some reasons');
  await refuses(t, partial, of(scopeFlag(4)), 'indirect');
  await refuses(t, partial, of(scopeFlag(5)), 'attribute certificates');
  await refuses(t, /true or nothing/, of(der.contextPrimitive(4, Buffer.from([0]))));
});

t.test('malformed lists are refused', async (t) => {
  const entry = der.sequence(der.tagged(0x02, Buffer.from([0, 0x12, 0x34])), der.time(NOW));
  await refuses(t, /to be an integer/, { rawEntries: entry }, 'a padded serial number hides');
  await refuses(t, /expected an entry/, { rawEntries: der.integer(1) });
  await refuses(t, /of version 2/, { version: 2 });
  await refuses(t, /to be of version 2/, { version: null, extensions: [listNumber(1)] });
  const whole = makeList(ca);
  t.throws(() => parseRevocationList(Buffer.concat([whole, whole])), /unexpected bytes/);
  t.throws(() => parseRevocationList(whole.subarray(0, -1)), SyntaxError);
  t.throws(() => parseRevocationList(Buffer.alloc(32 * 1024 * 1024 + 1)), /at most 32 MiB/);
});

t.test('long lists are read to their end', async (t) => {
  const entries = Array.from({ length: 9000 }, (_, index) => ({ serial: BigInt(0x10000 + index) }));
  t.strictSame(await judge({ entries }), GOOD);
  t.match(await judge({ entries: [...entries, { serial }] }), { state: 'revoked' });
});

t.test('a list that names a delta needs it', async (t) => {
  const full: ListChange = { extensions: [listNumber(5), freshest('http://ca.example/delta')] };
  await refuses(t, /no delta/, full);
  t.match(
    await judge({ ...full, entries: [{ serial, reason: 1 }] }),
    { state: 'revoked' },
    'but not to know what it says itself',
  );
  const judgeBoth = async (change: ListChange, fullChange: ListChange = full) => {
    const question = { certificate: read(leaf), issuer: read(ca), now: NOW };
    const list = parseRevocationList(makeList(ca, fullChange));
    return judgeList(list, question, (base) =>
      judgeDelta(parseRevocationList(makeList(ca, change)), base, question),
    );
  };
  const delta = (...more: ListChange['extensions'] & object): ListChange => ({
    extensions: [listNumber(6), deltaOf(5), ...more],
    nextUpdate: NOW + HOUR,
  });
  t.strictSame(await judgeBoth(delta()), { state: 'good', until: NOW + HOUR });
  t.match(await judgeBoth({ ...delta(), entries: [{ serial, reason: 1 }] }), { state: 'revoked' });
  const held = { ...full, entries: [{ serial, reason: 6 }] };
  t.match(await judgeBoth(delta(), held), { state: 'revoked' });
  t.match(await judgeBoth({ ...delta(), entries: [{ serial, reason: 8 }] }, held), {
    state: 'good',
  });

  const wrong = /expected a delta to the full revocation list/;
  const bad = async (message: RegExp, change: ListChange): Promise<void> => {
    await t.rejects(judgeBoth(change), { name: 'SyntaxError', message });
  };
  await bad(wrong, { extensions: [listNumber(6), deltaOf(6)] });
  await bad(wrong, { extensions: [listNumber(4), deltaOf(4)] });
  await bad(wrong, delta(scope(scopeFlag(1))));
  await bad(/expected a delta revocation list and the numbers/, { extensions: [listNumber(6)] });
  await bad(/expected a delta revocation list and the numbers/, { extensions: [deltaOf(5)] });
  await bad(/out of date/, { ...delta(), nextUpdate: NOW });
  await bad(/does not hold/, { ...delta(), signer: otherCa });
  await t.rejects(judge(delta()), /expected a full revocation list, got a delta/);
});

t.test('a distribution point is a name of the list whatever else it says', async (t) => {
  const reasons = der.contextPrimitive(1, Buffer.from([1, 0x40]));
  const odd = makeLeaf(ca, [points(point(PLACE, reasons))]);
  t.strictSame(await judge({ extensions: [scope(scopeName(PLACE))] }, odd), GOOD);
});

t.test('no changed byte leaves a list', async (t) => {
  const whole = makeList(ca, {
    entries: [{ serial: 1n, reason: 1 }],
    extensions: [listNumber(1), scope(scopeName(PLACE))],
  });
  await fc.assert(
    fc.asyncProperty(
      fc.nat(whole.length - 1),
      fc.integer({ min: 1, max: 255 }),
      async (at, mask) => {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] ?? 0) ^ mask;
        await t.rejects(async () => judgeBytes(changed), { name: 'SyntaxError' });
      },
    ),
    { numRuns: 60 },
  );
});

t.test('any signed entries and extensions are understood or refused', async () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).map((some) => Buffer.from(some));
  await fc.assert(
    fc.asyncProperty(bytes, bytes, async (rawEntries, value) => {
      const extensions = ['2.5.29.20', '2.5.29.28', '2.5.29.46'].map((oid) => ({ oid, value }));
      try {
        await judge({ rawEntries, extensions });
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
      }
    }),
    { numRuns: 60 },
  );
});
