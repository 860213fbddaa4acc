/** A source that fails by a script, one entry for each time it is opened, and keeps account of what it sent. */
import fc from 'fast-check';
import type { BlobSource } from '../../src/store/blob-store.ts';
import { lend, turns, type Content } from './sources.ts';

/** What the source does when it is opened once more; parts are of the size, from 0 to below 1. */
export interface Opening {
  /** Answers; or fails; or declares another size; or begins after the byte that was asked for. */
  readonly answer: 'right' | 'refuses' | 'lies' | 'skips';
  readonly declares: boolean;
  /** Begins at this part of what is there already, as a source that knows no ranges does. */
  readonly behind: number | null;
  /** Where one byte is wrong. */
  readonly corrupt: number | null;
  readonly end: 'whole' | 'reset' | 'truncated' | 'stalled' | 'more';
  /** Bytes before a reset, truncation or stall. */
  readonly after: number;
  readonly chunk: number;
  /** Event-loop turns before each chunk. */
  readonly pause: number;
}

const part = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** For blobs of up to so many bytes. */
export function openings(size: number): fc.Arbitrary<Opening[]> {
  const opening = fc.record({
    answer: fc.oneof(
      { weight: 9, arbitrary: fc.constant('right' as const) },
      { weight: 1, arbitrary: fc.constantFrom('refuses', 'lies', 'skips') },
    ),
    declares: fc.boolean(),
    behind: fc.option(fc.constantFrom(0, 0, 0.5, 0.99), { freq: 2 }),
    corrupt: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, part),
    end: fc.constantFrom('whole', 'reset', 'reset', 'truncated', 'stalled', 'more'),
    after: fc.oneof(fc.nat(10), fc.nat(size)),
    chunk: fc.integer({ min: Math.ceil(size / 12), max: size }),
    pause: fc.nat(3),
  });
  return fc.array(opening, { maxLength: 5 });
}

const GOOD: Opening = {
  ...{ answer: 'right', declares: true, behind: null, corrupt: null },
  ...{ end: 'whole', after: 0, chunk: 5000, pause: 0 },
};

/** Bytes that leave the source before a reset and never arrive. */
const LOST_BY_RESET = 7;
/** Openings in a row that bring nothing new before a fill may give up. */
const FRUITLESS = 3;

/** What one fill asked for and was sent. */
export interface Account {
  /** The blob as it was sent, so far as it was. */
  readonly image: Buffer;
  /** Bytes sent that were not there yet: the fill has all of them. */
  fresh: number;
  /** All bytes sent, those too that were lost under way. */
  sent: number;
  /** Of those, what was sent again though it was not asked for, and what was lost. */
  wasted: number;
  /** Bytes sent after the end. */
  beyond: number;
  /** The source said that this is all, having sent all. */
  done: boolean;
  /** The fill has met what no fill can mend. */
  hopeless: boolean;
  fruitless: number;
  openings: number;
  /** Whether the blob was complete, once the fill is over. */
  complete: boolean | undefined;
  readonly ended: PromiseWithResolvers<void>;
}

export class ScriptedUpstream {
  readonly accounts: Account[] = [];
  /** A sentence about what no store should have asked. */
  wrong: string | undefined;
  readonly #content: Content;
  readonly #script: readonly Opening[];
  #opened = 0;

  constructor(content: Content, script: readonly Opening[]) {
    this.#content = content;
    this.#script = script;
  }

  /** Whether no fault is left and no fill is under way that may have met one. */
  get isSound(): boolean {
    return this.#opened >= this.#script.length && this.isIdle;
  }

  get isIdle(): boolean {
    return this.accounts.every(({ complete }) => complete !== undefined);
  }

  /** When every fill is over. */
  async idle(): Promise<void> {
    await Promise.all(this.accounts.map(({ ended }) => ended.promise));
  }

