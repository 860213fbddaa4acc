/**
 * CBOR has many spellings of one value, and COSE many messages of one shape: a map that holds a key twice says one thing
 * to one reader and another to the next (RFC 8949 §5.6), a length that nobody wrote ends where the reader thinks it does,
 * and a number without its tag is a time to some (signature-envelope-cose.md wants tag 1). Whoever may choose what a
 * verifier reads chooses what it verifies.
 *
 * Countersign takes COSE_Sign1 with its tag, in CBOR with one spelling, and the algorithm from the key.
 */
import t from 'tap';
import * as cbor from '../helpers/notation/cbor.ts';
import {
  issueNotationAuthority,
  issueSigner,
  NOTATION_TIME,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import { createSigningKey } from '../helpers/notation/key.ts';
import { epochTime, type CoseOptions } from '../helpers/notation/signed.ts';
import { cose, integrity, jws, openNotation } from './notation.ts';

const NAME = 'io.cncf.notary';
const SCHEME = `${NAME}.signingScheme`;
const EXPIRY = `${NAME}.expiry`;
const LATER = NOTATION_TIME + 60_000;
const SECONDS = cbor.integer(NOTATION_TIME / 1000);

const ca = issueNotationAuthority('root');
const vendor = issueSigner({ issuer: ca });
const root = rootOfStores({ ca: [ca], signingAuthority: [ca] });

type Change = (entries: readonly cbor.Entry[]) => readonly cbor.Entry[];

const also =
  (label: string | number, value: Buffer): Change =>
  (entries) => [...entries, [cbor.label(label), value]];
const without =
  (label: string | number): Change =>
  (entries) =>
    entries.filter(([key]) => !key.equals(cbor.label(label)));
const instead =
  (label: string | number, value: Buffer): Change =>
  (entries) =>
    also(label, value)(without(label)(entries));

/** COSE_Sign1_Tagged around parts of which one is changed. */
const part =
  (at: number, change: (part: Buffer) => Buffer) =>
  (parts: readonly Buffer[]): Buffer =>
    cbor.tag(
      18,
      cbor.array(...parts.map((bytes, index) => (index === at ? change(bytes) : bytes))),
    );

const SIGN1 = 0xd2;
const BREAK = Buffer.from([0xff]);
const NIL = Buffer.from([0xf6]);

const honest: Readonly<Record<string, CoseOptions>> = {
  'as notation makes it': {},
  'in another order': {
    signedEntries: (entries) => [...entries].reverse(),
    unsignedEntries: (entries) => [...entries].reverse(),
  },
  'that expires': { expiry: LATER },
  'of a signing authority': { scheme: 'notary.x509.signingAuthority' },
  'with a label that is signed and not critical': { signedEntries: also('com.example.note', NIL) },
  'with a key identifier beside it': { unsignedEntries: also(4, cbor.bytes(Buffer.from('kid'))) },
};

const forged: Readonly<Record<string, readonly [options: CoseOptions, words: RegExp]>> = {
  'names the hash of another key': [{ algorithm: 'ES384' }, /expected algorithm ES256/],
  'names RSA over an EC key': [{ algorithm: 'PS256' }, /expected algorithm ES256/],
  'names EdDSA': [{ algorithm: 'EdDSA' }, /expected alg to be/],
  'names a keyed hash': [{ signedEntries: instead(1, cbor.integer(5)) }, /expected alg to be/],
  'is signed by a key beside the certificate': [
    { signWith: createSigningKey() },
    /the signature of the envelope does not hold/,
  ],
  'has nothing critical': [{ critical: [] }, /expected attribute \S+signingScheme to be critical/],
  'has no list of what is critical': [{ signedEntries: without(2) }, /expected crit to be a list/],
  'expires, and not critically': [
    { expiry: LATER, critical: [SCHEME] },
    /expected attribute \S+expiry to be critical/,
  ],
  'has a critical label that nobody knows': [
    { critical: [SCHEME, 'com.example.policy'], signedEntries: also('com.example.policy', NIL) },
    /unknown critical attribute "com.example.policy"/,
  ],
  'has a critical number that nobody knows': [
    { critical: [SCHEME, -65_537], signedEntries: also(-65_537, NIL) },
    /unknown critical attribute -65537/,
  ],
  'says beside the signature what is critical': [
    { signedEntries: without(2), unsignedEntries: also(2, cbor.array(cbor.text(SCHEME))) },
    /expected attribute 2 to be signed/,
  ],
  'asks for a plugin, critically': [
    {
      critical: [SCHEME, `${NAME}.verificationPlugin`],
      signedEntries: also(`${NAME}.verificationPlugin`, cbor.text('com.example.plugin')),
    },
    /asks for a verification plugin, and none is run here/,
  ],
  'asks for a plugin': [
    { signedEntries: also(`${NAME}.verificationPlugin`, cbor.text('com.example.plugin')) },
    /asks for a verification plugin/,
  ],
  'has a time without a tag': [
    { time: (milliseconds) => cbor.integer(milliseconds / 1000) },
    /signingTime to be an epoch time with tag 1/,
  ],
  'has a time as text': [
    { time: (milliseconds) => cbor.tag(0, cbor.text(new Date(milliseconds).toISOString())) },
    /signingTime to be an epoch time with tag 1/,
  ],
  'has an expiry without a tag': [
    { expiry: LATER, signedEntries: instead(EXPIRY, SECONDS) },
    /expiry to be an epoch time with tag 1/,
  ],
  'expires at no number': [
    { expiry: LATER, signedEntries: instead(EXPIRY, cbor.tag(1, Buffer.from('f97e00', 'hex'))) },
    /expiry to be an epoch time with tag 1/,
  ],
  'has a signed key twice, the last one honest': [
    { signedEntries: (entries) => also(1, cbor.integer(-7))(entries) },
    /duplicate key/,
  ],
  'has two schemes': [{ signedEntries: also(SCHEME, cbor.text('notary.x509')) }, /duplicate key/],
  'has a chain twice': [{ unsignedEntries: also(33, cbor.array()) }, /duplicate key/],
  'has a label both signed and not': [
    { signedEntries: also('note', NIL), unsignedEntries: also('note', NIL) },
    /"note\\?" to be signed/,
  ],
  'has an expiry that nobody signed': [
    { unsignedEntries: also(EXPIRY, epochTime(LATER)) },
    /expiry\\?" to be signed/,
  ],
  'is an array without an end': [
    { wrap: (parts) => Buffer.concat([Buffer.from([SIGN1, 0x9f]), ...parts, BREAK]) },
    /definite lengths/,
  ],
  'has a protected header without an end': [
    { signedBytes: Buffer.concat([Buffer.from([0xbf]), cbor.integer(1), cbor.integer(-7), BREAK]) },
    /definite lengths/,
  ],
  'has a payload in pieces': [
    { wrap: part(2, (bytes) => Buffer.concat([Buffer.from([0x5f]), bytes, BREAK])) },
    /definite lengths/,
  ],
  'has a chain without an end': [
    {
      unsignedEntries: instead(
        33,
        Buffer.concat([Buffer.from([0x9f]), cbor.bytes(vendor.der), cbor.bytes(ca.der), BREAK]),
      ),
    },
    /definite lengths/,
  ],
  'has a longer length than it needs': [
    { wrap: part(3, (bytes) => Buffer.concat([Buffer.from([0x59, 0]), bytes.subarray(1)])) },
    /shortest encoding/,
  ],
  'has a longer number than it needs': [
    { signedEntries: instead(1, Buffer.from([0x38, 0x06])) },
    /shortest encoding/,
  ],
  'has something after it': [
    { wrap: (parts) => Buffer.concat([part(0, (bytes) => bytes)(parts), NIL]) },
    /unexpected bytes after/,
  ],
  'has text that is no UTF-8': [
    { unsignedEntries: (entries) => [...entries, [Buffer.from([0x61, 0xff]), NIL]] },
    /to be UTF-8/,
  ],
  'has no tag': [{ wrap: (parts) => cbor.array(...parts) }, /COSE_Sign1 with its tag/],
  'has the tag of many signatures': [
    { wrap: (parts) => cbor.tag(98, cbor.array(...parts)) },
    /COSE_Sign1 with its tag/,
  ],
  'has a payload elsewhere': [{ wrap: part(2, () => NIL) }, /the payload to be a byte string/],
  'has another payload': [
    { wrap: part(2, () => cbor.bytes(Buffer.from('{}'))) },
    /the signature of the envelope does not hold/,
  ],
  'brings one certificate as bare bytes': [
    { unsignedEntries: instead(33, cbor.bytes(vendor.der)) },
    /x5chain to be a list/,
  ],
};

t.test('an honest COSE envelope is served', async (t) => {
  const { serves } = await openNotation(t, { root });
  for (const [what, options] of Object.entries(honest)) {
    await serves(t, what, cose(vendor, options));
  }
  await serves(t, 'put together by hand', cose(vendor, { wrap: part(0, (bytes) => bytes) }));
});

t.test('no forged COSE envelope is', async (t) => {
  const { denies } = await openNotation(t, { root });
  for (const [what, [options, words]] of Object.entries(forged)) {
    await denies(t, `one that ${what}`, integrity(words), cose(vendor, options));
  }
  const asJws = { ...cose(vendor), envelopeType: 'application/jose+json' };
  await denies(t, 'one that is a JWS by its name', integrity(/expected UTF-8 text/), asJws);
});

t.test('a forged envelope hides no honest one', async (t) => {
  const { serves } = await openNotation(t, { root });
  await serves(t, 'both', cose(vendor, { algorithm: 'ES384' }), jws(vendor));
});
