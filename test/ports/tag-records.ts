/** What every implementation of TagRecords promises. */
import t, { type Test } from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import {
  MAX_SEEN_OF_REPOSITORY,
  MAX_SEEN_OF_TAG,
  MAX_TAG_HISTORY,
  type Arrival,
  type TagOrder,
  type TagRecords,
} from '../../src/store/tag-records.ts';

const repository = parseRepository('docker.io', 'library/alpine');
const tag = 'latest';
const key = { repository, tag };

function numbered(number: number | string) {
  return digestOf(Buffer.from(`manifest ${number}`));
}

const [one, two, three] = [numbered(1), numbered(2), numbered(3)];

function arrival(digest: typeof one, at: number, change: Partial<Arrival> = {}): Arrival {
  return {
    pin: { ...key, digest, checkedAt: at, since: at },
    at,
    evidence: 'a key',
    leaves: true,
    usesRollback: false,
    ...change,
  };
}

type Opened = TagRecords & { close(): Promise<void> };

/** Runs the conformance tests; `open` gives fresh, empty records each time. */
export function tagRecordsConformance(name: string, open: (test: Test) => Promise<Opened>): void {
  async function opened(test: Test): Promise<Opened> {
    const records = await open(test);
    test.teardown(() => records.close());
    return records;
  }

  t.test(`${name} knows no tag in the beginning`, async (t) => {
    const records = await opened(t);
    t.equal(await records.findPin(repository, tag), undefined);
    t.equal(await records.findOrder(repository, tag), undefined);
    t.strictSame(await records.findHistory(repository, tag), []);
    t.strictSame(await records.listTags(), []);
  });

  t.test(`${name} writes a pin with its history, the latest first`, async (t) => {
    const records = await opened(t);
    await records.arrive(arrival(one, 1000, { signedAt: 900 }));
    await records.arrive(arrival(two, 2000));
    await records.arrive(arrival(three, 3000));
    t.match(await records.findPin(repository, tag), {
      digest: three,
      checkedAt: 3000,
      since: 3000,
    });
    const common = { evidence: 'a key' };
    t.strictSame(await records.findHistory(repository, tag), [
      { digest: three, firstSeen: 3000, admittedAt: 3000, ...common },
      { digest: two, firstSeen: 2000, admittedAt: 2000, ...common, leftAt: 3000 },
      { digest: one, firstSeen: 1000, admittedAt: 1000, ...common, signedAt: 900, leftAt: 2000 },
    ]);
    t.strictSame(await records.findHistory(repository, 'another'), []);
    const elsewhere = parseRepository('ghcr.io', 'library/alpine');
    t.strictSame(await records.findHistory(elsewhere, tag), []);
  });

  t.test(`${name} forgets that a digest was left when the tag is there again`, async (t) => {
    const records = await opened(t);
    await records.arrive(arrival(one, 1000));
    await records.arrive(arrival(two, 2000));
    await records.arrive(arrival(one, 3000));
    t.match(await records.findHistory(repository, tag), [
      { digest: one, firstSeen: 1000, admittedAt: 1000, leftAt: undefined },
      { digest: two, leftAt: 3000 },
    ]);
  });

  t.test(`${name} leaves nothing where an operator moved the tag`, async (t) => {
    const records = await opened(t);
    await records.arrive(arrival(one, 1000));
    await records.arrive(arrival(two, 2000, { leaves: false }));
    const history = await records.findHistory(repository, tag);
    t.strictSame(
      history.map(({ leftAt }) => leftAt),
      [undefined, undefined],
    );
  });

  t.test(`${name} remembers a digest that is seen and not admitted`, async (t) => {
    const records = await opened(t);
    t.equal(await records.see(key, one, 1000), 1000);
    t.equal(await records.see(key, one, 5000), 1000);
    t.strictSame(await records.findHistory(repository, tag), [
      { digest: one, firstSeen: 1000, evidence: '' },
    ]);
    t.equal(await records.see({ repository, tag: 'other' }, one, 6000), 1000, 'of the repository');
    const elsewhere = parseRepository('docker.io', 'library/busybox');
    t.equal(await records.see({ repository: elsewhere, tag }, one, 6000), 6000);
    await records.arrive(arrival(one, 7000));
    t.match(await records.findHistory(repository, tag), [{ firstSeen: 1000, admittedAt: 7000 }]);
  });

  t.test(`${name} brings what was seen in the future back to now`, async (t) => {
    const records = await opened(t);
    await records.see(key, one, 9000);
    t.equal(await records.see(key, one, 1000), 1000);
    t.equal(await records.see(key, one, 2000), 1000);
  });

  t.test(`${name} bounds what was only seen, by tag and by repository`, async (t) => {
    const records = await opened(t);
    await records.arrive(arrival(one, 1));
    for (let at = 2; at < 2 * MAX_SEEN_OF_TAG; at++) await records.see(key, numbered(`s${at}`), at);
    const history = await records.findHistory(repository, tag);
    t.equal(history.length, MAX_SEEN_OF_TAG + 1);
    t.equal(history[0]?.digest, one, 'what was admitted stays');
    for (let number = 0; number < MAX_SEEN_OF_REPOSITORY + 10; number++) {
      await records.see({ repository, tag: `t${number}` }, numbered(`r${number}`), 9000);
    }
    let left = 0;
    for (let number = 0; number < MAX_SEEN_OF_REPOSITORY + 10; number++) {
      left += (await records.findHistory(repository, `t${number}`)).length;
    }
    t.ok(left <= MAX_SEEN_OF_REPOSITORY, `${left}`);
    t.ok(left > MAX_SEEN_OF_REPOSITORY / 2);
  });

  t.test(`${name} bounds the history of what was admitted`, async (t) => {
    const records = await opened(t);
    for (let at = 0; at < MAX_TAG_HISTORY + 5; at++) {
      await records.arrive(arrival(numbered(`h${at}`), at));
    }
    const history = await records.findHistory(repository, tag);
    t.equal(history.length, MAX_TAG_HISTORY);
    t.equal(history[0]?.digest, numbered(`h${MAX_TAG_HISTORY + 4}`));
    t.notOk(
      history.some(({ digest }) => digest === numbered('h0')),
      'the oldest went',
    );
  });

  t.test(`${name} keeps what is withheld with the pin, until it is written without`, async (t) => {
    const records = await opened(t);
    const { pin } = arrival(one, 1000);
    for (const withheld of [
      { digest: two, why: 'rollback', reason: 'because', refused: false },
      { why: 'deleted', reason: 'gone', refused: true },
    ]) {
      await records.arrive({ ...arrival(one, 1000), pin: { ...pin, withheld } });
      t.strictSame(await records.findPin(repository, tag), { ...pin, withheld });
    }
    await records.arrive(arrival(one, 1000));
    t.strictSame(await records.findPin(repository, tag), pin);
  });

  t.test(`${name} removes a pin and keeps its history`, async (t) => {
    const records = await opened(t);
    await records.arrive(arrival(one, 1000));
    await records.removePin(key);
    t.equal(await records.findPin(repository, tag), undefined);
    t.match(await records.findHistory(repository, tag), [{ digest: one, leftAt: undefined }]);
  });

  t.test(`${name} lists the pinned tags of one repository, page by page`, async (t) => {
    const records = await opened(t);
    const elsewhere = { ...repository, path: `${repository.path}x` };
    for (const pinned of ['b', 'B', 'a', 'c']) {
      const pin = { repository, tag: pinned, digest: one, checkedAt: 2, since: 1 };
      const arrival = { at: 1, evidence: '', leaves: true, usesRollback: false };
      await records.arrive({ pin, ...arrival });
      await records.arrive({
        pin: { ...pin, repository: elsewhere, tag: `${pinned}-other` },
        ...arrival,
      });
    }
    await records.giveOrders([{ repository, tag: 'ordered', order: { frozen: true } }]);
    t.strictSame(await records.listPinned(repository, '', 9), ['B', 'a', 'b', 'c']);
    t.strictSame(await records.listPinned(repository, 'B', 2), ['a', 'b']);
    t.strictSame(await records.listPinned(repository, 'c', 2), []);
  });

  t.test(`${name} keeps orders, and takes them back`, async (t) => {
    const records = await opened(t);
    const orders: readonly TagOrder[] = [
      { frozen: true },
      { frozen: true, digest: one },
      { frozen: false, rollback: 'any' },
      { frozen: false, rollback: two },
      { frozen: false, ask: true },
    ];
    for (const order of orders) {
      await records.giveOrders([{ ...key, order }]);
      t.strictSame(await records.findOrder(repository, tag), order);
      t.match(await records.listTags(), [{ ...key, order }]);
    }
    await records.giveOrders([{ ...key, order: { frozen: false } }]);
    t.equal(await records.findOrder(repository, tag), undefined);
  });

  t.test(
    `${name} uses a rollback up with the arrival that it allows, and with no other`,
    async (t) => {
      const records = await opened(t);
      await records.arrive(arrival(two, 1000));
      await records.giveOrders([{ ...key, order: { frozen: false, rollback: one } }]);
      await records.arrive(arrival(three, 2000));
      await records.arrive(arrival(two, 3000, { usesRollback: true }));
      t.match(await records.findOrder(repository, tag), { rollback: one });
      await records.arrive(arrival(one, 4000, { usesRollback: true }));
      t.equal(await records.findOrder(repository, tag), undefined);
    },
  );

  t.test(`${name} takes back that upstream is to be asked, and nothing else`, async (t) => {
    const records = await opened(t);
    await records.asked(key);
    await records.giveOrders([{ ...key, order: { frozen: false, rollback: one, ask: true } }]);
    await records.asked(key);
    t.strictSame(await records.findOrder(repository, tag), { frozen: false, rollback: one });
    await records.giveOrders([{ ...key, order: { frozen: false, ask: true } }]);
    await records.asked(key);
    t.equal(await records.findOrder(repository, tag), undefined);
  });

  t.test(`${name} gives orders as a whole or not at all`, async (t) => {
    const records = await opened(t);
    const broken = { frozen: true, digest: Symbol('none') } as unknown as TagOrder;
    const orders = [
      { ...key, order: { frozen: true } },
      { repository, tag: 'broken', order: broken },
    ];
    await t.rejects(records.giveOrders(orders));
    t.equal(await records.findOrder(repository, tag), undefined);
  });

  t.test(`${name} lists tags by name, with pin and order`, async (t) => {
    const records = await opened(t);
    await records.arrive(arrival(one, 1000));
    const early = { repository: parseRepository('a.example', 'app'), tag: 'v1' };
    await records.giveOrders([{ ...early, order: { frozen: true, digest: two } }]);
    t.match(await records.listTags(), [
      { ...early, order: { digest: two }, pin: undefined },
      { ...key, pin: { digest: one }, order: undefined },
    ]);
  });
}
