/** Revocation of a chain: supplied lists, OCSP, lists, from the leaf to below the root, and never a guess. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openAnswerCache } from '../../../../src/verify/notation/revocation/answer-cache.ts';
import {
  UnreachableError,
  type FetchBytes,
  type FetchOptions,
} from '../../../../src/verify/notation/revocation/fetch-bytes.ts';
import {
  createRevocationCheck,
  type RevocationOptions,
} from '../../../../src/verify/notation/revocation/revocation-check.ts';
import type { Issued } from '../../../helpers/sigstore/certificate.ts';
import {
  DAY,
  deltaOf,
  EKU_OCSP,
  freshest,
  HOUR,
  listNumber,
  lists,
  makeAuthority,
  makeLeaf,
  makeList,
  makeOcsp,
  NOW,
  read,
  responders,
} from './made-revocation.ts';
import { testdir } from '../../../helpers/testdir.ts';

const OCSP = 'http://o.example/';
const LIST = 'http://l.example/ca.crl';
const ROOT_LIST = 'http://l.example/root.crl';

const root = makeAuthority('root', { places: [lists('http://l.example/never')] });
const ca = makeAuthority('ca', { issuer: root, places: [lists(ROOT_LIST)] });
const plainCa = makeAuthority('plain ca', { issuer: root });
const leaf = makeLeaf(ca, [responders(OCSP), lists(LIST)]);

type Reply = Buffer | Error;
interface Asked extends FetchOptions {
  readonly url: string;
}

/** The network: whose address begins so answers so; nobody else does. */
function makeNetwork(places: Readonly<Record<string, Reply>>) {
  const asked: Asked[] = [];
  const fetchBytes: FetchBytes = (url, options) => {
    asked.push({ url, ...options });
    const [, reply = new Error('no such host')] =
      Object.entries(places).find(([start]) => url.startsWith(start)) ?? [];
    return reply instanceof Error ? Promise.reject(reply) : Promise.resolve(reply);
  };
  return { asked, fetchBytes, urls: () => asked.map(({ url }) => url) };
}

const check = (options: RevocationOptions, ...chain: readonly Issued[]) =>
  createRevocationCheck(options)(chain.map(read), 'signing', NOW);
const checkOver = (places: Readonly<Record<string, Reply>>, ...chain: readonly Issued[]) =>
  check({ fetchBytes: makeNetwork(places).fetchBytes }, ...chain);

t.test('every certificate below the root is asked about', async (t) => {
  const { fetchBytes, urls } = makeNetwork({
    [OCSP]: makeOcsp(leaf, { nextUpdate: NOW + 2 * HOUR }),
    [ROOT_LIST]: makeList(root, { nextUpdate: NOW + HOUR }),
  });
  t.strictSame(await check({ fetchBytes }, leaf, ca, root), {
    state: 'good',
    reason: 'no certificate of the signing chain is revoked',
    until: NOW + HOUR,
  });
  t.equal(urls().length, 2);
  t.notOk(urls().includes(LIST), 'a list is not asked where OCSP answers');
  t.notOk(urls().includes('http://l.example/never'), 'nor is anybody about the root');
});

t.test('where nobody can be reached, asking later may help', async (t) => {
  const away = new UnreachableError('no answer');
  const told = async (places: Readonly<Record<string, Reply>>) =>
    (await checkOver(places, leaf, plainCa, root)).unreachable ?? false;
  t.equal(await told({ [OCSP]: away, [LIST]: away }), true);
  t.equal(await told({ [OCSP]: away, [LIST]: new Error('gone') }), true, 'the other may know');
  t.equal(await told({ [OCSP]: new Error('gone'), [LIST]: new Error('gone') }), false);
  t.equal(await told({ [OCSP]: Buffer.from('?'), [LIST]: Buffer.from('?') }), false);
  const places = { [OCSP]: away, [LIST]: away, [ROOT_LIST]: Buffer.from('?') };
  const other = await checkOver(places, leaf, ca, root);
  t.match(other, { state: 'unknown' });
  t.notOk(other.unreachable, 'the authority stays unknown whoever answers');
});

t.test('a delta that is out of reach may be had later', async (t) => {
  const away = new UnreachableError('no answer');
  const listed = makeLeaf(plainCa, [lists(LIST)]);
  const full = makeList(plainCa, {
    extensions: [listNumber(1), freshest('http://l.example/delta')],
  });
  const places = { 'http://l.example/delta': away, [LIST]: full };
  t.match(await checkOver(places, listed, plainCa, root), { state: 'unknown', unreachable: true });
});

