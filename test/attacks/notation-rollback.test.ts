/**
 * Rollback (CVE-2024-23332, GHSA-57wx-m636-g3g8): a Notation signature binds a digest and no tag, so whoever holds a
 * registry serves last year's image under today's tag, with last year's signature. Only what the signer wrote into it can
 * end it: its expiry, and its certificates. Under `permissive` both are only logged, and notation served such images.
 *
 * Countersign refuses under `strict`, and under `permissive` says what it overlooked; a level can be overridden.
 */
import t from 'tap';
import { TEAM } from '../helpers/lab.ts';
import {
  DAY,
  issueNotationAuthority,
  issueSigner,
  NOTATION_TIME,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import { jws, openNotation } from './notation.ts';

const span = { notBefore: NOTATION_TIME - 100 * DAY, notAfter: NOTATION_TIME + 100 * DAY };
const ca = issueNotationAuthority('root', span);
const root = rootOfStores({ ca: [ca] });
const vendor = issueSigner({ issuer: ca, ...span });
const old = jws(vendor, { signingTime: NOTATION_TIME - 50 * DAY, expiry: NOTATION_TIME - DAY });
const current = jws(vendor, { expiry: NOTATION_TIME + DAY });

const EXPIRED = /expiry: it expired at 2026-04-30T12:00:00.000Z/;

t.test('an old image under a new tag ends with its expiry', async (t) => {
  const { put, get, registry, proxy } = await openNotation(t, { root });
  const [before, now] = [put(old), put(current)];
  registry.tag(TEAM, 'v1', now.digest);
  t.equal((await get('manifests/v1')).headers['docker-content-digest'], now.digest);
  registry.tag(TEAM, 'v1', before.digest);
  proxy.now += 2 * 60 * 60_000;
  const { status, error } = await get('manifests/v1');
  t.equal(status, 403);
  t.match(error?.message, EXPIRED);
});

t.test('an admission ends when its signature does, though the tag stays', async (t) => {
  const { put, pull, proxy } = await openNotation(t, { root });
  const image = put(current);
  t.equal(await pull(image), '200');
  proxy.now += DAY;
  t.match(await pull(image), /^403 DENIED .*expiry: it expired at/);
});

t.test('permissive serves it and says so, unless expiry is enforced', async (t) => {
  const { serves, proxy } = await openNotation(t, { root, spec: { level: 'permissive' } });
  await serves(t, 'an old one', old);
  t.match(proxy.pulls[0]?.['signers' as never], [/though expiry: it expired at/]);
  const spec = { level: 'permissive', override: { expiry: 'enforce' } } as const;
  const enforced = await openNotation(t, { root, spec });
  await enforced.denies(t, 'an old one', EXPIRED, old);
  await enforced.serves(t, 'a new one', current);
});

t.test('no level lets an image without a signature pass, or one that is broken', async (t) => {
  for (const level of ['permissive', 'audit'] as const) {
    const { denies, serves } = await openNotation(t, { root, spec: { level } });
    await denies(t, `nothing, under ${level}`, /unsigned: no signature was found/);
    const forged = jws(vendor, { algorithm: 'ES384' });
    await denies(t, `a forged one, under ${level}`, /integrity: expected algorithm/, forged);
    await serves(t, `a good one, under ${level}`, current);
  }
});
