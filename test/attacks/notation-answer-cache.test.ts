/**
 * Answers about revocation are kept on disk. notation wrote them to the system's temporary folder and renamed them into
 * its cache: across file systems that is no rename but fails, or leaves half a file to be read (CVE-2024-51491,
 * GHSA-qjh3-4j3h-vmwp). And whoever can write there must not be able to say that a certificate is good.
 *
 * Countersign writes beside where it renames to, and verifies what it kept as if it had just come.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openRevocation } from '../../src/app/revocation.ts';
import {
  DAY,
  issueNotationAuthority,
  issueSigner,
  keyUsage,
  NOTATION_TIME,
  rootOfStores,
} from '../helpers/notation/certificate.ts';
import { startRevocationServer } from '../helpers/notation/revocation-server.ts';
import { lists, makeList } from '../verify/notation/revocation/made-revocation.ts';
import { jws, openNotation } from './notation.ts';
import { testdir } from '../helpers/testdir.ts';

const HOUR = DAY / 24;
const FRESH = { thisUpdate: NOTATION_TIME - HOUR, nextUpdate: NOTATION_TIME + 3 * HOUR };
const ca = issueNotationAuthority('root');

let labs = 0;

/** A lab whose answers are kept in the folder, as by a process that starts anew. */
async function open(t: Test, path: string, host: string) {
  const revocation = openRevocation({ cache: { path } });
  t.teardown(() => revocation.close());
  const root = rootOfStores({ ca: [ca] }, { privateHosts: [host] });
  // A cache of its own for everything else, so that every lab decides anew.
  labs += 1;
  return openNotation(t, {
    root,
    revocation: revocation.check,
    path: join(path, `proxy ${labs}`),
  });
}

async function begin(t: Test) {
  const server = await startRevocationServer(t);
  const place = lists(`http://${server.host}/ca.crl`);
  const vendor = issueSigner({ issuer: ca, extensions: [keyUsage(['digitalSignature']), place] });
  const folder = testdir(t, { cache: {} });
  return { server, vendor, path: join(folder, 'cache') };
}

t.test('an answer is kept though there is no temporary folder', async (t) => {
  const { server, vendor, path } = await begin(t);
  const { TMPDIR } = process.env;
  process.env['TMPDIR'] = join(path, 'missing');
  t.teardown(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
  });
  server.answer('/', makeList(ca, FRESH));
  const first = await open(t, path, server.host);
  await first.serves(t, 'asked', jws(vendor));
  await first.serves(t, 'asked once', jws(vendor));
  const next = await open(t, path, server.host);
  await next.serves(t, 'not asked again', jws(vendor));
  t.equal(server.asked.length, 1);
  t.equal(readdirSync(join(path, 'revocation')).length, 1, 'and nothing is left over');
});

t.test('whoever writes into the cache says nothing', async (t) => {
  const { server, vendor, path } = await begin(t);
  const stolen = issueNotationAuthority('root');
  server.answer('/', makeList(ca, { ...FRESH, entries: [{ serial: vendor.serial }] }));
  const words = /revocation: .*CN=signer was revoked/;
  await (await open(t, path, server.host)).denies(t, 'revoked', words, jws(vendor));
  const folder = join(path, 'revocation');
  const [name = ''] = readdirSync(folder);
  for (const bytes of [
    makeList(stolen, FRESH),
    makeList(ca, { ...FRESH, signer: stolen }),
    Buffer.from(''),
  ]) {
    writeFileSync(join(folder, name), bytes);
    const lab = await open(t, path, server.host);
    await lab.denies(t, 'still revoked', words, jws(vendor));
  }
});