  /** Whether some fill was given the whole blob as it is: before, nobody can know its tail. */
  get isProvable(): boolean {
    return this.accounts.some((account) => account.done && this.#isRight(account));
  }

  /** For one call to the store, which may or may not begin a fill with it. */
  options(): {
    readonly size: number;
    readonly source: BlobSource;
    readonly onEnd: (complete: boolean) => void;
  } {
    let account: Account | undefined;
    return {
      size: this.#content.size,
      source: (asked) => {
        account ??= this.#begin();
        return this.#open(account, asked);
      },
      onEnd: (complete) => {
        if (account === undefined) return;
        account.complete = complete;
        account.ended.resolve();
      },
    };
  }

  /** A sentence about a fill that is over and did not end as it had to, or was sent too much for it. */
  check(): string | undefined {
    for (const account of this.accounts) {
      const { complete, hopeless, sent, wasted, beyond } = account;
      if (complete === undefined) return 'a fill did not end';
      if (complete === hopeless) return `a fill ${complete ? 'ended well' : 'failed'}`;
      if (complete && !this.#isRight(account)) return `a fill ended well with wrong content`;
      const needed = sent - wasted - beyond;
      if (needed > this.#content.size || (complete && sent !== this.#content.size + wasted)) {
        return `${sent} bytes were sent, ${wasted} of them for nothing`;
      }
    }
    return this.wrong;
  }

  #begin(): Account {
    if (!this.isIdle) this.wrong = 'two fills at a time';
    if (this.accounts.some(({ complete }) => complete === true)) {
      this.wrong = 'a complete blob was asked for';
    }
    const account: Account = {
      image: Buffer.alloc(this.#content.size),
      ended: Promise.withResolvers(),
      ...{ fresh: 0, sent: 0, wasted: 0, beyond: 0, fruitless: 0, openings: 0 },
      ...{ done: false, hopeless: false, complete: undefined },
    };
    this.accounts.push(account);
    return account;
  }

  #isRight({ image, fresh, beyond }: Account): boolean {
    const { bytes, size } = this.#content;
    return fresh === size && beyond === 0 && image.equals(bytes);
  }

  async #open(account: Account, asked: number): ReturnType<BlobSource> {
    const { size } = this.#content;
    const opening = this.#script[this.#opened++] ?? GOOD;
    const { answer, declares, behind, pause } = opening;
    const isFirst = account.openings++ === 0;
    // Every byte that arrived is kept, so exactly the rest is asked for.
    if (asked !== account.fresh) this.wrong = `asked from ${asked}, has ${account.fresh}`;
    await turns(pause);
    if (answer === 'lies') {
      account.hopeless = true;
      return { offset: asked, size: size + 1, body: this.#body(account, asked, GOOD) };
    }
    if (answer !== 'right') {
      this.#isInVain(account);
      if (isFirst) account.hopeless = true;
      if (answer === 'refuses') throw new Error('429 too many requests');
      return { offset: asked + 1, size: undefined, body: this.#body(account, asked + 1, GOOD) };
    }
    const offset = behind === null ? asked : Math.floor(asked * behind);
    const body = this.#body(account, offset, opening);
    return { offset, size: declares ? size : undefined, body };
  }

  async *#body(account: Account, offset: number, opening: Opening): AsyncGenerator<Buffer> {
    const { size } = this.#content;
    const { end, pause } = opening;
    const before = account.fresh;
    const sent = this.#sent(opening);
    const breaks = end !== 'whole' && end !== 'more';
    const until = breaks ? Math.min(sent.length, offset + opening.after) : sent.length;
    for (let at = offset; at < until;) {
      await turns(pause);
      const chunk = sent.subarray(at, Math.min(until, at + opening.chunk));
      this.#book(account, at, chunk);
      at += chunk.length;
      yield* lend(chunk);
    }
    if (account.fresh === size) account.done = true;
    else if (account.fresh > before) account.fruitless = 0;
    else this.#isInVain(account);
    if (end === 'stalled') await turns(10);
    if (end === 'reset') this.#lose(account, Math.min(LOST_BY_RESET, sent.length - until));
    if (end === 'reset' || end === 'stalled') throw new Error(end);
  }

  /** All that this opening would send of the blob and after it. */
  #sent({ corrupt, end }: Opening): Buffer {
    const { bytes, size } = this.#content;
    const sent = Buffer.concat([bytes, Buffer.alloc(end === 'more' ? 3 : 0)]);
    const at = corrupt === null ? sent.length : Math.floor(corrupt * size);
    if (at < size) sent[at] = (sent[at] ?? 0) ^ 0x40;
    return sent;
  }

  #book(account: Account, at: number, chunk: Buffer): void {
    const { bytes, size } = this.#content;
    const known = Math.max(0, Math.min(chunk.length, account.fresh - at));
    const fresh = chunk.subarray(known, Math.max(known, size - at));
    fresh.copy(account.image, account.fresh);
    const isWrong = !bytes.subarray(account.fresh, account.fresh + fresh.length).equals(fresh);
    account.fresh += fresh.length;
    account.sent += chunk.length;
    account.wasted += known;
    account.beyond += chunk.length - known - fresh.length;
    if (isWrong || account.beyond > 0) account.hopeless = true;
  }

  #lose(account: Account, bytes: number): void {
    account.sent += bytes;
    account.wasted += bytes;
  }

  #isInVain(account: Account): void {
    account.fruitless += 1;
    if (account.fruitless >= FRUITLESS) account.hopeless = true;
  }
}