t.test('revoked anywhere is revoked', async (t) => {
  const good = { [OCSP]: makeOcsp(leaf), [ROOT_LIST]: makeList(root) };
  t.match(await checkOver({ ...good, [OCSP]: makeOcsp(leaf, { status: {} }) }, leaf, ca, root), {
    state: 'revoked',
    reason: /CN=leaf was revoked/,
  });
  const entries = [{ serial: ca.serial, reason: 2 }];
  t.match(await checkOver({ ...good, [ROOT_LIST]: makeList(root, { entries }) }, leaf, ca, root), {
    state: 'revoked',
    reason: /CN=ca was revoked .*cACompromise/,
  });
  t.match(
    await checkOver({ [ROOT_LIST]: makeList(root, { entries }) }, leaf, ca, root),
    { state: 'revoked' },
    'though the leaf is unknown',
  );
});

t.test('a list is asked where OCSP has no answer', async (t) => {
  const answers: Readonly<Record<string, Reply>> = {
    stalls: new Error('time is up'),
    unknown: makeOcsp(leaf, { status: 'unknown' }),
    'out of date': makeOcsp(leaf, { nextUpdate: NOW }),
    'by another': makeOcsp(leaf, { signer: plainCa }),
    'too big': Buffer.alloc(20 * 1024 + 1),
    nonsense: Buffer.from('<html>'),
  };
  for (const [name, ocsp] of Object.entries(answers)) {
    const rest = { [OCSP]: ocsp, [ROOT_LIST]: makeList(root) };
    t.match(
      await checkOver({ ...rest, [LIST]: makeList(ca) }, leaf, ca, root),
      { state: 'good' },
      name,
    );
    const entries = [{ serial: leaf.serial }];
    t.match(await checkOver({ ...rest, [LIST]: makeList(ca, { entries }) }, leaf, ca, root), {
      state: 'revoked',
    });
    t.match(await checkOver(rest, leaf, ca, root), {
      state: 'unknown',
      reason:
        /^whether O=Vendor, CN=leaf is revoked cannot be told: http:\/\/o\.example\/.*no such/,
    });
  }
});

t.test('a list that is no answer is unknown', async (t) => {
  const certificate = makeLeaf(plainCa, [lists(LIST)]);
  const refused: Readonly<Record<string, Reply>> = {
    'out of date': makeList(plainCa, { nextUpdate: NOW }),
    'without end': makeList(plainCa, { nextUpdate: null }),
    'by another': makeList(plainCa, { signer: ca }),
    "another's": makeList(ca),
    stalls: new Error('time is up'),
    'too big': Buffer.alloc(32 * 1024 * 1024 + 1),
    nonsense: Buffer.from('<html>'),
  };
  for (const [name, list] of Object.entries(refused)) {
    const found = await checkOver({ [LIST]: list }, certificate, plainCa, root);
    t.match(found, { state: 'unknown' }, name);
    t.equal(found.until, undefined);
  }
});

t.test('a certificate that names nobody is not revoked', async (t) => {
  const { asked, fetchBytes } = makeNetwork({});
  t.strictSame(
    await createRevocationCheck({ fetchBytes })(
      [makeLeaf(plainCa), plainCa, root].map(read),
      'timestamping',
      NOW,
    ),
    { state: 'good', reason: 'no certificate of the timestamping chain says where to ask' },
  );
  t.match(await check({ fetchBytes }, root), { state: 'good' }, 'a self-signed signer');
  t.equal(asked.length, 0);
});

t.test('a certificate that names nobody who may be asked is unknown', async (t) => {
  const { asked, fetchBytes } = makeNetwork({});
  for (const place of [
    responders('https://o.example'),
    lists('ldap://l.example'),
    { oid: '2.5.29.31', value: Buffer.from('nonsense') },
  ]) {
    t.match(await check({ fetchBytes }, makeLeaf(plainCa, [place]), plainCa, root), {
      state: 'unknown',
    });
  }
  t.match(await check({}, leaf, ca, root), {
    state: 'unknown',
    reason: /no place may be asked from here/,
  });
  t.equal(asked.length, 0);
});

t.test('a question to OCSP is small, bounded and short enough for an address', async (t) => {
  const serial = 0x5eed_5eedn;
  const get = makeLeaf(plainCa, [responders(OCSP)], { serial });
  const long = responders(`http://o.example/${'a'.repeat(200)}`);
  const post = makeLeaf(plainCa, [long], { serial });
  const one = makeNetwork({ [OCSP]: makeOcsp(get) });
  t.match(await check({ fetchBytes: one.fetchBytes }, get, plainCa, root), { state: 'good' });
  t.match(one.asked, [{ method: 'GET', maxBytes: 20480, timeoutMs: 2000 }]);
  t.match(
    one.asked[0]?.url,
    /^http:\/\/o\.example\/[A-Za-z0-9%]+$/,
    'one slash, and base64 escaped',
  );
  t.ok((one.asked[0]?.url.length ?? 0) <= 255);
  const two = makeNetwork({ [OCSP]: makeOcsp(post) });
  t.match(await check({ fetchBytes: two.fetchBytes }, post, plainCa, root), { state: 'good' });
  t.match(two.asked, [{ method: 'POST', contentType: 'application/ocsp-request' }]);
  const path = one.asked[0]?.url.slice(OCSP.length) ?? '';
  t.equal(
    decodeURIComponent(path),
    two.asked[0]?.body?.toString('base64'),
    'both are one request, as they ask about one serial number',
  );
});

