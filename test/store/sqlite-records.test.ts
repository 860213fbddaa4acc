import { DatabaseSync } from 'node:sqlite';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { openSqliteRecords } from '../../src/store/sqlite-records.ts';
import { RECORDS_STEPS, migrate } from '../../src/store/migrations.ts';
import { localRecordsConformance } from '../ports/local-records.ts';
import { recordsConformance } from '../ports/records.ts';
import { tagRecordsConformance } from '../ports/tag-records.ts';
import { testdir } from '../helpers/testdir.ts';

localRecordsConformance('sqlite', () => openSqliteRecords({ file: ':memory:' }));
recordsConformance('sqlite in memory', () => openSqliteRecords({ file: ':memory:' }));
recordsConformance('sqlite in a file', (t) => {
  return openSqliteRecords({ file: join(testdir(t), 'records.db') });
});

tagRecordsConformance('sqlite', () => openSqliteRecords({ file: ':memory:' }));

const repository = parseRepository('docker.io', 'library/alpine');
const pin = {
  repository,
  tag: 'latest',
  digest: digestOf(Buffer.from('x')),
  checkedAt: 2,
  since: 1,
};

t.test('what was recorded is there after a restart', async (t) => {
  const file = join(testdir(t), 'records.db');
  const before = await openSqliteRecords({ file });
  await before.record({ pin });
  await before.close();
  const after = await openSqliteRecords({ file });
  t.teardown(() => after.close());
  t.strictSame(await after.findPin(repository, 'latest'), pin);
});

t.test('the database and its journal are readable by their owner alone', async (t) => {
  const file = join(testdir(t), 'records.db');
  const records = await openSqliteRecords({ file });
  t.teardown(() => records.close());
  await records.record({ pin });
  for (const each of [file, `${file}-wal`, `${file}-shm`]) {
    t.equal(statSync(each).mode & 0o777, 0o600, each);
  }
});

t.test('refuses a file that is no database, and leaves it as it is', async (t) => {
  const file = join(testdir(t), 'records.db');
  writeFileSync(file, 'not a database, but long enough to look at: '.repeat(100));
  const size = statSync(file).size;
  await t.rejects(openSqliteRecords({ file }), {
    code: 'not-a-database',
    message: /records\.db.*remove or restore it/,
  });
  t.equal(statSync(file).size, size);
});

t.test("refuses another program's database", async (t) => {
  const file = join(testdir(t), 'records.db');
  const database = new DatabaseSync(file);
  database.exec('CREATE TABLE bookmarks (url TEXT)');
  database.close();
  await t.rejects(openSqliteRecords({ file }), { code: 'not-a-database', message: /records\.db/ });
});

t.test('refuses a database of a newer version, and leaves it as it is', async (t) => {
  const file = join(testdir(t), 'records.db');
  await (await openSqliteRecords({ file })).close();
  const database = new DatabaseSync(file);
  database.exec('PRAGMA user_version = 99');
  database.close();
  await t.rejects(openSqliteRecords({ file }), {
    code: 'newer-version',
    message: /records\.db.*got 99.*newer Countersign/,
  });
  const after = new DatabaseSync(file);
  t.strictSame({ ...after.prepare('PRAGMA user_version').get() }, { user_version: 99 });
  after.close();
});

t.test('a file that cannot be opened is named', async (t) => {
  const file = join(testdir(t), 'missing', 'records.db');
  await t.rejects(openSqliteRecords({ file }), { code: 'storage-failed', message: /records\.db/ });
});

t.test('a row that was changed by hand into something else is an error, not a value', async (t) => {
  const file = join(testdir(t), 'records.db');
  const records = await openSqliteRecords({ file });
  t.teardown(() => records.close());
  await records.record({ pin });
  const database = new DatabaseSync(file);
  database.exec("UPDATE pins SET digest = 'sha256:short'");
  database.close();
  await t.rejects(records.findPin(repository, 'latest'), { code: 'storage-failed' });
});

