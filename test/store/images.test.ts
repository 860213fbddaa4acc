/** Room is made by images: the one pulled least recently goes, with all that no other image needs. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t, { type Test } from 'tap';
import type { Digest } from '../../src/oci/digest.ts';
import { boundBlobStore } from '../../src/store/bounded-blob-store.ts';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { openSqliteUsage } from '../../src/store/sqlite-usage.ts';
import type { Pull, Usage } from '../../src/store/usage.ts';
import { holdTimers } from '../helpers/hold-timers.ts';
import {
  arrive,
  fill,
  kept,
  kilobytes,
  openBounded,
  use,
  type Bounded,
  type BoundedOptions,
  type Named,
} from './bounded.ts';
import { turns, type Content } from './sources.ts';
import { testdir } from '../helpers/testdir.ts';

const MAX = 1_000_000;
const MINUTE = 60_000;

/** A manifest of some thousand bytes, its number. */
const manifest = (number: number): Content => kilobytes(2, number);

/** Keeps a manifest and all that it names, as a pull does. */
async function pull(
  bounded: Bounded,
  name: string,
  image: Content,
  ...members: readonly Content[]
): Promise<void> {
  const { store } = bounded;
  await store.put(image.digest, image.bytes);
  store.link(image.digest, digestsOf(members));
  tell(bounded, name, image, ...members);
  for (const member of members) {
    if (!(await use(bounded, member))) await fill(bounded, member);
  }
  await store.settled();
}

function tell(
  { store, time }: Bounded,
  name: string,
  { digest, bytes }: Content,
  ...members: readonly Content[]
): void {
  store.pulled({ digest, bytes, name, members: () => digestsOf(members) });
  // What waits is written, and room is made.
  time.now += MINUTE;
}

const digestsOf = (contents: readonly Content[]): readonly Digest[] =>
  contents.map(({ digest }) => digest);

function test(
  sentence: string,
  body: (t: Test, bounded: Bounded, folder: string) => Promise<void>,
  options: BoundedOptions = {},
): void {
  t.test(sentence, async (t) => {
    const folder = testdir(t);
    const bounded = await openBounded(folder, MAX, options);
    try {
      await body(t, bounded, folder);
    } finally {
      await bounded.store.close();
    }
  });
}

test('the image pulled least recently goes as a whole', async (t, bounded, folder) => {
  const [A, B, C] = [manifest(1), manifest(2), manifest(3)];
  const [a1, a2, b, c] = [kilobytes(200), kilobytes(150), kilobytes(300), kilobytes(400)];
  const named: Named = { A, a1, a2, B, b, C, c };
  await pull(bounded, 'r/a:1', A, a1, a2);
  await pull(bounded, 'r/b:1', B, b);
  // Reading one of its layers is no pull, whoever asks.
  t.ok(await use(bounded, a1));
  tell(bounded, 'r/a:1', A, a1, a2);
  await pull(bounded, 'r/c:1', C, c);
  t.equal(kept(folder, named), 'A a1 a2 C c');
  t.match(bounded.log, [{ level: 'info', details: { images: 1, blobs: 2, bytes: 302_000 } }]);
  t.ok(await use(bounded, a2));
  await pull(bounded, 'r/b:1', B, b);
  t.equal(kept(folder, named), 'B b C c', 'the small with the large');
});

test('what another image needs stays', async (t, bounded, folder) => {
  const [A, B, C] = [manifest(1), manifest(2), manifest(3)];
  const [base, a, b, c] = [kilobytes(200), kilobytes(150), kilobytes(250), kilobytes(420)];
  const named: Named = { A, B, C, base, a, b, c };
  await pull(bounded, 'r/a:1', A, base, a);
  await pull(bounded, 'r/b:1', B, base, b);
  await pull(bounded, 'r/c:1', C, c);
  t.equal(kept(folder, named), 'B C base b c');
  const d = kilobytes(300, 77);
  await pull(bounded, 'r/d:1', manifest(4), d);
  t.equal(kept(folder, { ...named, d }), 'C c d', 'and goes with the last of them');
});

