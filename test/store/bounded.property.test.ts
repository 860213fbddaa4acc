import fc from 'fast-check';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { BlobReader } from '../../src/store/blob-store.ts';
import { openSqliteUsage } from '../../src/store/sqlite-usage.ts';
import { SMALL } from '../../src/store/usage.ts';
import { arrive, fill, kept, kilobytes, openBounded, use, type Bounded } from './bounded.ts';
import { filesBelow, readAndClose, readFrom, sourceOf, turns, type Content } from './sources.ts';
import { testdir } from '../helpers/testdir.ts';

/** More histories than a quick run tries: `FUZZ_RUNS=10000`. */
const numRuns = Number(process.env['FUZZ_RUNS'] ?? 60);
const SIZES = [100, 66, 140, 90, 120, 80, 70, 110, 130, 400, 3, 20, 40, 60];
const CONTENTS = SIZES.map((size) => kilobytes(size));
const NAMED = Object.fromEntries(CONTENTS.entries());
const MAX = 420_000;

type Step =
  | {
      readonly do: 'fill' | 'put' | 'use' | 'get' | 'hold' | 'fail' | 'remove';
      readonly at: number;
    }
  | { readonly do: 'storm'; readonly all: readonly number[] }
  | { readonly do: 'restart' | 'kill'; readonly max: number }
  | { readonly do: 'release' | 'minute' };

const at = fc.nat(CONTENTS.length - 1);
const max = fc.constantFrom(MAX, MAX, 250_000, 130_000);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('fill' as const), at }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('put', 'use', 'get', 'hold', 'fail', 'remove'),
      at,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('storm' as const),
      all: fc.array(at, { minLength: 2, maxLength: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('restart', 'kill'), max }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('release', 'minute') }) },
);

/** What must be so after each step, from the uses that it knows of. */
class Model {
  readonly uses = new Map<Content, number>();
  there = new Set<Content>();
  max = MAX;
  removed = 0;

  /** A sentence about what is wrong, given what is there now. */
  check(now: ReadonlySet<Content>, held: ReadonlySet<Content>): string | undefined {
    const idle = [...now].filter((each) => !held.has(each));
    const oversize = idle.find(({ size }) => size > this.max * 0.9);
    if (oversize !== undefined) return `${oversize.size} bytes stayed`;
    const sum = [...now]
      .filter(({ size }) => size <= this.max * 0.9)
      .reduce((total, { size }) => total + size, 0);
    const large = idle.filter(({ size }) => size >= SMALL);
    if (sum > this.max * 0.95 && (held.size === 0 || large.length > 0)) {
      return `${sum} bytes are kept of ${this.max}`;
    }
    for (const each of this.there) {
      if (now.has(each)) continue;
      this.removed++;
      const { size } = each;
      if (held.has(each)) return `${size} bytes went while they were read`;
      if (size > this.max * 0.9) continue;
      if (size < SMALL && large.length > 0) return `${size} small bytes went before large ones`;
      const older = idle.find(
        (other) => other.size < SMALL === size < SMALL && this.#use(other) < this.#use(each),
      );
      if (older !== undefined) return `${size} bytes went before ${older.size} older ones`;
    }
    this.there = new Set(now);
    return undefined;
  }

  #use(content: Content): number {
    return this.uses.get(content) ?? -1;
  }
}

/** One bounded store on one folder, in which a history happens. */
class World {
  readonly model = new Model();
  readonly #folder: string;
  readonly #held = new Map<BlobReader, Content>();
  #bounded: Bounded;
  #step = 0;

  private constructor(folder: string, bounded: Bounded) {
    this.#folder = folder;
    this.#bounded = bounded;
  }

  static async open(folder: string): Promise<World> {
    return new World(folder, await openBounded(folder, MAX));
  }

  async take(step: Step): Promise<void> {
    this.#step++;
    await this.#do(step);
    await this.#check();
  }

