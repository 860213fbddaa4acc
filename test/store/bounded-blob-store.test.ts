import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { openSqliteUsage } from '../../src/store/sqlite-usage.ts';
import type { Usage } from '../../src/store/usage.ts';
import { blobStoreConformance } from '../ports/blob-store.ts';
import { arrive, fill, kept, kilobytes, openBounded, use, type Bounded } from './bounded.ts';
import {
  HandFedSource,
  noSource,
  openDescriptors,
  readAndClose,
  readFrom,
  someContent,
  sourceOf,
  turns,
  until,
} from './sources.ts';
import { testdir } from '../helpers/testdir.ts';

blobStoreConformance('a bounded store', async (t: Test) => {
  return (await openBounded(testdir(t), 10_000_000)).store;
});
blobStoreConformance('a bounded store that just has the room', async (t: Test) => {
  return (await openBounded(testdir(t), 340_000)).store;
});

const a = kilobytes(100, 1);
const b = kilobytes(100, 2);
const c = kilobytes(100, 3);
const d = kilobytes(100, 4);
const large = { a, b, c, d };
/** Room for three of these, of which a fourth takes one away. */
const MAX = 360_000;

function test(sentence: string, body: (t: Test, folder: string) => Promise<void>): void {
  t.test(sentence, async (t) => {
    const folder = testdir(t);
    await body(t, folder);
    t.equal(openDescriptors(folder), 0, 'no descriptor is left');
  });
}

test('removes what was used least recently, and says how much', async (t, folder) => {
  const bounded = await openBounded(folder, MAX);
  for (const each of [a, b, c]) await fill(bounded, each);
  t.equal(kept(folder, large), 'a b c');
  t.strictSame(bounded.log, []);
  t.ok(await use(bounded, a));
  await fill(bounded, d);
  t.equal(kept(folder, large), 'a c d');
  t.match(bounded.log, [
    { level: 'info', details: { blobs: 1, bytes: 100_000, left: 300_000, maxBytes: MAX } },
  ]);
  t.equal(bounded.log.length, 1);
  await bounded.store.close();
});

test('counts reading as a whole, following a fill and finding it complete as uses', async (t, folder) => {
  const bounded = await openBounded(folder, MAX);
  for (const each of [a, b, c]) await fill(bounded, each);
  t.ok(await bounded.store.get(a.digest, a.size));
  const options = { size: b.size, source: noSource };
  await readAndClose(await bounded.store.fill(b.digest, options));
  t.equal(await bounded.store.stat(c.digest), c.size, 'which is not a use');
  await fill(bounded, d);
  t.equal(kept(folder, large), 'a b d');
  await bounded.store.close();
});

test('makes room while a blob arrives, and does not make it wait', async (t, folder) => {
  const bounded = await openBounded(folder, MAX);
  for (const each of [a, b, c]) await fill(bounded, each);
  const fed = new HandFedSource();
  const reader = await bounded.store.fill(d.digest, { size: d.size, source: fed.source });
  await bounded.store.settled();
  t.equal(kept(folder, large), 'b c');
  fed.feed(d.bytes);
  fed.end();
  t.ok((await readAndClose(reader)).equals(d.bytes));
  await bounded.store.close();
});

test('gives room back when a fill fails', async (t, folder) => {
  const bounded = await openBounded(folder, MAX);
  for (const each of [a, b]) await fill(bounded, each);
  await t.rejects(bounded.store.fill(c.digest, { size: c.size, source: noSource }));
  const wrong = { size: c.size, source: sourceOf(d.bytes) };
  await t.rejects(bounded.store.fill(c.digest, wrong).then(readAndClose));
  await t.rejects(bounded.store.put(c.digest, d.bytes));
  await bounded.store.settled();
  await fill(bounded, d);
  t.equal(kept(folder, large), 'a b d');
  t.strictSame(bounded.log, []);
  await bounded.store.close();
});

test('removes small content only when all large content went', async (t, folder) => {
  const bounded = await openBounded(folder, MAX);
  const named = { ...large, m: kilobytes(1), n: kilobytes(2), o: kilobytes(60), p: kilobytes(63) };
  const { m, n, o, p } = named;
  await bounded.store.put(m.digest, m.bytes);
  await bounded.store.put(n.digest, n.bytes);
  for (const each of [a, b, c, d]) await fill(bounded, each);
  t.equal(kept(folder, named), 'b c d m n', 'the oldest are small');
  for (const each of [o, p]) {
    await bounded.store.put(each.digest, each.bytes);
    await bounded.store.settled();
  }
  t.equal(kept(folder, named), 'c d m n o p');
  await bounded.store.close();

  const tiny = await openBounded(folder, 130_000);
  await tiny.store.settled();
  t.equal(kept(folder, named), 'p', 'then the small, in their order');
  await tiny.store.close();
});

