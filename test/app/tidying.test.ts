/** Imported images stay when a cache is tidied up, whether a proxy has seen them or not, and however it ended. */
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { readPolicyKeys } from '../../src/app/policy-keys.ts';
import { readKeep } from '../../src/app/rules.ts';
import { adoptBeforeTidying } from '../../src/app/tidying.ts';
import { adoptImported } from '../../src/app/adoption.ts';
import { boundBlobStore } from '../../src/store/bounded-blob-store.ts';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { collectGarbage } from '../../src/store/gc.ts';
import { openSqliteRecords } from '../../src/store/sqlite-records.ts';
import { openKeptUsage } from '../../src/store/sqlite-usage.ts';
import { readUsageStats } from '../../src/store/usage-stats.ts';
import { openImportLab } from '../helpers/import-lab.ts';

const logger = pino({ level: 'silent' });

t.test('what no proxy has seen yet stays after a change of rules', async (t) => {
  const lab = openImportLab(t);
  const image = lab.signed('one', { tag: 'v1' });
  t.equal((await lab.import(lab.export(['v1']))).code, 0);
  const next = lab.configure({
    rule: 'require: { allOf: [{ key: { trustRoot: release } }] }',
  });
  lab.signed('two', { tag: 'v2' });
  t.equal((await lab.import(lab.export(['v2']), [], { config: next })).code, 0);
  await adoptBeforeTidying(next, logger);
  const { unneeded, decisions } = await collectGarbage({
    path: lab.path,
    policyKeys: await readPolicyKeys(next, logger),
    before: Date.now() + 1000,
    isKept: readKeep(next),
    dryRun: false,
  });
  t.ok(decisions > 0, 'the first was decided under rules that are no more');
  t.equal(unneeded.files, 0);
  const { get } = await lab.serve(next);
  for (const what of ['manifests/v1', `blobs/${image.layers[0] ?? ''}`, 'manifests/v2']) {
    t.equal((await get(what)).status, 200, what);
  }
});

t.test('where nothing was ever, nothing is made; a proxy adopts for itself', async (t) => {
  const lab = openImportLab(t);
  await adoptBeforeTidying(lab.config, logger);
  lab.signed('one', { tag: 'v1' });
  t.equal((await lab.import(lab.export(['v1']))).code, 0);
  const other = await openDiskBlobStore({ path: lab.path });
  await t.rejects(adoptBeforeTidying(lab.config, logger), { code: 'in-use' });
  await other.close();
});

t.test('adopted is only what the books have written: a proxy may be killed at once', async (t) => {
  const lab = openImportLab(t);
  const tags = ['v1', 'v2', 'v3'];
  for (const tag of tags) lab.signed(tag, { tag });
  t.equal((await lab.import(lab.export(tags))).code, 0);
  const file = join(lab.path, 'usage.sqlite');
  const blobs = await boundBlobStore(await openDiskBlobStore({ path: lab.path }), {
    ...{ maxBytes: 1e9, usage: await openKeptUsage(file), clock: Date.now, logger },
  });
  const records = await openSqliteRecords({ file: join(lab.path, 'records.sqlite') });
  t.equal(await adoptImported({ blobs, records, logger }), 3);
  t.strictSame(
    readUsageStats(file, 10)
      .pulls.map(({ name }) => name)
      .sort(),
    tags.map((tag) => `lab.local/team/app:${tag}`),
  );
  await blobs.close();
  t.equal((await records.local.listUnadopted(9)).length, 0);
  await records.close();
});
