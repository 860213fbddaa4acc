/**
 * A chain of certificates is what its reader makes of it: in another order, with a root too many, with an authority in
 * the place of a signer, with a certificate for web servers or for anything at all, or with a link that SHA-1 holds, of
 * which two can be made. notation-go lets a certificate for any purpose sign (its list of excluded purposes lacks
 * anyExtendedKeyUsage, which signature-specification.md "Certificate Requirements" excludes).
 *
 * Countersign checks every certificate of the chain against the whole profile, whoever is trusted, before it looks
 * whether one of them is in a store.
 */
import t from 'tap';
import type { Issued } from '../helpers/sigstore/certificate.ts';
import {
  basicConstraints,
  chainOf,
  DAY,
  extendedKeyUsage,
  issueNotationAuthority,
  issueSigner,
  keyUsage,
  NOTATION_TIME,
  PURPOSES,
  rootOfStores,
  vendorName,
  withSha1,
  type KeyUsageName,
  type Signer,
  type SignerOptions,
} from '../helpers/notation/certificate.ts';
import type { SigningKeyKind } from '../helpers/notation/key.ts';
import { cose, integrity, jws, openNotation } from './notation.ts';

const ca = issueNotationAuthority('root');
const intermediate = issueNotationAuthority('intermediate', { issuer: ca });
const vendor = issueSigner({ issuer: intermediate });
const alone = issueSigner({ subject: vendorName('alone') });
const lookalike = issueNotationAuthority('root');
/** The same name and the same key, certified by itself. */
const twin = issueNotationAuthority('intermediate', { key: intermediate.key });
const strict = issueNotationAuthority('strict root', { maxPathLength: 0 });
const below = issueNotationAuthority('below', { issuer: strict });
const loose = issueNotationAuthority('loose', {
  issuer: ca,
  extensions: [basicConstraints(true, false), keyUsage(['keyCertSign'])],
});
const mute = issueNotationAuthority('mute', {
  issuer: ca,
  extensions: [basicConstraints(true), keyUsage(['cRLSign'])],
});
const root = rootOfStores({ ca: [ca, alone, strict] });

const signs = keyUsage(['digitalSignature']);
const { codeSigning } = PURPOSES;
const by = (options: SignerOptions): Signer => issueSigner({ issuer: intermediate, ...options });
const extended = (...purposes: readonly string[]): Signer =>
  by({ extensions: [signs, extendedKeyUsage(purposes)] });
const used = (...names: readonly KeyUsageName[]): Signer => by({ extensions: [keyUsage(names)] });

type Chained = readonly [signer: Signer, chain: readonly Issued[], words: RegExp];
const whole = (signer: Signer, words: RegExp): Chained => [signer, chainOf(signer), words];

const honest: Readonly<Record<string, Signer>> = {
  'two authorities': vendor,
  'one authority': issueSigner({ issuer: ca }),
  'a signer that is its own root': alone,
  'no purpose': by({ extensions: [signs] }),
  'a purpose of its own': extended(codeSigning, '1.3.6.1.4.1.311.10.3.13'),
  'non-repudiation': used('digitalSignature', 'nonRepudiation'),
  'that it is no authority': by({ extensions: [signs, basicConstraints(false)] }),
};

