/**
 * A signing authority's word for the time is believed, so that a certificate of an ordinary authority must never pass for
 * a signing authority's: whoever got one would sign with an expired or stolen key and any date (signing-scheme.md; trust
 * stores are of a kind for this, trust-store-trust-policy.md "Trust Store"). Nor does a timestamp authority sign images,
 * or a signer's authority stamp.
 */
import t from 'tap';
import {
  DAY,
  extendedKeyUsage,
  issueNotationAuthority,
  issueSigner,
  keyUsage,
  NOTATION_TIME,
  PURPOSES,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import { createNotationTsa, tokenOver, tsaRoot } from '../helpers/notation/timestamp.ts';
import { cose, jws, openNotation } from './notation.ts';

const ca = issueNotationAuthority('root');
const vendor = issueSigner({ issuer: ca });
const office = issueNotationAuthority('signing authority');
const officer = issueSigner({ issuer: office });
const tsa = createNotationTsa();
const stamp = (signature: Buffer): Buffer => tokenOver(tsa, signature);

const AUTHORITY = { scheme: 'notary.x509.signingAuthority' };
const NOT_CA = /signed by someone else \(authenticity\): no certificate of .* is in the ca store/;
const NOT_AUTHORITY = /\(authenticity\): no certificate of .* is in the signingAuthority store/;

t.test('a store of one kind is none of the other', async (t) => {
  const root = rootOfStores({ ca: [ca], signingAuthority: [office] });
  const { serves, denies } = await openNotation(t, { root });
  for (const sign of [jws, cose]) {
    await serves(t, 'a signer of the authority', sign(vendor));
    await serves(t, 'a signer of the signing authority', sign(officer, AUTHORITY));
    await denies(t, 'a masquerade', NOT_AUTHORITY, sign(vendor, AUTHORITY));
    await denies(t, 'the other way round', NOT_CA, sign(officer));
  }
});

t.test('without a store of the kind nobody is of it', async (t) => {
  const ordinary = await openNotation(t, { root: rootOfStores({ ca: [ca] }) });
  await ordinary.serves(t, 'a signer', jws(vendor));
  await ordinary.denies(t, 'a masquerade', NOT_AUTHORITY, jws(vendor, AUTHORITY));
});

t.test('a masquerade revives no expired certificate', async (t) => {
  const expired = { notBefore: NOTATION_TIME - 2 * DAY, notAfter: NOTATION_TIME - DAY };
  const old = issueSigner({ issuer: ca, ...expired });
  const oldOfficer = issueSigner({ issuer: office, ...expired });
  const then = { ...AUTHORITY, signingTime: NOTATION_TIME - 1.5 * DAY };
  const span = { notBefore: NOTATION_TIME - 9 * DAY, notAfter: NOTATION_TIME + 9 * DAY };
  const oldOffice = issueNotationAuthority('old office', span);
  const retired = issueSigner({ issuer: oldOffice, ...expired });
  const root = rootOfStores({ ca: [ca], signingAuthority: [office, oldOffice] });
  const { serves, denies } = await openNotation(t, { root });
  await denies(t, 'of an authority', NOT_AUTHORITY, jws(old, then));
  const words = /authenticTimestamp: the certificate of .*, and not when it was signed/;
  await denies(t, 'before its authority was there', words, jws(oldOfficer, then));
  await denies(t, 'after it had expired', words, jws(retired, AUTHORITY));
  await serves(t, 'while it was valid', jws(retired, then));
});

t.test('a timestamp authority signs no images, and no other authority stamps', async (t) => {
  const stampRoot = tsaRoot(tsa);
  const both = rootOfStores({ ca: [ca], tsa: [stampRoot] });
  const { serves, denies } = await openNotation(t, { root: both });
  const signer = issueSigner({ issuer: stampRoot });
  await denies(t, 'signed below the root of timestamps', NOT_CA, jws(signer, { timestamp: stamp }));
  const swapped = rootOfStores({ ca: [ca, stampRoot], tsa: [ca] });
  const lab = await openNotation(t, { root: swapped });
  const words = /authenticTimestamp: its timestamp does not hold: .*no trusted authority/;
  await lab.denies(t, 'stamped by another kind', words, jws(vendor, { timestamp: stamp }));
  await serves(t, 'each in its place', jws(vendor, { timestamp: stamp }));
  const notForStamps = issueSigner({
    issuer: ca,
    extensions: [keyUsage(['digitalSignature']), extendedKeyUsage([PURPOSES.timeStamping], true)],
  });
  await denies(
    t,
    'signed with a key for timestamps',
    /is for timeStamping, which no signer's may be/,
    jws(notForStamps, { timestamp: stamp }),
  );
});
