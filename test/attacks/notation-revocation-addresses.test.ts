/**
 * A certificate names the addresses at which its revocation is asked for, and it comes with the signature: whoever makes
 * one makes the verifier send requests to the cloud's metadata service, to a database's port or to the proxy's own admin
 * surface (server-side request forgery). notation asks wherever it is told to.
 *
 * Countersign asks over http alone, only about chains that lead to a trusted certificate and whose signature holds, only
 * at public addresses, or at hosts that the trust root's `privateHosts` name, and follows no redirect.
 */
import t, { type Test } from 'tap';
import { openRevocation } from '../../src/app/revocation.ts';
import {
  DAY,
  extendedKeyUsage,
  issueNotationAuthority,
  issueSigner,
  keyUsage,
  NOTATION_TIME,
  PURPOSES,
  rootOfStores,
  type Signer,
} from '../helpers/notation/certificate.ts';
import { startRevocationServer } from '../helpers/notation/revocation-server.ts';
import type { Extension, Issued } from '../helpers/sigstore/certificate.ts';
import {
  lists,
  makeList,
  makeOcsp,
  responders,
} from '../verify/notation/revocation/made-revocation.ts';
import { cose, integrity, jws, openNotation, type NotationOptions } from './notation.ts';
import { testdir } from '../helpers/testdir.ts';

const HOUR = DAY / 24;
const FRESH = { thisUpdate: NOTATION_TIME - HOUR, nextUpdate: NOTATION_TIME + HOUR };
const ca = issueNotationAuthority('root');
const stranger = issueNotationAuthority('stranger');

/** A signer whose certificate names places. */
const naming = (place: Extension, issuer: Issued = ca): Signer =>
  issueSigner({
    issuer,
    extensions: [keyUsage(['digitalSignature']), extendedKeyUsage([PURPOSES.codeSigning]), place],
  });

/** A lab that asks as the product does. */
async function open(
  t: Test,
  privateHosts: readonly string[] = [],
  options: Partial<NotationOptions> = {},
) {
  const revocation = openRevocation({ cache: { path: testdir(t) } });
  t.teardown(() => revocation.close());
  const root = rootOfStores({ ca: [ca] }, { privateHosts });
  return openNotation(t, { root, revocation: revocation.check, ...options });
}

const CANNOT_TELL = 'revocation: whether .*CN=signer is revoked cannot be told: ';

t.test('no address inside our network gets a request', async (t) => {
  const server = await startRevocationServer(t);
  const { denies } = await open(t);
  const { port } = server;
  const inside = [
    `http://127.0.0.1:${port}/`,
    `http://localhost:${port}/`,
    `http://2130706433:${port}/`,
    `http://0x7f.1:${port}/`,
    `http://0.0.0.0:${port}/`,
    `http://[::1]:${port}/`,
    `http://[::ffff:127.0.0.1]:${port}/`,
    'http://169.254.169.254/latest/meta-data/iam',
    'http://192.168.0.1/',
    'http://10.0.0.1/',
    'http://[fd00::1]/',
    'http://[fe80::1]/',
  ];
  const words = new RegExp(
    `${CANNOT_TELL}.*expected (?:a )?public address.*privateHosts of the trust root vendor`,
  );
  for (const address of inside) {
    await denies(t, `OCSP at ${address}`, words, jws(naming(responders(address))));
    await denies(t, `a list at ${address}`, words, cose(naming(lists(address))));
  }
  t.equal(server.connections, 0);
});

t.test('nor does any by another way than http', async (t) => {
  const server = await startRevocationServer(t);
  // Even where the host may be asked.
  const { denies } = await open(t, [server.host]);
  const words = new RegExp(`${CANNOT_TELL}it names no place that may be asked`);
  for (const address of [
    `https://${server.host}/`,
    `ldap://${server.host}/cn=ca`,
    `ftp://${server.host}/ca.crl`,
    'file:///etc/hostname',
    `http://user:password@${server.host}/`,
    `//${server.host}/`,
  ]) {
    await denies(t, `a list at ${address}`, words, jws(naming(lists(address))));
    await denies(t, `OCSP at ${address}`, words, jws(naming(responders(address))));
  }
  t.equal(server.connections, 0);
});