test('keeps the order and the count over a restart', async (t, folder) => {
  const before = await openBounded(folder, MAX);
  for (const each of [a, b, c]) await fill(before, each);
  t.ok(await use(before, a));
  await before.store.close();
  const after = await openBounded(folder, MAX);
  t.ok(await use(after, b));
  await fill(after, d);
  t.equal(kept(folder, large), 'a b d');
  await after.store.close();
  const smaller = await openBounded(folder, 120_000);
  await smaller.store.settled();
  t.equal(kept(folder, large), 'd', 'a smaller size is kept from the start');
  await smaller.store.close();
});

/** What a kill leaves: everything on the disk, nothing of what was in memory. */
async function kill({ inner, usage }: Bounded): Promise<void> {
  await inner.close();
  usage.close();
}

test('knows after a kill every blob that is there, and none that is not', async (t, folder) => {
  const before = await openBounded(folder, MAX);
  for (const each of [a, b]) await fill(before, each);
  const fed = new HandFedSource();
  await before.store.fill(c.digest, { size: c.size, source: fed.source });
  fed.feed(c.bytes.subarray(0, 50_000));
  await before.store.fill(c.digest, { size: c.size, source: noSource });
  before.time.now += 60_000;
  t.ok(await use(before, b), 'whereupon everything known is written down');
  await turns();
  await before.store.put(someContent(0).digest, someContent(0).bytes);
  await kill(before);
  const after = await openBounded(folder, MAX);
  await fill(after, d);
  t.equal(kept(folder, large), 'a b d', 'the half-written one does not count');
  await fill(after, c);
  t.equal(kept(folder, large), 'b c d', 'those that were written do');
  await after.store.close();
});

test('loses at a kill no more than a minute of the order', async (t, folder) => {
  const before = await openBounded(folder, MAX);
  for (const each of [a, b, c]) await fill(before, each);
  t.ok(await use(before, a));
  before.time.now += 60_000;
  t.ok(await use(before, b));
  await turns();
  t.ok(await use(before, c));
  t.ok(await use(before, a));
  await kill(before);
  const after = await openBounded(folder, 240_000);
  await after.store.settled();
  t.equal(kept(folder, large), 'a b');
  await after.store.close();
});

test('counts what was there before the books when it is read', async (t, folder) => {
  const disk = await openDiskBlobStore({ path: folder });
  for (const { digest, bytes } of [a, b, c]) await disk.put(digest, bytes);
  await disk.close();
  const bounded = await openBounded(folder, MAX);
  for (const each of [b, a]) t.ok(await use(bounded, each));
  t.ok(await bounded.store.get(c.digest, c.size));
  await fill(bounded, d);
  t.equal(kept(folder, large), 'a b c d', 'nothing is written yet');
  bounded.time.now += 60_000;
  t.ok(await use(bounded, d));
  await turns();
  await bounded.store.settled();
  t.equal(kept(folder, large), 'a c d');
  await bounded.store.close();
});

test('begins anew when its database is no database', async (t, folder) => {
  writeFileSync(join(folder, 'usage.sqlite'), 'not a database, but long enough: '.repeat(100));
  const bounded = await openBounded(folder, MAX);
  t.match(bounded.log, [{ level: 'warn', message: /learned anew/ }]);
  for (const each of [a, b, c, d]) await fill(bounded, each);
  t.equal(kept(folder, large), 'b c d');
  await bounded.store.close();
  const again = await openBounded(folder, MAX);
  t.strictSame(again.log, []);
  await fill(again, a);
  t.equal(kept(folder, large), 'a c d');
  await again.store.close();
});

test('keeps its books in memory where no file can be', async (t, folder) => {
  const warnings: string[] = [];
  const logger = { warn: (_: object, message: string) => warnings.push(message) };
  const usage = await openSqliteUsage({ file: join(folder, 'missing', 'usage.sqlite'), logger });
  const bounded = await openBounded(folder, MAX, { usage });
  t.equal(warnings.length, 1);
  for (const each of [a, b, c, d]) await fill(bounded, each);
  t.equal(kept(folder, large), 'b c d');
  await bounded.store.close();
});