const forged: Readonly<Record<string, Chained>> = {
  'is in the order of servers that begin with the root': [
    vendor,
    [ca, intermediate, vendor],
    /is not issued by the next/,
  ],
  'has its authorities swapped': [vendor, [vendor, ca, intermediate], /is not issued by the next/],
  'has no root': [vendor, [vendor, intermediate], /is no root/],
  'has no intermediate': [vendor, [vendor, ca], /is not issued by the next/],
  'is a signer alone': [vendor, [vendor], /is no root/],
  'has a root after the root': [
    vendor,
    [vendor, intermediate, ca, lookalike],
    /is self-signed and not the last|is not signed by the next/,
  ],
  'has its root twice': [
    vendor,
    [vendor, intermediate, ca, ca],
    /is self-signed and not the last of the chain/,
  ],
  'has a root between': [vendor, [vendor, twin, ca], /is not issued by the next/],
  'has a certificate twice': [vendor, [vendor, vendor, intermediate, ca], /is not issued by/],
  'ends with a root of the same name': [
    vendor,
    [vendor, intermediate, lookalike],
    /is not signed by the next/,
  ],
  'is longer than anybody needs': [
    vendor,
    [vendor, ...Array<Issued>(8).fill(ca)],
    /1 to 8 certificates|at most 8/,
  ],
  'has an authority in the place of the signer': whole(
    by({ extensions: [basicConstraints(true), keyUsage(['digitalSignature', 'keyCertSign'])] }),
    /is of an authority, and signs something else/,
  ),
  'has an authority that is one loosely': whole(
    by({ extensions: [signs, basicConstraints(true, false)] }),
    /is of an authority, and signs something else/,
  ),
  'has a signer as authority': whole(issueSigner({ issuer: vendor }), /is of no authority/),
  'has an authority below one that allows none': whole(
    issueSigner({ issuer: below }),
    /CN=strict root allows 0 authorities below it, got 1/,
  ),
  'has an authority that says so loosely': whole(
    issueSigner({ issuer: loose }),
    /has to have basicConstraints as critical/,
  ),
  'has an authority that may sign no certificates': whole(
    issueSigner({ issuer: mute }),
    /CN=mute may not sign certificates/,
  ),
  'is for any purpose': whole(extended(PURPOSES.any), /is for anyExtendedKeyUsage/),
  'is for any purpose beside signing': whole(
    extended(codeSigning, PURPOSES.any),
    /is for anyExtendedKeyUsage/,
  ),
  'is for servers': whole(extended(codeSigning, PURPOSES.serverAuth), /is for serverAuth/),
  'is for clients': whole(extended(PURPOSES.clientAuth), /is for clientAuth/),
  'is for mail': whole(extended(PURPOSES.emailProtection), /is for emailProtection/),
  'is for timestamps': whole(extended(PURPOSES.timeStamping), /is for timeStamping/),
  'is for answers about revocation': whole(extended(PURPOSES.ocspSigning), /is for OCSPSigning/),
  'says nothing about its key': whole(by({ extensions: [] }), /has to say its key usage/),
  'says it loosely': whole(
    by({ extensions: [keyUsage(['digitalSignature'], false)] }),
    /has to have keyUsage as critical/,
  ),
  'signs no contents': whole(used('nonRepudiation'), /has to be for digital signatures/),
  'encrypts keys': whole(used('digitalSignature', 'keyEncipherment'), /usage keyEncipherment/),
  'signs certificates': whole(used('digitalSignature', 'keyCertSign'), /usage keyCertSign/),
  'signs revocation lists': whole(used('digitalSignature', 'cRLSign'), /usage cRLSign/),
};

const sha1 = {
  leaf: [withSha1(vendor), intermediate, ca],
  intermediate: [vendor, withSha1(intermediate), ca],
  root: [vendor, intermediate, withSha1(ca)],
} as const;

const KEYS: readonly SigningKeyKind[] = ['p256', 'p384', 'p521', 'rsa2048', 'rsa3072'];

t.test('a chain that keeps to the profile is served', async (t) => {
  const { serves } = await openNotation(t, { root });
  for (const [what, signer] of Object.entries(honest)) await serves(t, what, jws(signer));
  for (const key of KEYS) await serves(t, key, cose(by({ key })));
});

t.test('no other is', async (t) => {
  const { denies } = await openNotation(t, { root });
  for (const [what, [signer, chain, words]] of Object.entries(forged)) {
    const attempt = jws(signer, { chain: chain.map(({ der }) => der) });
    await denies(t, `one that ${what}`, integrity(words), attempt);
  }
  for (const [what, chain] of Object.entries(sha1)) {
    const attempt = cose(vendor, { chain: chain.map(({ der }) => der) });
    const words = /not signed by the next with an algorithm that is accepted/;
    await denies(t, `one whose ${what} SHA-1 holds`, integrity(words), attempt);
  }
  for (const key of ['rsa2056', 'ed25519'] as const) {
    const words = /expected the signing key to be RSA of 2048, 3072 or 4096 bits/;
    await denies(t, key, integrity(words), jws(by({ key }), { algorithm: 'PS256' }));
  }
});

t.test('nobody of another root is, though the chain be good', async (t) => {
  const { denies } = await openNotation(t, { root });
  const words = /signed by someone else \(authenticity\)/;
  await denies(t, 'a lookalike', words, jws(issueSigner({ issuer: lookalike })));
  await denies(t, 'the twin of an authority', words, jws(issueSigner({ issuer: twin })));
  const own = issueSigner({ subject: vendorName('alone') });
  await denies(t, 'another that is its own root', words, jws(own));
});

t.test('every certificate is valid now, where nothing says when it was signed', async (t) => {
  const expired = { notBefore: NOTATION_TIME - 2 * DAY, notAfter: NOTATION_TIME - DAY };
  const old = issueNotationAuthority('old', { issuer: ca, ...expired });
  const { denies, serves } = await openNotation(t, { root });
  const words = /authenticTimestamp: the certificate of .*and not now, and no timestamp says/;
  await denies(t, 'an expired signer', words, jws(by(expired)));
  await denies(t, 'an expired authority', words, jws(issueSigner({ issuer: old })));
  const later = { notBefore: NOTATION_TIME + 1000, notAfter: NOTATION_TIME + DAY };
  await denies(t, 'a signer of tomorrow', words, jws(by(later)));
  const claimed = { signingTime: NOTATION_TIME - 1.5 * DAY };
  await denies(t, 'whoever claims an earlier time', words, jws(by(expired), claimed));
  await serves(t, 'one that is valid', jws(by({})));
});