test('an index goes with its platforms, and a pull of one of these is a pull of it', async (t, bounded, folder) => {
  const [I, amd64, arm64, B] = [manifest(1), manifest(2), manifest(3), manifest(4)];
  const [x, y, b, c] = [kilobytes(200), kilobytes(200, 7), kilobytes(300), kilobytes(400)];
  const named: Named = { I, amd64, arm64, x, y, B, b, c };
  await pull(bounded, 'r/i:1', I, amd64, arm64);
  await pull(bounded, 'r/i@amd64', amd64, x);
  await pull(bounded, 'r/i@arm64', arm64, y);
  await pull(bounded, 'r/b:1', B, b);
  tell(bounded, 'r/i@arm64', arm64, y);
  await pull(bounded, 'r/c:1', manifest(5), c);
  t.equal(kept(folder, named), 'I amd64 arm64 x y c');
  await pull(bounded, 'r/b:1', B, b);
  t.equal(kept(folder, named), 'B b c');
});

test('nothing of an image that is being read goes', async (t, bounded, folder) => {
  const [A, B] = [manifest(1), manifest(2)];
  const [a1, a2, b, c] = [kilobytes(200), kilobytes(150), kilobytes(300), kilobytes(400)];
  const named: Named = { A, a1, a2, B, b, c };
  await pull(bounded, 'r/a:1', A, a1, a2);
  const reader = await bounded.store.open(a2.digest, a2.size);
  await pull(bounded, 'r/b:1', B, b);
  await pull(bounded, 'r/c:1', manifest(3), c);
  t.equal(kept(folder, named), 'A a1 a2 c');
  await reader?.close();
  await bounded.store.settled();
  await pull(bounded, 'r/b:1', B, b);
  t.equal(kept(folder, named), 'B b c');
});

test(
  'what the operator keeps stays, however old',
  async (t, bounded, folder) => {
    const [A, B] = [manifest(1), manifest(2)];
    const [a, b, c] = [kilobytes(300), kilobytes(350), kilobytes(400)];
    const named: Named = { A, a, B, b, c };
    await pull(bounded, 'r/keep:1', A, a);
    await pull(bounded, 'r/b:1', B, b);
    await pull(bounded, 'r/c:1', manifest(3), c);
    t.equal(kept(folder, named), 'A a c');
    await pull(bounded, 'r/keep:2', B, b);
    t.equal(kept(folder, named), 'A a B b', 'also when another could only go at once');
    t.notMatch(bounded.log, [{ level: 'warn' }]);
    const [D, d] = [manifest(4), kilobytes(320, 9)];
    await pull(bounded, 'r/keep:3', D, d);
    t.equal(kept(folder, { ...named, D, d }), 'A a B b D d');
    const warnings = bounded.log.filter(({ level }) => level === 'warn');
    t.match(warnings, [{ message: /cache\.keep .* too little room/, details: { maxBytes: MAX } }]);
    // The tag moved on: the old one is kept by nobody.
    tell(bounded, 'r/other:1', D, d);
    await pull(bounded, 'r/keep:3', A, a);
    await fill(bounded, kilobytes(1, 5));
    await bounded.store.settled();
    t.equal(kept(folder, { ...named, D, d }), 'A a B b');
  },
  { isKept: (name) => name.startsWith('r/keep') },
);

test(
  'a tag keeps its image though it is pulled by digest right after',
  async (t, bounded, folder) => {
    const A = manifest(1);
    const [a, b, c] = [kilobytes(300), kilobytes(350), kilobytes(400)];
    const { store } = bounded;
    for (const name of ['r/keep:1', 'r/a@sha256:1']) {
      store.pulled({ digest: A.digest, bytes: A.bytes, name, members: () => [a.digest] });
    }
    await pull(bounded, 'r/a@sha256:1', A, a);
    await pull(bounded, 'r/b:1', manifest(2), b);
    await pull(bounded, 'r/c:1', manifest(3), c);
    t.equal(kept(folder, { A, a, b, c }), 'A a c');
  },
  { isKept: (name) => name === 'r/keep:1' },
);

test('content in a circle goes like any other', async (t, bounded, folder) => {
  const [A, B] = [manifest(1), manifest(2)];
  const [a, b, c] = [kilobytes(300), kilobytes(300, 7), kilobytes(400)];
  await pull(bounded, 'r/a:1', A, a);
  await pull(bounded, 'r/b:1', B, b);
  bounded.store.link(A.digest, [B.digest, A.digest]);
  bounded.store.link(B.digest, [A.digest]);
  bounded.store.link(a.digest, [A.digest]);
  await pull(bounded, 'r/c:1', manifest(3), c);
  t.equal(kept(folder, { A, B, a, b, c }), 'c');
});

