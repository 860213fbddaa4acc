/**
 * A timestamp keeps a signature alive when its certificate has expired, so whoever has the key of an expired certificate
 * wants one: a real one of something else, one that leaves open which certificate made it (signingCertificate of version
 * 1 is bound to SHA-1; RFC 5816), one by an authority of one's own, or one whose accuracy reaches into the certificate's
 * time. trust-store-trust-policy.md "Validate Authentic Timestamp" wants all of its span within every certificate's.
 */
import t from 'tap';
import * as der from '../helpers/sigstore/der.ts';
import { createTimestampAuthority } from '../helpers/sigstore/timestamp-authority.ts';
import {
  DAY,
  issueNotationAuthority,
  issueSigner,
  NOTATION_TIME,
  PURPOSES,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import { createNotationTsa, tokenOver, tsaRoot } from '../helpers/notation/timestamp.ts';
import type { SignOptions } from '../helpers/notation/signed.ts';
import { cose, integrity, jws, openNotation } from './notation.ts';

const SECOND = 1000;
const span = { notBefore: NOTATION_TIME - 100 * DAY, notAfter: NOTATION_TIME + 100 * DAY };
const ca = issueNotationAuthority('root', span);
const vendor = issueSigner({ issuer: ca });
const tsa = createNotationTsa();
const root = rootOfStores({ ca: [ca], tsa: [tsaRoot(tsa)] });
/** The signer's certificate has expired by then. */
const LATER = NOTATION_TIME + 10 * DAY;
const END = NOTATION_TIME + DAY;

type Stamp = Parameters<typeof tokenOver>[2];
const stamped = (options: Stamp = {}, by = tsa): SignOptions => ({
  timestamp: (signature) => tokenOver(by, signature, options),
});
const other = (options: Partial<Parameters<typeof createTimestampAuthority>[0]> = {}) =>
  createTimestampAuthority({ clock: () => NOTATION_TIME, ...options });

const seconds = (count: number): Buffer => der.sequence(der.integer(count));
const [signer, intermediate] = tsa.chain;
if (signer === undefined || intermediate === undefined) throw new Error('expected a chain');

const unsound: Readonly<Record<string, readonly [SignOptions, RegExp]>> = {
  'of something else': [
    { timestamp: () => tokenOver(tsa, Buffer.from('something else')) },
    /the timestamp is of something else/,
  ],
  'by nobody that is known': [stamped({}, createNotationTsa('a stranger')), /no trusted authority/],
  'of the same name': [stamped({}, createNotationTsa()), /does not hold/],
  'with the key of somebody else': [
    stamped({ signer: intermediate }),
    /the signature of the timestamp does not hold/,
  ],
  'that does not say which certificate made it': [
    stamped({ signingCertificate: false }),
    /to name its certificate in signingCertificateV2/,
  ],
  'that says it with SHA-1': [
    stamped({ signingCertificate: 'version 1' }),
    /to name its certificate in signingCertificateV2/,
  ],
  'without its certificate': [stamped({ embed: [] }), /to bring the certificate/],
  'of another type': [stamped({ contentType: '1.2.840.113549.1.7.1' }), /TSTInfo/],
  'made after the certificate ended': [
    stamped({ time: END + SECOND }),
    /and not when it was stamped/,
  ],
  'made as the certificate ended, to a second': [
    stamped({ time: END, accuracy: seconds(1) }),
    /and not when it was stamped/,
  ],
  'made on another day, to a week': [
    stamped({ accuracy: seconds(7 * 24 * 60 * 60) }),
    /and not when it was stamped/,
  ],
  'that is a number': [{ timestamp: () => Buffer.from('020101', 'hex') }, /does not hold/],
  'by a key for code': [
    { timestamp: (data) => tokenOver(forCode, data) },
    /does not hold: .*(?:timestamps|purpose|usage|certificate)/i,
  ],
};
const forCode = other({ name: 'for code', usages: [PURPOSES.codeSigning] });

t.test('a timestamp keeps the signature of an expired certificate alive', async (t) => {
  const { serves, denies } = await openNotation(t, { root, now: LATER });
  await serves(t, 'a JWS', jws(vendor, stamped()));
  await serves(t, 'a COSE message', cose(vendor, stamped()));
  await serves(t, 'to the second', jws(vendor, stamped({ time: END, accuracy: null })));
  await denies(t, 'none', /authenticTimestamp: it carries no timestamp/, jws(vendor));
});

t.test('but only one that holds', async (t) => {
  const code = tsaRoot(forCode);
  const stores = { ca: [ca], tsa: [tsaRoot(tsa), code] };
  const { denies } = await openNotation(t, { root: rootOfStores(stores), now: LATER });
  for (const [what, [options, words]] of Object.entries(unsound)) {
    const named = new RegExp(`authenticTimestamp: .*(?:${words.source})`, words.flags);
    await denies(t, `one ${what}`, named, jws(vendor, options));
  }
});

t.test('where timestamps are asked for always, a valid certificate needs one too', async (t) => {
  const { serves, denies } = await openNotation(t, { root });
  await denies(t, 'none', /authenticTimestamp: it carries no timestamp/, jws(vendor));
  const future = stamped({ time: NOTATION_TIME + DAY / 2 });
  await denies(
    t,
    'one from the future',
    /authenticTimestamp: .*from the future/,
    jws(vendor, future),
  );
  await serves(t, 'one', jws(vendor, stamped()));
});

t.test('after the expiry of certificates means after it', async (t) => {
  const spec = { timestamps: 'afterCertificateExpiry' } as const;
  const now = await openNotation(t, { root, spec });
  await now.serves(t, 'none, while it is valid', jws(vendor));
  const later = await openNotation(t, { root, spec, now: LATER });
  await later.denies(t, 'none, later', /authenticTimestamp: it carries no timestamp/, jws(vendor));
  await later.serves(t, 'one, later', jws(vendor, stamped()));
});

t.test('a timestamp repairs no signature', async (t) => {
  const { denies } = await openNotation(t, { root, now: LATER });
  const words = integrity(/expected algorithm ES256/);
  await denies(t, 'a forged one', words, jws(vendor, { ...stamped(), algorithm: 'ES384' }));
  const expiry = NOTATION_TIME + SECOND;
  await denies(t, 'an expired one', /expiry: it expired at/, jws(vendor, { ...stamped(), expiry }));
});
