/** Files that change under a running proxy. */
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { watchFiles } from '../../src/app/file-watch.ts';
import { testdir } from '../helpers/testdir.ts';

/** Looks when the test says so. */
function watch(t: Test, files: () => readonly string[]) {
  const counts = { changes: 0 };
  const onChange = async (): Promise<void> => {
    counts.changes += 1;
  };
  const watching = watchFiles(files, onChange, 2 ** 30);
  t.teardown(() => {
    watching.close();
  });
  return { counts, look: () => watching.look() };
}

t.test('a change is told once, when the files rest', async (t) => {
  const file = join(testdir(t, { a: 'one' }), 'a');
  const { counts, look } = watch(t, () => [file]);
  for (let round = 0; round < 3; round++) await look();
  t.equal(counts.changes, 0);
  writeFileSync(file, 'two, longer');
  await look();
  writeFileSync(file, 'three, longer still');
  await look();
  t.equal(counts.changes, 0, 'it is being written');
  for (let round = 0; round < 3; round++) await look();
  t.equal(counts.changes, 1);
});

t.test(
  'links that are put elsewhere, as Kubernetes does, and files that come and go',
  async (t) => {
    const folder = testdir(t, { one: { a: 'same' }, two: { a: 'same' } });
    const [link, next, file] = ['data', 'next', 'data/a'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    symlinkSync('one', link);
    const { counts, look } = watch(t, () => [file]);
    const changes = async (): Promise<number> => {
      for (let round = 0; round < 3; round++) await look();
      return counts.changes;
    };
    t.equal(await changes(), 0);
    symlinkSync('two', next);
    renameSync(next, link);
    t.equal(await changes(), 1, 'although the content is the same');
    unlinkSync(link);
    t.equal(await changes(), 2, 'gone');
    mkdirSync(link);
    writeFileSync(file, 'back');
    t.equal(await changes(), 3);
    rmSync(link, { recursive: true });
    t.equal(await changes(), 4);
  },
);

t.test('what changes while a change is dealt with is told too', async (t) => {
  const file = join(testdir(t, { a: 'one' }), 'a');
  let changes = 0;
  const watching = watchFiles(
    () => [file],
    async () => {
      changes += 1;
      if (changes === 1) writeFileSync(file, 'while it was read');
    },
    2 ** 30,
  );
  t.teardown(() => {
    watching.close();
  });
  await watching.look();
  // Of another size: the clock of a file system may not have moved.
  writeFileSync(file, 'two, longer');
  for (let round = 0; round < 6; round++) await watching.look();
  t.equal(changes, 2);
});

t.test('a change that could not be dealt with ends no watching', async (t) => {
  const file = join(testdir(t, { a: 'one' }), 'a');
  let changes = 0;
  const watching = watchFiles(
    () => [file],
    async () => {
      changes += 1;
      throw new Error('a mistake');
    },
    2 ** 30,
  );
  t.teardown(() => {
    watching.close();
  });
  for (const content of ['first', 'second one']) {
    writeFileSync(file, content);
    for (let round = 0; round < 3; round++) await watching.look().catch(() => undefined);
  }
  t.ok(changes >= 1);
});