  /** Closes the store and compares its books to the disk. */
  async end(): Promise<void> {
    await this.#restart('restart', 10 * MAX);
    await this.#bounded.store.close();
    const usage = await openSqliteUsage({ file: join(this.#folder, 'usage.sqlite') });
    const booked = usage.summary(-1).larger;
    const unsettled = usage.arriving().length;
    usage.close();
    const expected = [...this.#kept()].map(({ digest, size }) => `${digest} ${size}`);
    const actual = booked.map(({ digest, size }) => `${digest} ${size}`);
    if (expected.toSorted().join() !== actual.toSorted().join() || unsettled > 0) {
      throw new Error(`${actual.length} are booked, ${expected.length} are there`);
    }
  }

  async #check(): Promise<void> {
    // What was written down after a minute may have made it due.
    await turns(2);
    await this.#bounded.store.settled();
    const wrong = this.model.check(this.#kept(), new Set(this.#held.values()));
    if (wrong !== undefined) throw new Error(wrong);
    const warnings = this.#bounded.log.filter(({ level }) => level === 'warn');
    if (warnings.length > 0) throw new Error(`warned: ${JSON.stringify(warnings)}`);
  }

  async #do(step: Step): Promise<void> {
    switch (step.do) {
      case 'storm':
        return this.#storm(step.all.map(contentAt));
      case 'restart':
      case 'kill':
        return this.#restart(step.do, step.max);
      case 'release':
        for (const reader of [...this.#held.keys()].slice(0, 1)) await this.#release(reader);
        return;
      case 'minute':
        this.#bounded.time.now += 60_000;
        return;
      default:
        return this.#one(step.do, contentAt(step.at));
    }
  }

  async #one(what: Extract<Step, { at: number }>['do'], content: Content): Promise<void> {
    const { store } = this.#bounded;
    const { bytes, digest, size } = content;
    switch (what) {
      case 'fill':
        if (await use(this.#bounded, content)) break;
        this.#uses(content);
        return fill(this.#bounded, content);
      case 'put':
        await store.put(digest, bytes);
        break;
      case 'get':
        if ((await store.get(digest, size)) === undefined) return;
        break;
      case 'use':
        if (!(await use(this.#bounded, content))) return;
        break;
      case 'hold': {
        const reader = (await store.open(digest, size)) ?? (await arrive(this.#bounded, content));
        this.#held.set(reader, content);
        break;
      }
      case 'fail': {
        if ((await store.stat(digest)) !== undefined) return;
        const source = sourceOf(Buffer.alloc(size));
        await store
          .fill(digest, { size, source })
          .then(readAndClose)
          .catch(() => undefined);
        return;
      }
      case 'remove':
        await store.remove(digest);
        this.model.there.delete(content);
        return;
    }
    this.#uses(content);
  }

  async #storm(contents: readonly Content[]): Promise<void> {
    const { store } = this.#bounded;
    await Promise.all(
      contents.map(async (content) => {
        const { bytes, digest, size } = content;
        const found = await store.open(digest, size);
        const reader = found ?? (await store.fill(digest, { size, source: sourceOf(bytes) }));
        if (!(await readAndClose(reader)).equals(bytes)) throw new Error('wrong bytes');
        this.#uses(content);
      }),
    );
    // The last byte may be read before the blob has its name.
    while (contents.some((content) => !this.#isOver(content))) await turns(1);
  }

  /** Whether it is on the disk, or nothing of it is on its way there. */
  #isOver(content: Content): boolean {
    return this.#kept().has(content) || filesBelow(join(this.#folder, 'v1', 'tmp')).length === 0;
  }

  async #restart(how: 'restart' | 'kill', max: number): Promise<void> {
    for (const reader of [...this.#held.keys()]) {
      await this.#release(reader);
      await this.#check();
    }
    if (how === 'restart') {
      await this.#bounded.store.close();
    } else {
      // The latest uses are lost, nothing else.
      this.model.uses.clear();
      await this.#bounded.inner.close();
      this.#bounded.usage.close();
    }
    this.model.max = max;
    this.#bounded = await openBounded(this.#folder, max);
  }

  async #release(reader: BlobReader): Promise<void> {
    const content = this.#held.get(reader);
    if (!content || !(await readFrom(reader)).equals(content.bytes)) throw new Error('wrong bytes');
    await reader.close();
    this.#held.delete(reader);
  }

  #uses(content: Content): void {
    this.model.uses.set(content, this.#step);
  }

  #kept(): Set<Content> {
    const names = kept(this.#folder, NAMED)
      .split(' ')
      .filter((name) => name !== '');
    return new Set(names.map((name) => contentAt(Number(name))));
  }
}

function contentAt(index: number): Content {
  const content = CONTENTS[index];
  if (content === undefined) throw new RangeError(`there is no content ${index}`);
  return content;
}

t.test(
  'whatever happens, what is kept is within the size, in the books, and the latest',
  async (t) => {
    const folder = testdir(t);
    let removed = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const world = await World.open(mkdtempSync(join(folder, 'history-')));
        for (const each of steps) await world.take(each);
        await world.end();
        removed += world.model.removed;
      }),
      { numRuns },
    );
    t.ok(removed > numRuns, `${removed} blobs were removed in ${numRuns} histories`);
  },
);
