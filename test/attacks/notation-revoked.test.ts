/**
 * Whoever steals a signer's key signs until somebody says that it is stolen, and everybody listens. notation skipped the
 * revocation of timestamp authorities (CVE-2024-56138, GHSA-45v3-38pc-874v): a stolen key of such an authority backdates
 * every signature. A list that is out of date says nothing about today, and a list by somebody else nothing at all.
 *
 * Countersign asks about every certificate below the roots, of signers and of timestamp authorities, and takes no answer
 * for a no under `strict`.
 */
import t from 'tap';
import type { Issued } from '../helpers/sigstore/certificate.ts';
import {
  basicConstraints,
  DAY,
  issueNotationAuthority,
  issueSigner,
  keyUsage,
  NOTATION_TIME,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import { createNotationTsa, tokenOver, tsaRoot } from '../helpers/notation/timestamp.ts';
import {
  makeList,
  UNKNOWN_CRITICAL,
  type Entry,
  type ListChange,
} from '../verify/notation/revocation/made-revocation.ts';
import { jws, cose, openNotation, type NotationOptions } from './notation.ts';

const HOUR = DAY / 24;
const ca = issueNotationAuthority('root');
const intermediate = issueNotationAuthority('intermediate', { issuer: ca });
const vendor = issueSigner({ issuer: intermediate });
const colleague = issueSigner({ issuer: intermediate });
const tsa = createNotationTsa();
const [stamper, stampAuthority] = tsa.chain;
if (stamper === undefined || stampAuthority === undefined) throw new Error('expected a chain');

const FRESH = { thisUpdate: NOTATION_TIME - HOUR, nextUpdate: NOTATION_TIME + HOUR };
const listOf = (issuer: Issued, revoked: readonly Entry[], change: ListChange = {}): Buffer =>
  makeList(issuer, { ...FRESH, entries: revoked, ...change });
const entry = ({ serial }: Issued, reason = 1): Entry => ({ serial, reason });

const clean = [listOf(intermediate, []), listOf(ca, [])];
const stamps = { timestamp: (signature: Buffer) => tokenOver(tsa, signature) };
const cleanStamps = [listOf(stampAuthority, []), listOf(tsaRoot(tsa), [])];

const signing = (lists: readonly Buffer[]): NotationOptions => ({
  root: rootOfStores({ ca: [ca] }, { lists }),
});
const stamping = (lists: readonly Buffer[]): NotationOptions => ({
  root: rootOfStores({ ca: [ca], tsa: [tsaRoot(tsa)] }, { lists }),
});

t.test('a revoked signer is refused, and another of the same authority is not', async (t) => {
  const lists = [listOf(intermediate, [entry(vendor)]), listOf(ca, [])];
  const { denies, serves } = await openNotation(t, signing(lists));
  const words = /revocation: .*CN=signer was revoked at .* \(keyCompromise\), says the revocation/;
  await denies(t, 'a JWS', words, jws(vendor));
  await denies(t, 'a COSE message', words, cose(vendor));
  await serves(t, 'a colleague', jws(colleague));
});

t.test('whatever the signer says about when it was signed', async (t) => {
  const lists = [listOf(intermediate, [entry(vendor)]), listOf(ca, []), ...cleanStamps];
  const { denies } = await openNotation(t, stamping(lists));
  const early = { signingTime: NOTATION_TIME - DAY / 2 };
  await denies(t, 'an earlier time', /revocation: /, jws(vendor, { ...stamps, ...early }));
  const then = (signature: Buffer): Buffer =>
    tokenOver(tsa, signature, { time: NOTATION_TIME - DAY / 2 });
  await denies(t, 'an earlier timestamp', /revocation: /, jws(vendor, { timestamp: then }));
});

t.test('a revoked authority takes all its signers with it', async (t) => {
  const lists = [listOf(intermediate, []), listOf(ca, [entry(intermediate, 2)])];
  const { denies, serves } = await openNotation(t, signing(lists));
  await denies(t, 'its signer', /revocation: .*CN=intermediate was revoked/, jws(vendor));
  await serves(t, 'a signer of the root', jws(issueSigner({ issuer: ca })));
});

t.test('a list that says nothing for sure is no yes', async (t) => {
  const rootList = listOf(ca, []);
  const cannotTell = /revocation: whether .*CN=signer is revoked cannot be told: /;
  const lists: Readonly<Record<string, Buffer>> = {
    'out of date': listOf(intermediate, [], {
      thisUpdate: NOTATION_TIME - 2 * HOUR,
      nextUpdate: NOTATION_TIME - HOUR,
    }),
    'of no end': listOf(intermediate, [], { nextUpdate: null }),
    'of tomorrow': listOf(intermediate, [], {
      thisUpdate: NOTATION_TIME + DAY / 2,
      nextUpdate: NOTATION_TIME + DAY,
    }),
    'by somebody else': listOf(intermediate, [], { signer: ca }),
    'with an entry that nobody understands': listOf(intermediate, [
      { serial: 1n, extensions: [UNKNOWN_CRITICAL] },
    ]),
  };
  for (const [what, list] of Object.entries(lists)) {
    const { denies } = await openNotation(t, signing([list, rootList]));
    await denies(t, `one ${what}`, cannotTell, jws(vendor));
  }
  const { serves } = await openNotation(t, signing(clean));
  await serves(t, 'one that is as it should be', jws(vendor));
});

t.test('an admission lasts no longer than its list', async (t) => {
  const { put, pull, proxy } = await openNotation(t, signing(clean));
  const image = put(jws(vendor));
  t.equal(await pull(image), '200');
  proxy.now += 2 * HOUR;
  t.match(await pull(image), /^403 DENIED .*revocation: whether .* cannot be told/);
});

t.test('a revoked timestamp authority stamps nothing', async (t) => {
  const revoked = [listOf(stampAuthority, [entry(stamper)]), listOf(tsaRoot(tsa), [])];
  const words =
    /authenticTimestamp: its timestamp does not hold: .*timestamp authority was revoked/;
  const { denies } = await openNotation(t, stamping([...clean, ...revoked]));
  await denies(t, 'itself', words, jws(vendor, stamps));
  const above = [listOf(stampAuthority, []), listOf(tsaRoot(tsa), [entry(stampAuthority)])];
  const below = await openNotation(t, stamping([...clean, ...above]));
  await below.denies(
    t,
    'below',
    /authenticTimestamp: .*intermediate was revoked/,
    jws(vendor, stamps),
  );
  const spec = { override: { revocation: 'skip' } } as const;
  const careless = await openNotation(t, { ...stamping([...clean, ...revoked]), spec });
  await careless.denies(t, 'where signers are not asked about', words, jws(vendor, stamps));
  const { serves } = await openNotation(t, stamping([...clean, ...cleanStamps]));
  await serves(t, 'one that nobody revoked', jws(vendor, stamps));
});

t.test('a list by an authority that may make none says nothing', async (t) => {
  const extensions = [basicConstraints(true), keyUsage(['keyCertSign'])];
  const mute = issueNotationAuthority('mute', { issuer: ca, extensions });
  const lists = [listOf(mute, []), ...clean];
  const { denies, serves } = await openNotation(t, signing(lists));
  const signer = issueSigner({ issuer: mute });
  await denies(t, 'its signer', /revocation: whether .* is revoked cannot be told: /, jws(signer));
  await serves(t, 'a signer of another', jws(vendor));
});

t.test('what is only to be told is told, and what is skipped is not asked', async (t) => {
  const revoked = [listOf(intermediate, [entry(vendor)]), listOf(ca, [])];
  for (const [revocation, words] of [
    ['log', /though revocation: .*CN=signer was revoked/],
    ['skip', /^(?!.*revo)/],
  ] as const) {
    const lab = await openNotation(t, { ...signing(revoked), spec: { override: { revocation } } });
    await lab.serves(t, revocation, jws(vendor));
    t.match(lab.proxy.pulls, [{ signers: [words] }]);
  }
});
