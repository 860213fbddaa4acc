/** A command that changed the records knows when a running proxy heeds it. */
import t from 'tap';
import { awaitNotice } from '../../src/app/notice.ts';
import { lockFolder } from '../../src/store/folder-lock.ts';
import { testdir } from '../helpers/testdir.ts';

const at = (...noticed: readonly number[]) => {
  let looks = 0;
  return {
    announced: () => Promise.resolve(2),
    noticed: () => Promise.resolve(noticed[Math.min(looks++, noticed.length - 1)] ?? 0),
  };
};

t.test('where no proxy runs there is nobody to wait for', async (t) => {
  t.equal(await awaitNotice(at(0), testdir(t)), 'nobody');
});

t.test('a running proxy is waited for until it has noticed', async (t) => {
  const path = testdir(t);
  const lock = await lockFolder(path);
  t.teardown(() => {
    lock.release();
  });
  t.equal(await awaitNotice(at(0, 1, 2), path), 'noticed');
  t.equal(await awaitNotice(at(1), path, 50), 'late');
});
