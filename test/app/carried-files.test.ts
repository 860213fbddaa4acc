import { join } from 'node:path';
import t, { type Test } from 'tap';
import { keepRevocationLists } from '../../src/app/carried-files.ts';
import { findBundle } from '../../src/layout/bundle.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { openLayoutFiles } from '../../src/layout/open-files.ts';
import { openAnswerFiles } from '../../src/verify/notation/revocation/answer-cache.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createFakeContent } from '../helpers/fake-registry-content.ts';
import { entriesOf, makeExport, tarOfEntries } from '../helpers/export-bundle.ts';
import {
  DAY,
  makeAuthority,
  makeList,
  NOW,
  read,
} from '../verify/notation/revocation/made-revocation.ts';
import { testdir } from '../helpers/testdir.ts';

const CRL = 'application/pkix-crl';
const NAME = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);

async function open(t: Test, files: Readonly<Record<string, Buffer>>) {
  const made = makeExport(createFakeContent(false), [], {
    files: Object.fromEntries(
      Object.entries(files).map(([name, bytes]) => [name, [CRL, bytes] as const]),
    ),
  });
  const path = join(testdir(t, {}), 'bundle.tar');
  writeFileSync(path, tarOfEntries(entriesOf(made)));
  const layout = await openLayout(await openLayoutFiles(path));
  t.teardown(() => layout.close());
  const bundle = await findBundle(layout);
  if (bundle === undefined) throw new Error('no bundle');
  return { layout, bundle, answers: openAnswerFiles(join(t.testdirName, 'revocation')) };
}

t.test('revocation lists are kept under their names, as old as they say', async (t) => {
  const issuer = makeAuthority('issuer');
  const list = makeList(issuer, { thisUpdate: NOW - DAY });
  const { layout, bundle, answers } = await open(t, {
    [`revocation/${NAME}`]: list,
    [`revocation/${OTHER}`]: Buffer.from('no list'),
    'revocation/named.crl': list,
    [`trust/${NAME}`]: list,
  });
  const notes = await keepRevocationLists(layout, bundle, answers, NOW);
  t.strictSame(notes, ['1 revocation list was taken over, to be verified in use']);
  t.strictSame(await answers.find(NAME), { bytes: list, at: NOW - DAY });
  t.equal(await answers.find(OTHER), undefined);
});

t.test('a newer list stays, whichever is in the bundle, and none is from the future', async (t) => {
  const issuer = makeAuthority('issuer');
  const older = makeList(issuer, { thisUpdate: NOW - 2 * DAY });
  const newer = makeList(issuer, { thisUpdate: NOW - DAY });
  const future = makeList(issuer, { thisUpdate: NOW + DAY });
  const { layout, bundle, answers } = await open(t, {
    [`revocation/${NAME}`]: older,
    [`revocation/${OTHER}`]: future,
  });
  await answers.keep(NAME, { bytes: newer, at: NOW - DAY });
  t.strictSame(await keepRevocationLists(layout, bundle, answers, NOW), [
    '1 revocation list is here already, as new or newer',
  ]);
  t.same((await answers.find(NAME))?.bytes, newer);
  t.equal(await answers.find(OTHER), undefined);
  await answers.keep(NAME, { bytes: Buffer.from('damaged'), at: NOW });
  await keepRevocationLists(layout, bundle, answers, NOW);
  t.same((await answers.find(NAME))?.bytes, older, 'in the place of what is no list');
});

t.test("nobody's list takes the place of another's", async (t) => {
  const theirs = makeList(makeAuthority('issuer'), { thisUpdate: NOW - 2 * DAY });
  const other = makeList(makeAuthority('stranger'), { thisUpdate: NOW - DAY });
  const { layout, bundle, answers } = await open(t, { [`revocation/${NAME}`]: other });
  await answers.keep(NAME, { bytes: theirs, at: NOW - 2 * DAY });
  t.strictSame(await keepRevocationLists(layout, bundle, answers, NOW), []);
  t.same((await answers.find(NAME))?.bytes, theirs);
});

t.test(
  'what an authority of this side signed is not kept away, and not replaced, by forgeries',
  async (t) => {
    const issuer = makeAuthority('issuer');
    const forger = makeAuthority('issuer');
    const other = makeAuthority('other');
    const genuine = makeList(issuer, { thisUpdate: NOW - 2 * DAY });
    const keep = async (bytes: Buffer) => {
      const { layout, bundle } = await open(t, { [`revocation/${NAME}`]: bytes });
      return keepRevocationLists(layout, bundle, answers, NOW, [read(issuer)]);
    };
    const folder = mkdtempSync(join(tmpdir(), 'countersign-lists-'));
    t.teardown(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    const answers = openAnswerFiles(folder);
    for (const forged of [
      makeList(forger, { thisUpdate: NOW - DAY }),
      makeList(other, { thisUpdate: NOW - DAY }),
    ]) {
      await answers.keep(NAME, { bytes: forged, at: NOW - DAY });
      await keep(genuine);
      t.strictSame((await answers.find(NAME))?.bytes, genuine, 'the forgery goes');
      await keep(forged);
      t.strictSame((await answers.find(NAME))?.bytes, genuine, 'and does not come back');
    }
    const newer = makeList(issuer, { thisUpdate: NOW - DAY / 2 });
    await keep(newer);
    t.strictSame((await answers.find(NAME))?.bytes, newer);
  },
);
