/** Another process's writes are noticed once each. */
import t from 'tap';
import { watchRecords } from '../../src/app/records-watch.ts';

/** Counts what a watch says it has noticed. */
function createLocal() {
  const noticed: number[] = [];
  let announced = 0;
  return {
    noticed,
    announce: () => ++announced,
    local: {
      announced: () => Promise.resolve(announced),
      notice: (number: number) => {
        noticed.push(number);
        return Promise.resolve();
      },
    },
  };
}

t.test('what was written between two looks is told once, and silence is not', async (t) => {
  let version = 7;
  let told = 0;
  const { local, announce, noticed } = createLocal();
  announce();
  const watch = watchRecords({ version: () => Promise.resolve(version), local }, () => {
    // What is announced while it is told of the last is for the next look.
    if (++told === 1) announce();
  });
  t.teardown(() => {
    watch.close();
  });
  await watch.look();
  await watch.look();
  t.equal(told, 1, 'at the start, since something may have been decided already');
  t.strictSame(noticed, [1]);
  version = 8;
  await watch.look();
  t.strictSame(noticed, [1, 2]);
  announce();
  version = 9;
  await watch.look();
  await watch.look();
  t.equal(told, 3);
  t.strictSame(noticed, [1, 2, 3]);
});

t.test('records that cannot be read end nothing', async (t) => {
  let fails = true;
  let told = 0;
  const version = () => (fails ? Promise.reject(new Error('broken')) : Promise.resolve(1));
  const { local } = createLocal();
  const watch = watchRecords({ version, local }, () => told++);
  t.teardown(() => {
    watch.close();
  });
  await watch.look();
  t.equal(told, 0);
  fails = false;
  await watch.look();
  t.equal(told, 1, 'what was decided meanwhile is forgotten');
});