test('reads and fills though nothing can be written down', async (t, folder) => {
  const fails = (): never => {
    throw new Error('database or disk is full');
  };
  const usage = {
    summary: fails,
    list: fails,
    arriving: fails,
    oldest: fails,
    write: fails,
    link: fails,
    attach: fails,
    sizeOf: fails,
    pulled: fails,
    graph: fails,
    unlink: fails,
    close: fails,
  };
  const bounded = await openBounded(folder, MAX, { usage });
  for (const each of [a, b, c, d]) {
    await fill(bounded, each);
    t.ok(await use(bounded, each));
    await bounded.store.put(each.digest, each.bytes);
    t.ok(await bounded.store.get(each.digest, each.size));
  }
  t.match(bounded.log, [{ level: 'warn', details: { err: /disk is full/ } }]);
  t.equal(bounded.log.length, 1, 'which is said once');
  await bounded.store.close();
});

test('removes no more than it must though a removal cannot be written down', async (t, folder) => {
  const database = await openSqliteUsage({ file: ':memory:' });
  const disk = { full: true };
  const usage: Usage = {
    summary: (largest) => database.summary(largest),
    list: (after, limit) => database.list(after, limit),
    arriving: () => database.arriving(),
    oldest: (small, after) => database.oldest(small, after),
    write: (changes, largest) => {
      const removes = [...changes.values()].some(({ kind }) => kind === 'gone');
      if (removes && disk.full) throw new Error('database or disk is full');
      return database.write(changes, largest);
    },
    link: (manifest, members) => {
      database.link(manifest, members);
    },
    attach: (image, content) => {
      database.attach(image, content);
    },
    sizeOf: (digest) => database.sizeOf(digest),
    pulled: (pulls) => database.pulled(pulls),
    graph: (root) => database.graph(root),
    unlink: (root) => {
      database.unlink(root);
    },
    close: () => {
      database.close();
    },
  };
  const bounded = await openBounded(folder, MAX, { usage });
  for (const each of [a, b, c, d]) await fill(bounded, each);
  t.equal(kept(folder, large), 'b c d');
  await fill(bounded, a);
  t.equal(kept(folder, large), 'a c d');
  disk.full = false;
  await fill(bounded, b);
  t.equal(kept(folder, large), 'a b d');
  t.equal(bounded.log.filter(({ level }) => level === 'warn').length, 1);
  await bounded.store.close();
});

test('serves what is larger than everything it may keep, and removes that first', async (t, folder) => {
  const bounded = await openBounded(folder, MAX);
  const huge = kilobytes(500);
  const named = { ...large, huge };
  for (const each of [a, b, c]) await fill(bounded, each);
  const first = await arrive(bounded, huge);
  t.ok((await readFrom(first)).equals(huge.bytes));
  const second = await bounded.store.fill(huge.digest, { size: huge.size, source: noSource });
  await first.close();
  await bounded.store.settled();
  t.equal(kept(folder, named), 'a b c huge', 'while somebody reads it');
  t.ok((await readAndClose(second)).equals(huge.bytes));
  await bounded.store.settled();
  t.equal(kept(folder, named), 'a b c');
  t.equal(bounded.log.length, 1);
  await fill(bounded, huge);
  await bounded.store.close();

  const before = await openBounded(folder, 10_000_000);
  await fill(before, huge);
  await before.store.close();
  const after = await openBounded(folder, MAX);
  await after.store.settled();
  t.equal(kept(folder, named), 'a b c', 'also when it was not too large before');
  await after.store.close();
});

test('removes nothing that is being read, whatever comes', async (t, folder) => {
  const bounded = await openBounded(folder, MAX);
  for (const each of [a, b, c]) await fill(bounded, each);
  const readers = await Promise.all(
    [a, b].map((each) => bounded.store.open(each.digest, each.size)),
  );
  const started = Buffer.alloc(10);
  await readers[0]?.read(started, 0);
  for (let number = 10; number < 20; number++) await fill(bounded, kilobytes(100, number));
  t.equal(kept(folder, large), 'a b');
  t.ok(readers[0] && (await readFrom(readers[0])).equals(a.bytes));
  for (const reader of readers) await reader?.close();
  await fill(bounded, c);
  await fill(bounded, d);
  t.equal(kept(folder, large), 'c d', 'they went as soon as they could');
  await bounded.store.close();
});

test('goes back under its size when the last readers leave', async (t, folder) => {
  const bounded = await openBounded(folder, MAX);
  const m = kilobytes(1);
  await bounded.store.put(m.digest, m.bytes);
  const readers = [];
  for (const each of [a, b, c, d]) readers.push(await arrive(bounded, each));
  await bounded.store.settled();
  t.equal(kept(folder, { ...large, m }), 'a b c d m', 'nothing is lost for what is only in use');
  for (const reader of readers) await reader.close();
  await bounded.store.settled();
  t.equal(kept(folder, { ...large, m }), 'b c d m');
  await bounded.store.close();
});