test('what is attached goes with its image, unless it is an image', async (t, bounded, folder) => {
  const [A, B, S] = [manifest(1), manifest(2), manifest(7)];
  const [a, b, sbom, c] = [kilobytes(200), kilobytes(300), kilobytes(100), kilobytes(420)];
  const named: Named = { A, a, S, sbom, B, b, c };
  await pull(bounded, 'r/b:1', B, b);
  await bounded.store.put(S.digest, S.bytes);
  await fill(bounded, sbom);
  // Anybody may attach anything: an image that was pulled, one that will be, and the image itself.
  for (const content of [S, sbom, B, A]) bounded.store.attach(A.digest, content.digest);
  await pull(bounded, 'r/a:1', A, a);
  await pull(bounded, 'r/c:1', manifest(3), c);
  t.equal(kept(folder, named), 'A a S sbom c', 'the older image goes');
  bounded.store.attach(A.digest, B.digest);
  await pull(bounded, 'r/b:1', B, b);
  t.equal(kept(folder, named), 'B b c', 'all that is attached goes');
  t.equal(bounded.usage.sizeOf(S.digest), 0);
});

test('an image that was attached before it was pulled is one', async (t, bounded, folder) => {
  const [A, B] = [manifest(1), manifest(2)];
  const [a, b, c] = [kilobytes(200), kilobytes(300), kilobytes(460)];
  bounded.store.attach(A.digest, B.digest);
  await pull(bounded, 'r/b:1', B, b);
  await pull(bounded, 'r/a:1', A, a);
  await pull(bounded, 'r/c:1', manifest(3), c);
  t.equal(kept(folder, { A, a, B, b, c }), 'A a c');
});

test('of a thousand attachments those beyond go for themselves', async (t, bounded) => {
  const A = manifest(1);
  const { usage } = bounded;
  await pull(bounded, 'r/a:1', A, kilobytes(10));
  for (let number = 0; number < 1030; number++) {
    usage.attach(A.digest, kilobytes(1, number).digest);
  }
  const { blobs } = usage.graph(A.digest);
  t.equal(blobs.length, 1024, 'so many are looked at');
  const next = usage.oldest(false, undefined);
  t.equal(next?.digest, kilobytes(1, 1024).digest);
});

test('an image too large to be looked at as a whole goes in parts', async (t, bounded) => {
  const { usage } = bounded;
  const I = manifest(1);
  const children = Array.from({ length: 6 }, (_, number) => manifest(10 + number));
  usage.link(I.digest, digestsOf(children));
  const digest = (number: number): Digest => {
    const hex = createHash('sha256').update(String(number)).digest('hex');
    return `sha256:${hex}` as Digest;
  };
  for (const [at, child] of children.entries()) {
    usage.link(
      child.digest,
      Array.from({ length: 1000 }, (_, number) => digest(at * 1000 + number)),
    );
  }
  let rounds = 0;
  for (let next = usage.oldest(false, undefined); next !== undefined && rounds < 6100; rounds++) {
    t.ok(usage.graph(next.digest).blobs.length <= 1024);
    usage.unlink(next.digest);
    next = usage.oldest(false, undefined);
  }
  t.ok(rounds >= 6 && rounds < 6100, `${rounds} rounds`);
  t.equal(usage.oldest(false, undefined), undefined);
  t.equal(usage.oldest(true, undefined), undefined);
});

test('one of many names keeps an image', async (t, { usage }) => {
  const A = manifest(1);
  usage.link(A.digest, [kilobytes(10).digest]);
  const names = Array.from({ length: 3000 }, (_, number) => `r/a:${number}`);
  usage.pulled(new Map([[A.digest, { use: 1, names: new Set(names), at: 5 }]]));
  t.strictSame(
    [...usage.graph(A.digest).pulls].map(({ name }) => name),
    names.sort(),
  );
  usage.unlink(A.digest);
  t.strictSame([...usage.graph(A.digest).pulls], []);
});