t.test('no more than two places of a kind are asked', async (t) => {
  const many = ['a', 'b', 'c'].map((name) => `http://${name}.example/`);
  const certificate = makeLeaf(plainCa, [responders(...many), lists(...many)]);
  const { asked, fetchBytes } = makeNetwork({});
  t.match(await check({ fetchBytes }, certificate, plainCa, root), { state: 'unknown' });
  t.strictSame(
    asked.map(({ url, timeoutMs }) => [new URL(url).hostname, timeoutMs]),
    [
      ['a.example', 2000],
      ['b.example', 2000],
      ['a.example', 5000],
      ['b.example', 5000],
    ],
  );
  const second = makeNetwork({ 'http://b.example/': makeOcsp(certificate) });
  t.match(await check({ fetchBytes: second.fetchBytes }, certificate, plainCa, root), {
    state: 'good',
  });
});

t.test('a responder without ocsp-nocheck has to be good by a list', async (t) => {
  const place = 'http://l.example/responders';
  const responder = makeLeaf(plainCa, [lists(place)], { usages: [EKU_OCSP] });
  const certificate = makeLeaf(plainCa, [responders(OCSP)]);
  const ocsp = makeOcsp(certificate, { signer: responder, embed: [responder] });
  const over = (places: Readonly<Record<string, Reply>>) =>
    checkOver({ [OCSP]: ocsp, ...places }, certificate, plainCa, root);
  t.match(await over({ [place]: makeList(plainCa) }), { state: 'good' });
  t.match(await over({}), { state: 'unknown', reason: /is not known to be good: .*no such host/ });
  const away = new UnreachableError('no answer');
  t.match(await over({ [place]: away }), { state: 'unknown', unreachable: true });
  const entries = [{ serial: responder.serial }];
  t.match(await over({ [place]: makeList(plainCa, { entries }) }), {
    state: 'unknown',
    reason: /is not known to be good: .*was revoked/,
  });
  const mute = makeLeaf(plainCa, [], { usages: [EKU_OCSP] });
  t.match(
    await checkOver(
      { [OCSP]: makeOcsp(certificate, { signer: mute, embed: [mute] }) },
      ...[certificate, plainCa, root],
    ),
    { state: 'unknown', reason: /it says nowhere to ask/ },
  );
});

t.test('a supplied list answers before anybody is asked', async (t) => {
  const { asked, fetchBytes } = makeNetwork({});
  const revocationLists = [makeList(ca), makeList(root, { nextUpdate: NOW + 3 * DAY })];
  t.strictSame(await check({ fetchBytes, revocationLists }, leaf, ca, root), {
    state: 'good',
    reason: 'no certificate of the signing chain is revoked',
    until: NOW + DAY,
  });
  t.equal(asked.length, 0);
  const entries = [{ serial: leaf.serial }];
  t.match(await check({ revocationLists: [makeList(ca, { entries })] }, leaf, ca, root), {
    state: 'revoked',
  });
  const plain = makeLeaf(plainCa);
  t.match(
    await check(
      { revocationLists: [makeList(plainCa, { entries: [{ serial: plain.serial }] })] },
      ...[plain, plainCa, root],
    ),
    { state: 'revoked' },
    'also of a certificate that names nobody',
  );
});

t.test('a supplied list that is out of date answers nothing', async (t) => {
  const revocationLists = [makeList(plainCa, { nextUpdate: NOW })];
  t.match(await check({ revocationLists }, makeLeaf(plainCa), plainCa, root), {
    state: 'unknown',
    reason: /the revocation list is out of date/,
  });
  const certificate = makeLeaf(plainCa, [lists(LIST)]);
  const { fetchBytes } = makeNetwork({ [LIST]: makeList(plainCa) });
  t.match(await check({ fetchBytes, revocationLists }, certificate, plainCa, root), {
    state: 'good',
  });
  t.throws(
    () => createRevocationCheck({ revocationLists: [Buffer.from('no list')] }),
    { name: 'SyntaxError' },
    'one that cannot be read is a mistake of the site',
  );
});

