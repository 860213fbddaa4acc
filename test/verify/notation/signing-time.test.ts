/** When a signature was made: by now, by a timestamp authority, or by a signing authority's own word. */
import fc from 'fast-check';
import t from 'tap';
import type { NotationFacts } from '../../../src/policy/notation-facts.ts';
import {
  checkNotation,
  type NotationContext,
} from '../../../src/verify/notation/check-signature.ts';
import { UntrustedError } from '../../../src/verify/candidate.ts';
import { verifyCountersignature } from '../../../src/verify/notation/countersignature.ts';
import type { RevocationAnswer } from '../../../src/verify/notation/revocation/revocation.ts';
import {
  DAY,
  extendedKeyUsage,
  issueNotationAuthority,
  issueSigner,
  keyUsage,
  NOTATION_TIME,
  PURPOSES,
  rootOfStores,
  SPAN,
} from '../../helpers/notation/certificate.ts';
import { signJws, type JwsOptions } from '../../helpers/notation/signed.ts';
import { createNotationTsa, tokenOver, tsaRoot } from '../../helpers/notation/timestamp.ts';
import { createSigningKey } from '../../helpers/notation/key.ts';
import * as der from '../../helpers/sigstore/der.ts';
import type { StampOptions } from '../../helpers/sigstore/timestamp-authority.ts';
import { target } from './target.ts';

const tsa = createNotationTsa();
const authority = issueNotationAuthority('root', { notAfter: NOTATION_TIME + 100 * DAY });
const signer = issueSigner({ issuer: authority });
const stamped = rootOfStores({ ca: [authority], tsa: [tsaRoot(tsa)] });
const plain = rootOfStores({ ca: [authority] });
const LATER = NOTATION_TIME + 2 * DAY;

const stamping =
  (options: StampOptions = {}): ((signature: Buffer) => Buffer) =>
  (signature) =>
    tokenOver(tsa, signature, options);

async function check(
  options: JwsOptions,
  root: typeof plain,
  context: Partial<NotationContext> = {},
  by = signer,
): Promise<NotationFacts> {
  const bytes = signJws(by, target, options);
  const now = context.now ?? NOTATION_TIME;
  return checkNotation({ mediaType: 'application/jose+json', bytes }, target, root, {
    ...context,
    now,
  });
}

t.test('without timestamp authorities the chain has to be valid now', async (t) => {
  // A timestamp that nobody vouches for is not looked at, not even where it is none.
  for (const timestamp of [undefined, stamping(), () => Buffer.from('x')]) {
    const options = timestamp === undefined ? {} : { timestamp };
    const facts = await check(options, plain);
    t.match(facts, { timestamp: { always: { ok: true }, afterCertExpiry: { ok: true } } });
    t.equal(facts.until, SPAN.notAfter + 1);
    t.match(await check(options, plain, { now: SPAN.notAfter }), {
      timestamp: { always: { ok: true } },
    });
    const ended = await check(options, plain, { now: SPAN.notAfter + 1000 });
    const reason =
      /CN=signer is valid from 2026-04-30.* to 2026-05-02.*, and not now, and no timestamp/;
    t.match(ended.timestamp, {
      always: { ok: false, reason },
      afterCertExpiry: { ok: false, reason },
    });
    t.notOk('until' in ended);
  }
  const before = await check({}, plain, { now: SPAN.notBefore - 1 });
  t.match(before.timestamp, { always: { ok: false, reason: /and not now/ } });
});

t.test('every certificate of the chain counts', async (t) => {
  const short = issueNotationAuthority('root', { notAfter: NOTATION_TIME + 1000 });
  const long = issueSigner({ issuer: short, notAfter: NOTATION_TIME + DAY });
  const root = rootOfStores({ ca: [short] });
  t.match(await check({}, root, {}, long), { until: NOTATION_TIME + 1001 });
  t.match(await check({}, root, { now: NOTATION_TIME + 2000 }, long), {
    timestamp: { always: { ok: false, reason: /CN=root is valid/ } },
  });
});