t.test('a database damaged in the middle is an error that says what to do', async (t) => {
  const file = join(testdir(t), 'records.db');
  const records = await openSqliteRecords({ file });
  await records.record({ pin });
  await records.close();
  const { size } = statSync(file);
  const { openSync, writeSync, closeSync } = await import('node:fs');
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.alloc(size - 100, 0x5a), 0, size - 100, 100);
  closeSync(fd);
  await t.rejects(
    openSqliteRecords({ file }).then((opened) => opened.findPin(repository, 'latest')),
    { code: 'not-a-database', message: /records\.db/ },
  );
});

t.test('a database of before keeps its pins, and each begins a history', async (t) => {
  const file = join(testdir(t), 'records.db');
  const before = new DatabaseSync(file);
  migrate(before, file, RECORDS_STEPS.slice(0, 1));
  before
    .prepare('INSERT INTO pins VALUES (?, ?, ?, ?, ?, ?)')
    .run(repository.registry, repository.path, pin.tag, pin.digest, pin.checkedAt, pin.since);
  const { registry, path } = repository;
  const key = { repository, digest: pin.digest, policyKey: 'rule-1' };
  before
    .prepare('INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
    .run(registry, path, pin.digest, '', 'rule-1', 'a/b', 3, '{}', 1000);
  before
    .prepare('INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
    .run(registry, path, pin.digest, 'rule-1', 'blob', 'a/b', 3, pin.digest);
  before.close();
  const records = await openSqliteRecords({ file });
  t.teardown(() => records.close());
  t.match(await records.findVerdict(key), { decidedAt: 1000, size: 3 });
  t.match(await records.findGrants(key, 'blob', 9), [{ because: pin.digest, size: 3 }]);
  t.strictSame(await records.listDue('rule-1', 999, 9), []);
  const day = 86_400_000;
  t.match(
    await records.listDue('rule-1', 1000 + day, 9),
    [{ digest: pin.digest }],
    'spread over a day',
  );
  t.strictSame(await records.findPin(repository, 'latest'), pin);
  t.strictSame(await records.findHistory(repository, 'latest'), [
    { digest: pin.digest, firstSeen: pin.since, admittedAt: pin.since, evidence: '' },
  ]);
  t.equal(await records.findOrder(repository, 'latest'), undefined);
});

t.test('the version changes with what another connection wrote, and not by itself', async (t) => {
  const file = join(testdir(t), 'records.db');
  const records = await openSqliteRecords({ file });
  const other = await openSqliteRecords({ file });
  t.teardown(() => Promise.all([records.close(), other.close()]));
  const first = await records.version();
  await records.record({ pin });
  t.equal(await records.version(), first);
  await other.giveOrders([{ repository, tag: 'latest', order: { frozen: true } }]);
  t.not(await records.version(), first);
});

t.test('a history that was changed by hand into something else is an error', async (t) => {
  const changes = [
    `UPDATE tag_history SET digest = 'sha256:short'`,
    'UPDATE tag_history SET first_seen = -1',
    `UPDATE tag_orders SET rollback = 'x'`,
    `UPDATE pins SET withheld = '[]'`,
    `UPDATE pins SET withheld = '{"why":1}'`,
  ];
  for (const change of changes) {
    const file = join(testdir(t), 'records.db');
    const records = await openSqliteRecords({ file });
    const arrival = { pin, at: 1, evidence: '', leaves: true, usesRollback: false };
    await records.arrive(arrival);
    await records.giveOrders([{ repository, tag: pin.tag, order: { frozen: true } }]);
    const database = new DatabaseSync(file);
    database.exec(change);
    database.close();
    await t.rejects(
      Promise.all([
        records.findPin(repository, pin.tag),
        records.findHistory(repository, pin.tag),
        records.findOrder(repository, pin.tag),
      ]),
      { name: 'StoreError' },
      change,
    );
    await records.close();
  }
});