test('an image that is there again, or arrives, stays an image', async (t, { usage }) => {
  const [A, a] = [manifest(1), kilobytes(10)];
  for (const kind of ['kept', 'arriving'] as const) {
    usage.link(A.digest, [a.digest]);
    usage.write(new Map([[A.digest, { kind, size: A.size, use: 1 }]]), MAX);
    usage.unlink(A.digest);
    t.equal(usage.graph(A.digest).blobs.length, 2, kind);
  }
});

test('nothing goes for what the upstream does not have', async (t, bounded, folder) => {
  const [a, b] = [kilobytes(400), kilobytes(450)];
  for (const each of [a, b]) await fill(bounded, each);
  const { digest } = kilobytes(500);
  const source = () => Promise.reject(new Error('no such blob'));
  await t.rejects(bounded.store.fill(digest, { size: 500_000, source }));
  await bounded.store.settled();
  t.equal(kept(folder, { a, b }), 'a b');
});

test('an image served from memory after it went is kept again', async (t, bounded, folder) => {
  const A = manifest(1);
  const [a, b, c] = [kilobytes(300), kilobytes(350), kilobytes(400)];
  const named: Named = { A, a, b, c };
  await pull(bounded, 'r/a:1', A, a);
  await pull(bounded, 'r/b:1', manifest(2), b);
  await pull(bounded, 'r/c:1', manifest(3), c);
  t.equal(kept(folder, named), 'b c');
  tell(bounded, 'r/a:1', A, a);
  await fill(bounded, a);
  await bounded.store.settled();
  t.equal(kept(folder, named), 'A a c');
  await pull(bounded, 'r/b:1', manifest(2), b);
  await pull(bounded, 'r/c:1', manifest(3), c);
  t.equal(kept(folder, named), 'b c', 'as an image');
});

test('an image whose removal was cut off is removed the next time', async (t, bounded, folder) => {
  const A = manifest(1);
  const [a1, a2, b] = [kilobytes(300), kilobytes(150), kilobytes(480)];
  await pull(bounded, 'r/a:1', A, a1, a2);
  await bounded.store.remove(a1.digest);
  await bounded.store.remove(A.digest);
  t.equal(kept(folder, { A, a1, a2 }), 'a2');
  await pull(bounded, 'r/b:1', manifest(2), b);
  await pull(bounded, 'r/c:1', manifest(3), kilobytes(400));
  t.equal(kept(folder, { A, a1, a2, b }), 'b');
});

t.test('what is pulled all the time goes neither, and ends the run', async (t) => {
  const folder = testdir(t);
  const [A, a] = [manifest(1), kilobytes(980)];
  const database = await openSqliteUsage({ file: ':memory:' });
  let hot = false;
  const usage: Usage = {
    summary: (largest) => database.summary(largest),
    list: (after, limit) => database.list(after, limit),
    arriving: () => database.arriving(),
    oldest: (small, after) => database.oldest(small, after),
    write: (changes, largest) => database.write(changes, largest),
    link: (image, members) => {
      database.link(image, members);
    },
    attach: (image, content) => {
      database.attach(image, content);
    },
    sizeOf: (digest) => database.sizeOf(digest),
    pulled(pulls) {
      const missing = database.pulled(pulls);
      const { digest, bytes } = A;
      if (hot) bounded.store.pulled({ digest, bytes, name: 'r/a:1', members: () => [a.digest] });
      return missing;
    },
    graph: (root) => database.graph(root),
    unlink: (root) => {
      database.unlink(root);
    },
    close: () => {
      database.close();
    },
  };
  const bounded = await openBounded(folder, 1_200_000, { usage });
  await pull(bounded, 'r/a:1', A, a);
  hot = true;
  tell(bounded, 'r/a:1', A, a);
  const reader = await arrive(bounded, kilobytes(190));
  await bounded.store.settled();
  t.equal(kept(folder, { A, a }), 'A a');
  hot = false;
  await reader.close();
  await bounded.store.close();
});

t.test('pulls that wait take no more memory than they may', async (t) => {
  const bounded = await openBounded(testdir(t), MAX);
  t.teardown(() => bounded.store.close());
  const bytes = Buffer.alloc(4 * 2 ** 20);
  let written = 0;
  const { usage } = bounded;
  const pulled = usage.pulled.bind(usage);
  Object.assign(usage, {
    pulled(pulls: ReadonlyMap<Digest, Pull>) {
      written += pulls.size;
      return pulled(pulls);
    },
  });
  for (let number = 0; number < 20; number++) {
    const { digest } = kilobytes(1, number);
    bounded.store.pulled({ digest, bytes, name: `r/${number}:1`, members: () => [] });
  }
  await turns();
  t.equal(written, 8, 'the ninth waits for nobody');
});