t.test(
  'where authorities are, a timestamp is asked for always or once something expired',
  async (t) => {
    const without = await check({}, stamped);
    t.strictSame(without.timestamp, {
      always: { ok: false, reason: 'it carries no timestamp' },
      afterCertExpiry: { ok: true },
    });
    t.equal(without.until, SPAN.notAfter + 1);
    t.strictSame((await check({}, stamped, { now: LATER })).timestamp, {
      always: { ok: false, reason: 'it carries no timestamp' },
      afterCertExpiry: { ok: false, reason: 'it carries no timestamp' },
    });
    const withIt = { timestamp: stamping() };
    const proven = { always: { ok: true }, afterCertExpiry: { ok: true } };
    t.strictSame((await check(withIt, stamped)).timestamp, proven);
    const later = await check(withIt, stamped, { now: LATER });
    t.strictSame(later.timestamp, proven, 'the timestamp outlives the certificate');
    t.notOk('until' in later, 'and nothing ends');
    // Not expired, but not valid either: no timestamp is asked for, and it would help nothing.
    t.match((await check(withIt, stamped, { now: SPAN.notBefore - 1000 })).timestamp, {
      always: { ok: false },
      afterCertExpiry: { ok: false, reason: /and not now/ },
    });
  },
);

t.test('what makes no timestamp', async (t) => {
  const other = createNotationTsa('another');
  const [own, middle] = tsa.chain;
  if (own === undefined || middle === undefined) throw new Error('expected a chain');
  const cases: readonly (readonly [
    what: string,
    timestamp: (signature: Buffer) => Buffer,
    reason: RegExp,
  ])[] = [
    ['nothing', () => Buffer.alloc(0), /ends too early/],
    ['bytes', () => Buffer.from('a token'), /./],
    ['a whole response', (data) => tsa.stamp(data), /timestamp/],
    ['bytes after it', (data) => Buffer.concat([tokenOver(tsa, data), Buffer.from([0])]), /after/],
    ['other data', () => tokenOver(tsa, Buffer.from('other')), /is of something else/],
    [
      'the signature as text',
      (data) => tokenOver(tsa, Buffer.from(data.toString('base64url'))),
      /is of something else/,
    ],
    ['another authority', (data) => tokenOver(other, data), /is no trusted authority/],
    ['another key', stamping({ signer: other.chain[0] ?? own }), /signature of the timestamp/],
    ['no certificate along', stamping({ embed: [] }), /bring the certificate/],
    ['its issuer’s certificate alone', stamping({ embed: [middle] }), /bring the certificate/],
    ['no intermediate along', stamping({ embed: [own] }), /is no trusted authority/],
    ['no signing certificate', stamping({ signingCertificate: false }), /signingCertificateV2/],
    [
      'a signing certificate of version 1, which is SHA-1',
      stamping({ signingCertificate: 'version 1' }),
      /signingCertificateV2/,
    ],
    ['the future', stamping({ time: NOTATION_TIME + 6 * 60_000 }), /from the future/],
    ['another content', stamping({ contentType: '1.2.840.113549.1.7.1' }), /TSTInfo/],
  ];
  for (const [what, timestamp, reason] of cases) {
    await t.test(what, async (t) => {
      const { timestamp: facts } = await check({ timestamp }, stamped);
      t.match(facts.always, { ok: false, reason });
      t.match(facts.always, { reason: /^its timestamp does not hold: / });
      t.strictSame(facts.afterCertExpiry, { ok: true });
      const later = await check({ timestamp }, stamped, { now: LATER });
      if (what !== 'the future') t.match(later.timestamp.afterCertExpiry, { ok: false, reason });
    });
  }
});

t.test('clocks may be five minutes apart', async (t) => {
  const timestamp = stamping({ time: NOTATION_TIME + 5 * 60_000 });
  t.match(await check({ timestamp }, stamped), { timestamp: { always: { ok: true } } });
});

t.test('the hash of a timestamp is SHA-2', async (t) => {
  for (const imprint of ['sha256', 'sha384', 'sha512'] as const) {
    t.match(await check({ timestamp: stamping({ imprint }) }, stamped), {
      timestamp: { always: { ok: true } },
    });
  }
});