t.test('a delta is supplied or fetched', async (t) => {
  const place = 'http://l.example/delta';
  const full = makeList(plainCa, { extensions: [listNumber(5), freshest(place)] });
  const certificate = makeLeaf(plainCa, [lists(LIST)]);
  const delta = (...entries: readonly { readonly serial: bigint }[]): Buffer =>
    makeList(plainCa, { extensions: [listNumber(6), deltaOf(5)], entries });
  const over = (places: Readonly<Record<string, Reply>>) =>
    checkOver({ [LIST]: full, ...places }, certificate, plainCa, root);
  t.match(await over({ [place]: delta() }), { state: 'good' });
  t.match(await over({ [place]: delta(certificate) }), { state: 'revoked' });
  t.match(await over({}), { state: 'unknown', reason: /the delta .* cannot be had: .*no such/ });
  const supplied = (last: Buffer) =>
    check({ revocationLists: [full, last] }, certificate, plainCa, root);
  t.match(await supplied(delta()), { state: 'good' });
  t.match(await supplied(delta(certificate)), { state: 'revoked' });
  const unfit = ['https://l.example/delta', 'http://user:word@l.example/delta'];
  const { fetchBytes, urls } = makeNetwork({
    [LIST]: makeList(plainCa, { extensions: [listNumber(5), freshest(...unfit)] }),
  });
  t.match(await check({ fetchBytes }, certificate, plainCa, root), {
    state: 'unknown',
    reason: /the delta .* cannot be had: no place may be asked/,
  });
  t.strictSame(urls(), [LIST]);
});

t.test(
  'of several supplied lists the one that knows of it decides, in whatever order',
  async (t) => {
    const certificate = makeLeaf(plainCa, []);
    const answer = (...revocationLists: readonly Buffer[]) =>
      check({ revocationLists }, certificate, plainCa, root);
    const entries = [certificate];
    const older = makeList(plainCa, { extensions: [listNumber(5)], thisUpdate: NOW - 2 * HOUR });
    const newer = makeList(plainCa, { extensions: [listNumber(6)], entries });
    const full = makeList(plainCa, { extensions: [listNumber(5)] });
    const first = makeList(plainCa, { extensions: [listNumber(7), deltaOf(5)] });
    const second = makeList(plainCa, { extensions: [listNumber(8), deltaOf(5)], entries });
    for (const files of [
      [older, newer],
      [newer, older],
      [full, first, second],
      [second, first, full],
    ]) {
      t.match(await answer(...files), { state: 'revoked' });
    }
    t.match(await answer(full, first), { state: 'good' });
    const long = makeList(plainCa, { nextUpdate: NOW + 2 * DAY });
    for (const files of [
      [older, long],
      [long, older],
    ]) {
      t.match(await answer(...files), { state: 'good', until: NOW + 2 * DAY }, 'the newest lasts');
    }
  },
);

t.test('nobody is asked when the time is over', async (t) => {
  const { fetchBytes, urls } = makeNetwork({ [OCSP]: makeOcsp(leaf) });
  const answer = createRevocationCheck({ fetchBytes });
  const chain = [leaf, plainCa, root].map(read);
  t.match(await answer(chain, 'signing', NOW, AbortSignal.abort()), {
    state: 'unknown',
    reason: /the time is over/,
    unreachable: true,
  });
  t.strictSame(urls(), []);
});

t.test('answers on disk outlive the process and the network', async (t) => {
  const folder = testdir(t);
  const online = makeNetwork({ [OCSP]: makeOcsp(leaf), [ROOT_LIST]: makeList(root) });
  const good = await check(
    { fetchBytes: online.fetchBytes, cache: openAnswerCache(folder) },
    ...[leaf, ca, root],
  );
  t.match(good, { state: 'good' });
  t.equal(readdirSync(folder).length, 2);
  const offline = { cache: openAnswerCache(folder) };
  t.strictSame(await check(offline, leaf, ca, root), good);

  for (const name of readdirSync(folder)) writeFileSync(join(folder, name), 'damaged');
  t.match(await check(offline, leaf, ca, root), { state: 'unknown' }, 'damaged files say nothing');
  const again = makeNetwork({ [OCSP]: makeOcsp(leaf), [ROOT_LIST]: makeList(root) });
  t.match(
    await check(
      { fetchBytes: again.fetchBytes, cache: openAnswerCache(folder) },
      ...[leaf, ca, root],
    ),
    { state: 'good' },
  );
  t.equal(again.asked.length, 2);
  const later = createRevocationCheck(offline)([leaf, ca, root].map(read), 'signing', NOW + DAY);
  t.match(await later, { state: 'unknown' }, 'nextUpdate ends what was kept');
});