t.test('a pull after which nothing happens is written in a minute', async (t) => {
  const timers = holdTimers(t, MINUTE);
  const bounded = await openBounded(testdir(t), MAX);
  t.teardown(() => bounded.store.close());
  const A = manifest(1);
  await bounded.store.put(A.digest, A.bytes);
  bounded.store.link(A.digest, [kilobytes(10).digest]);
  bounded.store.pulled({ digest: A.digest, bytes: A.bytes, name: 'r/a:1', members: () => [] });
  t.strictSame([...bounded.usage.graph(A.digest).pulls], []);
  timers.run();
  await turns();
  t.match([...bounded.usage.graph(A.digest).pulls], [{ name: 'r/a:1' }]);
});

t.test('the books of before are carried over', async (t) => {
  const folder = testdir(t);
  const file = join(folder, 'usage.sqlite');
  const blob = kilobytes(100);
  const old = new DatabaseSync(file);
  old.exec(`CREATE TABLE blobs (
     digest TEXT NOT NULL UNIQUE,
     size INTEGER NOT NULL,
     small INTEGER NOT NULL,
     used INTEGER NOT NULL,
     arriving INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX blobs_by_use ON blobs (small, used, size);
   CREATE INDEX blobs_arriving ON blobs (arriving) WHERE arriving = 1;
   INSERT INTO blobs VALUES ('${blob.digest}', ${blob.size}, 0, 7, 0);
   PRAGMA application_id = 1668507502; PRAGMA user_version = 1;`);
  old.close();
  const usage = await openSqliteUsage({ file });
  t.match(usage.summary(MAX), { bytes: blob.size, lastUse: 7 });
  t.match(usage.oldest(false, undefined), { digest: blob.digest, use: 7 });
  usage.close();
});

t.test('belonging together outlives the process', async (t) => {
  const folder = testdir(t);
  const [A, a] = [manifest(1), kilobytes(400)];
  const first = await openBounded(folder, MAX);
  await pull(first, 'r/a:1', A, a);
  await first.store.close();
  const second = await openBounded(folder, MAX);
  t.teardown(() => second.store.close());
  await pull(second, 'r/b:1', manifest(2), kilobytes(300));
  await pull(second, 'r/c:1', manifest(3), kilobytes(350));
  t.equal(kept(folder, { A, a }), '');
});

t.test('one of two images used at the same moment is not forgotten', async (t) => {
  const disk = await openDiskBlobStore({ path: testdir(t) });
  const usage = await openSqliteUsage({ file: ':memory:' });
  const [I, J, M] = [manifest(1), manifest(2), manifest(3)];
  const changes = [I, J, M].map(
    ({ digest, size }, use) => [digest, { kind: 'kept', size, use }] as const,
  );
  usage.write(new Map(changes), MAX);
  usage.link(I.digest, [M.digest]);
  usage.link(J.digest, [M.digest]);
  usage.pulled(new Map([[M.digest, { use: 9, names: new Set(['r/m:1']), at: 0 }]]));
  const first = usage.oldest(false, undefined);
  const second = usage.oldest(false, first);
  t.strictSame(new Set([first?.digest, second?.digest]), new Set([I.digest, J.digest]));
  t.strictSame([first?.use, second?.use], [9, 9]);
  t.equal(usage.oldest(false, second), undefined);
  const logger = { info: () => undefined, warn: () => undefined };
  const store = await boundBlobStore(disk, { maxBytes: MAX, usage, clock: () => 0, logger });
  await store.close();
});

t.test('a reader that arrives late finds the books in order', async (t) => {
  const bounded = await openBounded(testdir(t), MAX);
  t.teardown(() => bounded.store.close());
  const a = kilobytes(100);
  await (await arrive(bounded, a)).close();
  const { blobs, pulls } = bounded.usage.graph(a.digest);
  t.match(blobs, [{ digest: a.digest }]);
  t.strictSame([...pulls], []);
});