t.test(
  'a timestamp authority’s certificates keep to their profile, and to their time',
  async (t) => {
    const root = tsaRoot(tsa);
    const key = createSigningKey();
    const by = (options: Parameters<typeof issueSigner>[0]) => {
      const own = issueSigner({ issuer: root, key, ...options });
      return stamping({ claim: own, signer: own, embed: [own] });
    };
    const extensions = [
      keyUsage(['digitalSignature']),
      extendedKeyUsage([PURPOSES.timeStamping], true),
    ];
    t.match(await check({ timestamp: by({ extensions }) }, stamped), {
      timestamp: { always: { ok: true } },
    });
    const loose = extensions.map((extension) => ({ ...extension, critical: false }));
    const cases: readonly (readonly [Parameters<typeof issueSigner>[0], RegExp])[] = [
      [{ extensions: loose }, /extendedKeyUsage as critical/],
      [{}, /for timestamps and nothing else/],
      [{ extensions: extensions.slice(1) }, /has to say its key usage/],
      [{ extensions, notBefore: NOTATION_TIME + 1000 }, /is valid from/],
      [{ extensions, notAfter: NOTATION_TIME - 1000 }, /is valid from/],
    ];
    for (const [options, reason] of cases) {
      t.match(await check({ timestamp: by(options) }, stamped), {
        timestamp: { always: { ok: false, reason } },
      });
    }
    // An authority stamps nothing itself.
    const itself = stamping({ claim: root, signer: root, embed: [root] });
    t.match(await check({ timestamp: itself }, stamped), {
      timestamp: { always: { ok: false, reason: /authority's own certificate/ } },
    });
  },
);

t.test('the whole window of a timestamp lies in every validity, ends included', async (t) => {
  const { notBefore, notAfter } = SPAN;
  const seconds = (count: number): Buffer => der.sequence(der.integer(count));
  const parts = (milliseconds: number, microseconds: number): Buffer =>
    der.sequence(
      der.contextPrimitive(0, Buffer.from([milliseconds])),
      der.contextPrimitive(1, Buffer.from([microseconds])),
    );
  const BASELINE = '0.4.0.2023.1.1';
  const cases: readonly (readonly [what: string, options: StampOptions, ok: boolean])[] = [
    ['at the very end', { time: notAfter, accuracy: null }, true],
    ['after it', { time: notAfter + 1000, accuracy: null }, false],
    ['at the very beginning', { time: notBefore, accuracy: null }, true],
    ['before it', { time: notBefore - 1000, accuracy: null }, false],
    [
      'a second before the end, a second off',
      { time: notAfter - 1000, accuracy: seconds(1) },
      true,
    ],
    ['a second before the end, two off', { time: notAfter - 1000, accuracy: seconds(2) }, false],
    [
      'a second after the beginning, two off',
      { time: notBefore + 1000, accuracy: seconds(2) },
      false,
    ],
    ['at the end, a millisecond off', { time: notAfter, accuracy: parts(1, 1) }, false],
    [
      'a second before the end, 101 ms off',
      { time: notAfter - 1000, accuracy: parts(100, 99) },
      true,
    ],
    // Unless it says otherwise, whoever stamps under the baseline policy is off by up to a second.
    [
      'at the end, under the baseline policy',
      { time: notAfter, accuracy: null, policy: BASELINE },
      false,
    ],
    [
      'a second before the end, under the baseline policy',
      { time: notAfter - 1000, accuracy: null, policy: BASELINE },
      true,
    ],
    [
      'at the end, under the baseline policy and off by nothing that it names',
      { time: notAfter, accuracy: der.sequence(), policy: BASELINE },
      false,
    ],
  ];
  for (const [what, options, ok] of cases) {
    await t.test(what, async (t) => {
      const facts = await check({ timestamp: stamping(options) }, stamped, { now: LATER });
      t.match(facts.timestamp, { always: { ok }, afterCertExpiry: { ok } });
      if (!ok) t.match(facts.timestamp.always, { reason: /and not when it was stamped/ });
    });
  }
});

t.test('an accuracy has one reading', async (t) => {
  for (const accuracy of [
    der.sequence(der.contextPrimitive(0, Buffer.from([0]))),
    der.sequence(der.contextPrimitive(0, Buffer.from([3, 0xe8]))),
    der.sequence(der.contextPrimitive(1, Buffer.from([0xff]))),
    der.sequence(der.contextPrimitive(2, Buffer.from([1]))),
    der.sequence(der.integer(1), der.integer(1)),
    der.sequence(der.utf8('1')),
  ]) {
    t.match(await check({ timestamp: stamping({ accuracy }) }, stamped), {
      timestamp: { always: { ok: false, reason: /accuracy/ } },
    });
  }
});

t.test('CVE-2024-56138: who stamps must not be revoked', async (t) => {
  const timestamp = stamping();
  const until = NOTATION_TIME + 1000;
  const asked: string[] = [];
  const answering =
    (answer: RevocationAnswer): NonNullable<NotationContext['revocation']> =>
    async (chain, purpose) => {
      asked.push(`${purpose}: ${chain.map(({ subject }) => subject).join(' < ')}`);
      return purpose === 'timestamping' ? answer : { state: 'good', reason: 'no place to ask' };
    };
  const good = await check({ timestamp }, stamped, {
    revocation: answering({ state: 'good', reason: 'OCSP', until }),
  });
  t.match(good, { timestamp: { always: { ok: true } }, revocation: { ok: true }, until });
  const authorityNames = ['timestamp authority', 'timestamp authority intermediate']
    .concat('timestamp authority root')
    .map((name) => `O=sigstore.test, CN=${name}`);
  t.ok(asked.includes(`timestamping: ${authorityNames.join(' < ')}`));
  for (const state of ['revoked', 'unknown'] as const) {
    const facts = await check({ timestamp }, stamped, {
      now: LATER,
      revocation: answering({ state, reason: `the authority is ${state}`, until }),
    });
    const reason = `its timestamp does not hold: the authority is ${state}`;
    t.strictSame(facts.timestamp, {
      always: { ok: false, reason },
      afterCertExpiry: { ok: false, reason },
    });
    t.notOk('until' in facts);
  }
  asked.length = 0;
  const stranger = { timestamp: (data: Buffer) => tokenOver(createNotationTsa('another'), data) };
  await check(stranger, stamped, { revocation: answering({ state: 'good', reason: '' }) });
  t.notOk(
    asked.some((line) => line.startsWith('timestamping')),
    'nobody is asked for a stranger',
  );
});

t.test('a signing authority’s word is the time, whatever the hour and the stamp', async (t) => {
  const options: JwsOptions = { scheme: 'notary.x509.signingAuthority' };
  const root = rootOfStores({ signingAuthority: [authority], tsa: [tsaRoot(tsa)] });
  const proven = { always: { ok: true }, afterCertExpiry: { ok: true } };
  for (const now of [NOTATION_TIME, LATER]) {
    const facts = await check(options, root, { now });
    t.strictSame(facts.timestamp, proven);
    t.notOk('until' in facts);
  }
  for (const signingTime of [SPAN.notBefore - 1000, SPAN.notAfter + 1000]) {
    const facts = await check({ ...options, signingTime, timestamp: stamping() }, root);
    const reason = /CN=signer is valid .*, and not when it was signed/;
    t.match(facts.timestamp, {
      always: { ok: false, reason },
      afterCertExpiry: { ok: false, reason },
    });
  }
  for (const signingTime of [SPAN.notBefore, SPAN.notAfter]) {
    t.strictSame((await check({ ...options, signingTime }, root)).timestamp, proven);
  }
});

t.test('other bytes of a token give no other time', async () => {
  const signature = Buffer.from('a signature');
  const token = tokenOver(tsa, signature);
  const { earliest, latest } = verifyCountersignature(token, signature, stamped.tsa, NOTATION_TIME);
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Buffer.from(token);
      changed.writeUInt8(changed.readUInt8(at) ^ change, at);
      for (const bytes of [changed, token.subarray(0, at)]) {
        try {
          const stamp = verifyCountersignature(bytes, signature, stamped.tsa, NOTATION_TIME);
          if (stamp.earliest !== earliest || stamp.latest !== latest) return false;
        } catch (error) {
          if (!(error instanceof SyntaxError || error instanceof UntrustedError)) throw error;
        }
      }
      return true;
    }),
    { numRuns: 100 },
  );
});
