/** Another process's writes are noticed once each. */
import t from 'tap';
import { watchRecords } from '../../src/app/records-watch.ts';

t.test('what was written between two looks is told once, and silence is not', async (t) => {
  let version = 7;
  let told = 0;
  const watch = watchRecords({ version: () => Promise.resolve(version) }, () => told++);
  t.teardown(() => {
    watch.close();
  });
  await watch.look();
  await watch.look();
  t.equal(told, 0);
  version = 9;
  await watch.look();
  await watch.look();
  t.equal(told, 1);
});

t.test('records that cannot be read end nothing', async (t) => {
  let fails = true;
  let told = 0;
  const version = () => (fails ? Promise.reject(new Error('broken')) : Promise.resolve(1));
  const watch = watchRecords({ version }, () => told++);
  t.teardown(() => {
    watch.close();
  });
  await watch.look();
  fails = false;
  await watch.look();
  t.equal(told, 0);
});
