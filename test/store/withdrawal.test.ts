/** Taking decisions back costs what falls, not what the repository has. */
import t from 'tap';
import { openDatabase } from '../../src/store/database.ts';
import { RECORDS_STEPS } from '../../src/store/migrations.ts';
import { WITHDRAW } from '../../src/store/withdrawal.ts';

t.test('grants are found by what gave them, however many there are', async (t) => {
  const database = await openDatabase(':memory:', RECORDS_STEPS);
  t.teardown(() => {
    database.close();
  });
  const key = { registry: 'lab.local', path: 'a', policyKey: 'k', digest: 'd' };
  const steps = WITHDRAW.flatMap((text) =>
    database
      .prepare(`EXPLAIN QUERY PLAN ${text}`)
      .all(key)
      .map(({ detail }) => String(detail)),
  );
  const looks = steps.filter((step) => step.includes('grants'));
  t.equal(looks.length, 3);
  for (const look of looks) t.match(look, /because=\?/);
});
