/**
 * A JWS envelope is JSON in JSON, and whoever reads it more kindly than the next verifier verifies something else: Go's
 * decoder takes names in any case and the last of two members, JOSE libraries take the algorithm that the envelope names
 * (RFC 8725 §2.1), and notation-go passes critical attributes that no plugin of its own understands, though the
 * specification says that verification MUST fail (signature-specification.md "Extended attributes").
 *
 * Countersign reads flattened JSON with exactly its members, takes the algorithm from the key, and wants exactly those
 * attributes critical that have to be.
 */
import t from 'tap';
import {
  issueNotationAuthority,
  issueSigner,
  NOTATION_TIME,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import { createSigningKey } from '../helpers/notation/key.ts';
import { base64url, PAYLOAD_TYPE, type JwsOptions } from '../helpers/notation/signed.ts';
import { integrity, jws, openNotation, type Attempt } from './notation.ts';

const NAME = 'io.cncf.notary';
const SCHEME = `${NAME}.signingScheme`;
const TIME = '2026-05-01T12:00:00Z';
const LATER = NOTATION_TIME + 60_000;

const ca = issueNotationAuthority('root');
const vendor = issueSigner({ issuer: ca });
const root = rootOfStores({ ca: [ca], signingAuthority: [ca] });

const honest: Readonly<Record<string, JwsOptions>> = {
  'as notation makes it': {},
  'that expires': { expiry: LATER },
  'of a signing authority': { scheme: 'notary.x509.signingAuthority' },
  'with an attribute that is signed and not critical': { signed: { 'com.example.note': 'x' } },
  'with its signer’s tool beside it': { unsigned: { [`${NAME}.signingAgent`]: 'other/2' } },
};

const member = (name: string, value: unknown): string =>
  `${JSON.stringify(name)}:${JSON.stringify(value)}`;
/** The protected header of an honest signature, as text, with more at its end. */
const protectedWith = (...more: readonly string[]): string =>
  `{${[
    member('alg', 'ES256'),
    member('cty', PAYLOAD_TYPE),
    member('crit', [SCHEME]),
    member(SCHEME, 'notary.x509'),
    member(`${NAME}.signingTime`, TIME),
    ...more,
  ].join()}}`;

const forged: Readonly<Record<string, readonly [options: JwsOptions, words: RegExp]>> = {
  'names the hash of another key': [{ algorithm: 'ES384' }, /expected algorithm ES256/],
  'names RSA over an EC key': [{ algorithm: 'PS256' }, /expected algorithm ES256/],
  'names no algorithm at all': [{ algorithm: 'none' }, /expected algorithm ES256/],
  'names a keyed hash': [{ algorithm: 'HS256' }, /expected algorithm ES256/],
  'is signed by a key beside the certificate': [
    { signWith: createSigningKey() },
    /the signature of the envelope does not hold/,
  ],
  'has nothing critical': [{ critical: [] }, /expected attribute \S+signingScheme to be critical/],
  'has no list of what is critical': [{ signed: { crit: undefined } }, /to be critical/],
  'expires, and not critically': [
    { expiry: LATER, critical: [SCHEME] },
    /expected attribute \S+expiry to be critical/,
  ],
  'has a time of a signing authority that is not critical': [
    { scheme: 'notary.x509.signingAuthority', critical: [SCHEME] },
    /expected attribute \S+authenticSigningTime to be critical/,
  ],
  'has a critical attribute that nobody knows': [
    { critical: [SCHEME, 'com.example.policy'], signed: { 'com.example.policy': 'deny' } },
    /unknown critical attribute "com.example.policy"/,
  ],
  'has a critical attribute that is not there': [
    { critical: [SCHEME, 'com.example.policy'] },
    /unknown critical attribute "com.example.policy"/,
  ],
  'has a critical attribute that is standard': [
    { critical: [SCHEME, 'alg'] },
    /unknown critical attribute "alg"/,
  ],
  'has a critical attribute twice': [{ critical: [SCHEME, SCHEME] }, /is named twice/],
  'asks for a plugin': [
    { signed: { [`${NAME}.verificationPlugin`]: 'com.example.plugin' } },
    /asks for a verification plugin, and none is run here/,
  ],
  'asks for a plugin, critically': [
    {
      critical: [SCHEME, `${NAME}.verificationPlugin`],
      signed: { [`${NAME}.verificationPlugin`]: 'com.example.plugin' },
    },
    /asks for a verification plugin, and none is run here/,
  ],
  'asks for the version of a plugin': [
    { signed: { [`${NAME}.verificationPluginMinVersion`]: '1.0.0' } },
    /asks for a verification plugin/,
  ],
  'is of an unknown scheme': [{ scheme: 'notary.x509.other' }, /unknown signing scheme/],
  'has the times of both schemes': [
    { signed: { [`${NAME}.authenticSigningTime`]: TIME } },
    /expected \S+signingTime alone/,
  ],
  'has the time of the other scheme': [
    { signed: { [`${NAME}.signingTime`]: undefined, [`${NAME}.authenticSigningTime`]: TIME } },
    /expected attribute \S+signingTime under notary.x509/,
  ],
  'expires before it was made': [
    { signingTime: LATER, expiry: NOTATION_TIME + 1000 },
    /to expire after it was made/,
  ],
  'has a payload of another type': [{ contentType: 'application/json' }, /expected content type/],
  'has a signed member twice, the last one honest': [
    { signedText: protectedWith(member(SCHEME, 'notary.x509')) },
    /duplicate member/,
  ],
  'hides an expiry in capitals': [
    { signedText: protectedWith(member(`${NAME}.EXPIRY`, '2020-01-01T00:00:00Z')) },
    /ambiguous/,
  ],
  'is not base64 inside (RFC 7797)': [{ signed: { b64: false } }, /unexpected attribute "b64"/],
  'has an expiry that nobody signed': [
    { unsigned: { [`${NAME}.expiry`]: '2099-01-01T00:00:00Z' } },
    /expiry\\?" to be signed/,
  ],
  'has an algorithm that nobody signed': [
    { signed: { alg: undefined }, unsigned: { alg: 'ES256' } },
    /"alg\\?" to be signed/,
  ],
  'is of the general serialization': [{ envelope: { signatures: [] } }, /unexpected member/],
  'has a second payload in capitals': [
    { envelope: { Payload: base64url('{}') } },
    /unexpected member "Payload"/,
  ],
  'has a member that nobody asked for': [{ envelope: { note: 1 } }, /unexpected member "note"/],
  'brings no certificate': [{ unsigned: { x5c: [] } }, /1 to 8 certificates, got 0/],
};

/** An envelope whose JSON is changed after it was signed. */
const changed = (change: (text: string) => string): Attempt => {
  const { over, ...rest } = jws(vendor);
  return { ...rest, over: (target) => Buffer.from(change(over(target).toString())) };
};

const spoiled: Readonly<Record<string, readonly [attempt: Attempt, words: RegExp]>> = {
  'has a payload twice': [
    changed((text) => text.replace('{', `{"payload":"${base64url('{}')}",`)),
    /duplicate member/,
  ],
  'has something after it': [changed((text) => `${text}{}`), /JSON/],
  'has padding that was not signed': [
    changed((text) => text.replace(/"signature":"([^"]+)"/, '"signature":"$1=="')),
    /signature to be base64url without padding/,
  ],
  'has another time': [
    changed((text) => {
      const header = base64url(protectedWith().replace(TIME, '2026-05-01T11:00:00Z'));
      return text.replace(/"protected":"[^"]+"/, `"protected":"${header}"`);
    }),
    /the signature of the envelope does not hold/,
  ],
  'is a COSE envelope by its name': [
    { ...jws(vendor), envelopeType: 'application/cose' },
    /the CBOR ends too early/,
  ],
};

t.test('an honest JWS envelope is served', async (t) => {
  const { serves } = await openNotation(t, { root });
  for (const [what, options] of Object.entries(honest)) await serves(t, what, jws(vendor, options));
  await serves(t, 'with a header written by hand', jws(vendor, { signedText: protectedWith() }));
  await serves(
    t,
    'as it is',
    changed((text) => text),
  );
});

t.test('no forged JWS envelope is', async (t) => {
  const { denies } = await openNotation(t, { root });
  for (const [what, [options, words]] of Object.entries(forged)) {
    await denies(t, `one that ${what}`, integrity(words), jws(vendor, options));
  }
  for (const [what, [attempt, words]] of Object.entries(spoiled)) {
    await denies(t, `one that ${what}`, integrity(words), attempt);
  }
});

t.test('a forged envelope hides no honest one', async (t) => {
  const { serves } = await openNotation(t, { root });
  await serves(t, 'both', jws(vendor, { algorithm: 'none' }), jws(vendor));
});