test('fills anew what it removed, once for all who ask while it goes', async (t, folder) => {
  const removal = Promise.withResolvers<boolean>();
  const going = Promise.withResolvers<boolean>();
  const bounded = await openBounded(folder, MAX, {
    remove: async (digest, disk) => {
      going.resolve(true);
      await removal.promise;
      await disk.remove(digest);
    },
  });
  for (const each of [a, b, c]) await fill(bounded, each);
  const making = fill(bounded, d);
  await going.promise;
  let asked = 0;
  const ask = async (): Promise<boolean> => {
    const { bytes, digest, size } = a;
    const source = (...from: Parameters<typeof noSource>) => {
      asked++;
      return sourceOf(bytes)(...from);
    };
    const found = await bounded.store.open(digest, size);
    const reader = found ?? (await bounded.store.fill(digest, { size, source }));
    return (await readAndClose(reader)).equals(bytes);
  };
  const asking = [ask(), ask(), ask()];
  await turns();
  removal.resolve(true);
  t.strictSame(await Promise.all(asking), [true, true, true]);
  t.equal(asked, 1);
  await making;
  await bounded.store.settled();
  t.equal(kept(folder, large), 'a c d');
  await bounded.store.close();
});

test('keeps within its size when many fill at once', async (t, folder) => {
  const bounded = await openBounded(folder, 1_000_000);
  const contents = Array.from({ length: 40 }, (_, number) => kilobytes(70 + number, number));
  await Promise.all(
    [...contents, ...contents.slice(0, 20)].map(async ({ bytes, digest, size }) => {
      const reader = await bounded.store.fill(digest, { size, source: sourceOf(bytes) });
      t.ok((await readAndClose(reader)).equals(bytes));
    }),
  );
  await until(async () => {
    await bounded.store.settled();
    const sizes = await Promise.all(contents.map(({ digest }) => bounded.store.stat(digest)));
    const sum = sizes.reduce<number>((total, size) => total + (size ?? 0), 0);
    return sum <= 950_000 && sum > 700_000;
  });
  await bounded.store.close();
  t.equal(bounded.log.filter(({ level }) => level === 'warn').length, 0);
});

test('spares what is used while room is made', async (t, folder) => {
  const meanwhile: (() => Promise<boolean>)[] = [];
  const bounded = await openBounded(folder, MAX, {
    remove: async (digest, disk) => {
      await meanwhile.pop()?.();
      await disk.remove(digest);
    },
  });
  for (const each of [a, b, c]) await fill(bounded, each);
  meanwhile.push(() => use(bounded, b));
  await fill(bounded, kilobytes(140));
  t.equal(kept(folder, large), 'b', 'the one after it went in its place');
  await bounded.store.close();
});

test('makes room in the end though everything is used meanwhile', async (t, folder) => {
  const small = kilobytes(60);
  const before = await openBounded(folder, MAX);
  for (const each of [a, b, small]) await fill(before, each);
  await before.store.close();
  const meanwhile: (() => Promise<boolean>)[] = [];
  const bounded = await openBounded(folder, 120_000, {
    remove: async (digest, disk) => {
      await meanwhile.pop()?.();
      await disk.remove(digest);
    },
  });
  meanwhile.push(() => use(bounded, b));
  await bounded.store.settled();
  t.equal(kept(folder, { ...large, small }), 'small');
  await bounded.store.close();
});

test('goes on with others when one cannot be removed', async (t, folder) => {
  let refused = 0;
  const bounded = await openBounded(folder, MAX, {
    remove: (digest, disk) => {
      if (digest !== a.digest && digest !== b.digest) return disk.remove(digest);
      refused++;
      return Promise.reject(new Error('EPERM'));
    },
  });
  for (const each of [a, b, c, d]) await fill(bounded, each);
  t.equal(kept(folder, large), 'a b d');
  t.equal(refused, 2);
  t.match(bounded.log, [{ level: 'warn', details: { blobs: 1, failed: 2, err: /EPERM/ } }]);
  await bounded.store.close();
});

test('waits before it tries again when nothing can be removed', async (t, folder) => {
  let refused = 0;
  const bounded = await openBounded(folder, MAX, {
    remove: () => {
      refused++;
      return Promise.reject(new Error('EPERM'));
    },
  });
  for (const each of [a, b, c, d]) await fill(bounded, each);
  const before = refused;
  t.ok(before >= 3);
  await fill(bounded, kilobytes(100, 5));
  t.equal(refused, before);
  t.equal(bounded.log.length, 1);
  bounded.time.now += 60_000;
  await fill(bounded, kilobytes(100, 6));
  t.ok(refused > before);
  await bounded.store.close();
});