t.test('a host that the trust root names is asked, and believed if it may say so', async (t) => {
  const server = await startRevocationServer(t);
  const { serves, denies } = await open(t, [server.host]);
  const at = (path: string): string => `http://${server.host}${path}`;

  const good = naming(responders(at('/good')));
  server.answer('/good', makeOcsp(good, { ...FRESH, producedAt: FRESH.thisUpdate }));
  await serves(t, 'good by OCSP', jws(good));
  t.match(server.asked, [/^\/good\//]);

  const listed = naming(lists(at('/listed')));
  server.answer('/listed', makeList(ca, FRESH));
  await serves(t, 'on no list', cose(listed));

  const taken = naming(lists(at('/taken')));
  server.answer('/taken', makeList(ca, { ...FRESH, entries: [{ serial: taken.serial }] }));
  await denies(t, 'on a list', /revocation: .*CN=signer was revoked/, jws(taken));

  const forged = naming(lists(at('/forged')));
  server.answer('/forged', makeList(ca, { ...FRESH, signer: stranger }));
  await denies(t, 'a list by a stranger', new RegExp(CANNOT_TELL), jws(forged));

  const other = naming(responders(at('/other')));
  server.answer('/other', makeOcsp(good, { ...FRESH, producedAt: FRESH.thisUpdate }));
  await denies(t, 'an answer about another', new RegExp(CANNOT_TELL), jws(other));
});

t.test('a redirect is not followed, not even to a host that may be asked', async (t) => {
  const [front, back] = [await startRevocationServer(t), await startRevocationServer(t)];
  const { denies, serves } = await open(t, [front.host, back.host]);
  const signer = naming(lists(`http://${front.host}/moved`));
  back.answer('/', makeList(ca, FRESH));
  front.answer('/moved', new URL(`http://${back.host}/`));
  await denies(t, 'a redirect', new RegExp(`${CANNOT_TELL}.*got 302`), jws(signer));
  t.equal(front.asked.length, 1);
  t.equal(back.connections, 0);
  await serves(t, 'asked itself', jws(naming(lists(`http://${back.host}/`))));
});

t.test('nobody is asked about the certificates of strangers', async (t) => {
  const server = await startRevocationServer(t);
  const { denies, serves } = await open(t, [server.host]);
  server.answer('/', makeList(ca, FRESH));
  const place = lists(`http://${server.host}/`);
  const words = /signed by someone else \(authenticity\)/;
  await denies(t, 'a signer of a stranger', words, jws(naming(place, stranger)));
  await denies(
    t,
    'a self-signed one',
    words,
    jws(issueSigner({ extensions: [keyUsage(['digitalSignature']), place] })),
  );
  const vendor = naming(place);
  const broken = jws(vendor, { algorithm: 'ES384' });
  await denies(t, 'a signature that does not hold', integrity(/expected algorithm/), broken);
  const elsewhere = cose(vendor, { payload: Buffer.from('{}') });
  await denies(t, 'a signature of nothing', integrity(/descriptor/), elsewhere);
  t.equal(server.connections, 0);
  await serves(t, 'one that is trusted', jws(vendor));
  t.equal(server.asked.length, 1);
});

t.test('of many places few are asked', async (t) => {
  const server = await startRevocationServer(t);
  const { denies } = await open(t, [server.host]);
  const places = Array.from({ length: 50 }, (_, at) => `http://${server.host}/${at}`);
  await denies(t, 'fifty lists', new RegExp(CANNOT_TELL), jws(naming(lists(...places))));
  t.ok(server.asked.length <= 2, `${server.asked.length} requests`);
});
