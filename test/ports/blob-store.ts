/** What every implementation of BlobStore promises. */
import t, { type Test } from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import type { BlobSource, BlobStore } from '../../src/store/blob-store.ts';
import {
  HandFedSource,
  isPending,
  noSource,
  readAndClose,
  readFrom,
  someContent,
  sourceOf,
  turns,
} from '../store/sources.ts';

/** Runs the conformance tests; `open` gives a fresh, empty store that does not wait between attempts at a source. */
export function blobStoreConformance(name: string, open: (test: Test) => Promise<BlobStore>): void {
  function test(sentence: string, body: (t: Test, store: BlobStore) => Promise<void>): void {
    t.test(`${name} ${sentence}`, async (t) => {
      const store = await open(t);
      try {
        await body(t, store);
      } finally {
        // Not a teardown: tap removes the test's folder before it runs those.
        await store.close();
      }
    });
  }

  const large = someContent(300_000);
  const small = someContent(1000, 2);

  test('has nothing in the beginning', async (t, store) => {
    t.equal(await store.stat(small.digest), undefined);
    t.equal(await store.open(small.digest, small.size), undefined);
    t.equal(await store.get(small.digest, 10_000), undefined);
    await store.remove(small.digest);
  });

  test('gives back what was put', async (t, store) => {
    await store.put(small.digest, small.bytes);
    t.equal(await store.stat(small.digest), small.size);
    t.strictSame(await store.get(small.digest, small.size), small.bytes);
    const reader = await store.open(small.digest, small.size);
    t.ok(reader);
    if (reader) t.strictSame(await readAndClose(reader), small.bytes);
    await store.put(small.digest, small.bytes);
    t.equal(await store.stat(small.digest), small.size, 'putting it again changes nothing');
  });

  test('keeps nothing that is put under another digest', async (t, store) => {
    await t.rejects(store.put(large.digest, small.bytes), { code: 'digest-mismatch' });
    t.equal(await store.stat(large.digest), undefined);
  });

  test('keeps content under a sha512 digest', async (t, store) => {
    const digest = digestOf(small.bytes, 'sha512');
    await store.put(digest, small.bytes);
    t.strictSame(await store.get(digest, 10_000), small.bytes);
    const filled = digestOf(large.bytes, 'sha512');
    const reader = await store.fill(filled, { size: large.size, source: sourceOf(large.bytes) });
    t.ok((await readAndClose(reader)).equals(large.bytes));
  });

  test('keeps the empty blob', async (t, store) => {
    const empty = someContent(0);
    await store.put(empty.digest, empty.bytes);
    t.strictSame(await store.get(empty.digest, 10), empty.bytes);
    await store.remove(empty.digest);
    const reader = await store.fill(empty.digest, { size: 0, source: sourceOf(empty.bytes) });
    t.strictSame(await readAndClose(reader), empty.bytes);
  });

  test('says the end of an empty blob only after the proof', async (t, store) => {
    const reader = await store.fill(small.digest, { size: 0, source: sourceOf(Buffer.alloc(0)) });
    await t.rejects(readAndClose(reader), { code: 'digest-mismatch' });
  });

  test('gives no content larger than the bound', async (t, store) => {
    await store.put(small.digest, small.bytes);
    t.equal(await store.get(small.digest, small.size - 1), undefined);
    t.equal(await store.stat(small.digest), small.size, 'and does not take it for damage');
  });

  test('forgets what is removed, except for readers that have it open', async (t, store) => {
    await store.put(small.digest, small.bytes);
    const reader = await store.open(small.digest, small.size);
    await store.remove(small.digest);
    t.equal(await store.stat(small.digest), undefined);
    t.ok(reader);
    if (reader) t.strictSame(await readAndClose(reader), small.bytes);
  });

  test('reads a complete blob at any position', async (t, store) => {
    await store.put(large.digest, large.bytes);
    const reader = await store.open(large.digest, large.size);
    t.ok(reader);
    if (!reader) return;
    t.equal(reader.size, large.size);
    const target = Buffer.alloc(100);
    t.equal(await reader.read(target, 12_345), 100);
    t.strictSame(target, large.bytes.subarray(12_345, 12_445));
    t.equal(await reader.read(target, large.size - 10), 10);
    t.equal(await reader.read(target, large.size), 0);
    t.equal(await reader.read(target, large.size + 10), 0);
    await reader.close();
    await reader.close();
    await t.rejects(reader.read(target, 0), { code: 'closed' });
  });

  test('fills a blob and has it afterwards, without the source', async (t, store) => {
    const options = { size: large.size, source: sourceOf(large.bytes) };
    const first = await store.fill(large.digest, options);
    t.equal(first.size, large.size);
    t.ok((await readAndClose(first)).equals(large.bytes));
    const second = await store.fill(large.digest, { size: large.size, source: noSource });
    t.ok((await readAndClose(second)).equals(large.bytes));
  });

  test('opens one source for all who ask while it fills', async (t, store) => {
    const fed = new HandFedSource();
    const ask = (): Promise<Buffer> =>
      store.fill(large.digest, { size: large.size, source: fed.source }).then(readAndClose);
    const asked = [ask(), ask(), ask()];
    fed.feed(large.bytes.subarray(0, 100_000));
    asked.push(ask());
    t.ok(await isPending(Promise.any(asked)));
    asked.push(ask());
    fed.feed(large.bytes.subarray(100_000));
    asked.push(ask());
    fed.end();
    for (const bytes of await Promise.all(asked)) t.ok(bytes.equals(large.bytes));
    t.strictSame(fed.offsets, [0]);
  });

  test('gives readers of a filling blob what is there, and its end only after the proof', async (t, store) => {
    const fed = new HandFedSource();
    const reader = await store.fill(large.digest, { size: large.size, source: fed.source });
    const target = Buffer.alloc(1000);
    fed.feed(large.bytes.subarray(0, 5000));
    t.equal(await reader.read(target, 4000), 1000);
    t.strictSame(target, large.bytes.subarray(4000, 5000));
    const next = reader.read(target, 5000);
    t.ok(await isPending(next), 'waits for bytes that are not there');
    fed.feed(large.bytes.subarray(5000));
    t.equal(await next, 1000);
    const tail = reader.read(target, large.size - 1);
    const end = reader.read(Buffer.alloc(1), large.size);
    t.ok(await isPending(Promise.race([tail, end])), 'every byte is here, but nothing is proven');
    fed.end();
    t.equal(await tail, 1);
    t.equal(await end, 0);
    await reader.close();
  });

  test('rejects the reads of every reader when the digest does not match, and keeps nothing', async (t, store) => {
    const lie = Buffer.from(large.bytes);
    lie[large.size - 1] = (lie[large.size - 1] ?? 0) ^ 1;
    const options = { size: large.size, source: sourceOf(lie) };
    const readers = await Promise.all([1, 2, 3].map(() => store.fill(large.digest, options)));
    for (const reader of readers) {
      await t.rejects(readAndClose(reader), { name: 'FillError', code: 'digest-mismatch' });
    }
    t.equal(await store.stat(large.digest), undefined);
    const again = { size: large.size, source: sourceOf(large.bytes) };
    const reader = await store.fill(large.digest, again);
    t.ok((await readAndClose(reader)).equals(large.bytes), 'a later fill starts anew');
  });

  test('asks a failing source once and passes its reason on', async (t, store) => {
    const cause = new Error('no such blob upstream');
    const answer = Promise.withResolvers<never>();
    const wasAsked = Promise.withResolvers<undefined>();
    let asked = 0;
    const source = (): Promise<never> => {
      asked++;
      wasAsked.resolve(undefined);
      return answer.promise;
    };
    const options = { size: large.size, source };
    const first = store.fill(large.digest, options);
    await wasAsked.promise;
    const second = store.fill(large.digest, options);
    t.ok(await isPending(Promise.race([first, second])), 'both wait for the source');
    answer.reject(cause);
    for (const each of [first, second]) await t.rejects(each, { code: 'source-failed', cause });
    t.equal(asked, 1);
  });

  test('refuses a source that declares another size before a byte is read', async (t, store) => {
    const fed = new HandFedSource();
    fed.declared = large.size + 1;
    await t.rejects(store.fill(large.digest, { size: large.size, source: fed.source }), {
      code: 'size-mismatch',
    });
    t.ok(fed.signals[0]?.aborted);
  });

  test('ends a fill at the first byte too many', async (t, store) => {
    const fed = new HandFedSource();
    const reader = await store.fill(large.digest, { size: large.size, source: fed.source });
    fed.feed(large.bytes);
    fed.feed(Buffer.from('!'));
    await t.rejects(readAndClose(reader), { code: 'size-mismatch' });
    t.ok(fed.signals[0]?.aborted);
    t.equal(await store.stat(large.digest), undefined);
  });

  test('resumes where a source broke off, and where it ended early', async (t, store) => {
    const fed = new HandFedSource();
    const reader = await store.fill(large.digest, { size: large.size, source: fed.source });
    fed.feed(large.bytes.subarray(0, 70_000));
    fed.fail(new Error('connection reset'));
    fed.feed(large.bytes.subarray(70_000, 200_000));
    fed.end();
    fed.feed(large.bytes.subarray(200_000));
    fed.end();
    t.ok((await readAndClose(reader)).equals(large.bytes));
    t.strictSame(fed.offsets, [0, 70_000, 200_000]);
  });

  test('drops what a source repeats that starts over instead of resuming', async (t, store) => {
    const fed = new HandFedSource();
    fed.startsAt = 0;
    const reader = await store.fill(large.digest, { size: large.size, source: fed.source });
    fed.feed(large.bytes.subarray(0, 70_000));
    fed.fail(new Error('connection reset'));
    fed.feed(large.bytes.subarray(0, 50_000));
    fed.feed(large.bytes.subarray(50_000));
    fed.end();
    t.ok((await readAndClose(reader)).equals(large.bytes));
    t.strictSame(fed.offsets, [0, 70_000]);
  });

  test('takes no bytes of a source that leaves a gap', async (t, store) => {
    const fed = new HandFedSource();
    const reader = await store.fill(large.digest, { size: large.size, source: fed.source });
    fed.feed(large.bytes.subarray(0, 70_000));
    fed.fail(new Error('connection reset'));
    fed.startsAt = 80_000;
    await t.rejects(readAndClose(reader), { code: 'source-failed', message: /70000.*80000/ });
  });

  test('gives up a source that brings nothing any more', async (t, store) => {
    const fed = new HandFedSource();
    const reader = await store.fill(large.digest, { size: large.size, source: fed.source });
    fed.feed(large.bytes.subarray(0, 70_000));
    const causes = ['one', 'two', 'three', 'four'].map((text) => new Error(text));
    for (const cause of causes) fed.fail(cause);
    await t.rejects(readAndClose(reader), { code: 'source-failed', cause: causes[3] });
    t.strictSame(fed.offsets, [0, 70_000, 70_000, 70_000]);
  });

  test('refuses a blob that ends early every time', async (t, store) => {
    const fed = new HandFedSource();
    const reader = await store.fill(large.digest, { size: large.size, source: fed.source });
    fed.feed(large.bytes.subarray(0, -1));
    for (let time = 0; time < 4; time++) fed.end();
    await t.rejects(readAndClose(reader), { code: 'size-mismatch' });
  });

  test('serves a true size after one that lied, and lets no lie remove what is kept', async (t, store) => {
    const fed = new HandFedSource();
    const lying = await store.fill(large.digest, { size: large.size - 1, source: fed.source });
    const honest = store.fill(large.digest, { size: large.size, source: sourceOf(large.bytes) });
    fed.feed(large.bytes);
    await t.rejects(readAndClose(lying), { code: 'size-mismatch' });
    t.ok((await readAndClose(await honest)).equals(large.bytes));
    await t.rejects(store.fill(large.digest, { size: large.size + 1, source: noSource }), {
      code: 'size-mismatch',
    });
    t.equal(await store.open(large.digest, large.size + 1), undefined);
    t.equal(await store.stat(large.digest), large.size);
  });

  test('shows an inspection the whole content before it gives a reader', async (t, store) => {
    const fed = new HandFedSource();
    const seen: Buffer[] = [];
    const inspect = (bytes: Buffer): undefined => {
      seen.push(bytes);
    };
    const filling = store.fill(large.digest, { size: large.size, source: fed.source, inspect });
    fed.feed(large.bytes);
    t.ok(await isPending(filling));
    t.equal(seen.length, 0);
    fed.end();
    t.ok((await readAndClose(await filling)).equals(large.bytes));
    t.equal(seen.length, 1);
    t.ok(seen[0]?.equals(large.bytes));
  });

  test('inspects content that is complete or on its way already', async (t, store) => {
    const inspect = (): string => 'an image in disguise';
    const fed = new HandFedSource();
    const plain = await store.fill(large.digest, { size: large.size, source: fed.source });
    const joined = store.fill(large.digest, { size: large.size, source: noSource, inspect });
    fed.feed(large.bytes);
    fed.end();
    const refusal = { code: 'inspection-failed', message: 'an image in disguise' };
    await t.rejects(joined, refusal);
    t.ok((await readFrom(plain)).equals(large.bytes), 'who needs no inspection is not disturbed');
    await plain.close();
    await t.rejects(
      store.fill(large.digest, { size: large.size, source: noSource, inspect }),
      refusal,
    );
  });

  test('inspects nothing that is not proven', async (t, store) => {
    const inspect = (): undefined => {
      t.fail('unproven bytes were inspected');
    };
    const options = {
      size: small.size,
      source: sourceOf(someContent(small.size, 9).bytes),
      inspect,
    };
    await t.rejects(store.fill(small.digest, options), { code: 'digest-mismatch' });
  });

  test('refuses to inspect more than it may hold in memory', async (t, store) => {
    const options = { size: 2 ** 40, source: noSource, inspect: () => undefined };
    await t.rejects(store.fill(large.digest, options), { code: 'inspection-failed' });
  });

  test('tells who began a fill, and nobody else, how it ended', async (t, store) => {
    const ends: [string, boolean][] = [];
    const fill = (name: string, source: BlobSource, digest = large.digest) => {
      const onEnd = (complete: boolean) => ends.push([name, complete]);
      return store.fill(digest, { size: large.size, source, onEnd });
    };
    const fed = new HandFedSource();
    const first = await fill('first', fed.source);
    const follower = await fill('follower', noSource);
    fed.feed(large.bytes);
    t.strictSame(ends, []);
    fed.end();
    await Promise.all([readAndClose(first), readAndClose(follower)]);
    while (ends.length === 0) await turns(1);
    t.strictSame(ends, [['first', true]]);
    t.equal(await store.stat(large.digest), large.size);
    await readAndClose(await fill('late', noSource));
    const other = digestOf(Buffer.from('other'));
    await t.rejects(fill('unreachable', noSource, other), { code: 'source-failed' });
    const wrong = await fill('wrong', sourceOf(large.bytes), other);
    await t.rejects(readAndClose(wrong), { code: 'digest-mismatch' });
    t.strictSame(ends.slice(1), [
      ['unreachable', false],
      ['wrong', false],
    ]);
    const broken = await fill('closed', new HandFedSource().source, other);
    await store.close();
    await broken.close();
    t.strictSame(ends.slice(3), [['closed', false]]);
  });

  test('goes on for the others when a reader leaves', async (t, store) => {
    const fed = new HandFedSource();
    const options = { size: large.size, source: fed.source };
    const leaving = await store.fill(large.digest, options);
    const staying = await store.fill(large.digest, options);
    const waiting = leaving.read(Buffer.alloc(10), 0);
    await leaving.close();
    await t.rejects(waiting, { code: 'closed' });
    fed.feed(large.bytes);
    fed.end();
    t.ok((await readAndClose(staying)).equals(large.bytes));
  });

  test('ends everything when it is closed', async (t, store) => {
    await store.put(small.digest, small.bytes);
    const fed = new HandFedSource();
    const reader = await store.fill(large.digest, { size: large.size, source: fed.source });
    const waiting = reader.read(Buffer.alloc(10), 0);
    await Promise.all([store.close(), t.rejects(waiting, { code: 'closed' })]);
    t.ok(fed.signals[0]?.aborted);
    await store.close();
    await t.rejects(store.stat(small.digest), { code: 'closed' });
    await t.rejects(store.open(small.digest, small.size), { code: 'closed' });
    await t.rejects(store.fill(small.digest, { size: small.size, source: noSource }), {
      code: 'closed',
    });
    await t.rejects(store.put(small.digest, small.bytes), { code: 'closed' });
    await t.rejects(store.get(small.digest, 10_000), { code: 'closed' });
    await t.rejects(store.remove(small.digest), { code: 'closed' });
  });
}
