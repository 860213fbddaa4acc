/** Mirrors of an upstream: who is asked for what, in which order, and whose word counts in the end. */
import t from 'tap';
import { Agent } from 'undici';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { mirrorUpstream } from '../../src/upstream/mirrored-upstream.ts';
import type { RegistryUpstream } from '../../src/upstream/registry-upstream.ts';
import {
  UpstreamError,
  type BlobOptions,
  type BlobStream,
  type FetchedManifest,
  type UpstreamErrorCode,
} from '../../src/upstream/upstream.ts';
import { expectFailure, readAll } from '../helpers/open-upstream.ts';

const bytes = Buffer.from('0123456789');
const digest = digestOf(bytes);
const size = bytes.length;
const manifest: FetchedManifest = { bytes, digest, contentType: 'application/json' };

type Open = (options: BlobOptions) => BlobStream | UpstreamErrorCode;

interface Behaviour {
  readonly open?: Open;
  readonly manifest?: UpstreamErrorCode;
  /** Of all that is asked about tags. */
  readonly tags?: UpstreamErrorCode;
  readonly lists?: readonly Descriptor[];
}

/** A place that gives everything, unless told; what it is asked goes into `asked`. */
function place(host: string, asked: string[], behaviour: Behaviour = {}): RegistryUpstream {
  const fail = (code: UpstreamErrorCode): UpstreamError =>
    new UpstreamError(code, `${host} says ${code}`, { retryAfter: host === 'upstream' ? 7 : 1 });
  const { open = give(), manifest: refusal, tags, lists = [] } = behaviour;
  return {
    name: host,
    url: new URL(`https://${host}`),
    dispatcher: new Agent(),
    async resolve() {
      asked.push(`${host} resolve`);
      if (tags !== undefined) throw fail(tags);
      return { digest };
    },
    async referrers() {
      asked.push(`${host} referrers`);
      if (tags !== undefined) throw fail(tags);
      return lists;
    },
    async fetchManifest(_path, reference) {
      asked.push(`${host} manifest ${reference === digest ? 'by digest' : reference}`);
      if (refusal !== undefined) throw fail(refusal);
      return manifest;
    },
    async openBlob(_path, _digest, options = {}) {
      asked.push(`${host} ${options.offset ?? 0}`);
      const answer = open(options);
      if (typeof answer === 'string') throw fail(answer);
      return answer;
    },
    async close() {
      asked.push(`${host} close`);
    },
  };
}

interface Given {
  /** Bytes after which it breaks off. */
  readonly until?: number;
  readonly content?: Buffer;
  readonly declared?: number | undefined;
  readonly cancelled?: () => void;
}

function give({ until, content = bytes, cancelled, ...rest }: Given = {}): Open {
  return ({ offset = 0 }) => ({
    size: 'declared' in rest ? rest.declared : content.length,
    offset,
    body: (async function* () {
      await Promise.resolve();
      yield content.subarray(offset, until ?? content.length);
      if (until !== undefined) throw new UpstreamError('unreachable', 'connection lost');
    })(),
    cancel: () => cancelled?.(),
  });
}

const refuse =
  (code: UpstreamErrorCode): Open =>
  () =>
    code;

function mirrored(
  behaviours: readonly (Behaviour | undefined)[],
  ways: readonly { readonly isPreferred?: boolean; readonly knowsTags?: boolean }[] = [],
) {
  const asked: string[] = [];
  const warned: string[] = [];
  const [upstream, ...mirrors] = behaviours.map((behaviour, index) =>
    place(index === 0 ? 'upstream' : `mirror${index}`, asked, behaviour),
  );
  if (upstream === undefined) throw new Error('expected an upstream');
  const logger = { warn: (details: object) => void warned.push(JSON.stringify(details)) };
  const others = mirrors.map((other, index) => ({
    place: other,
    ...{ isPreferred: false, knowsTags: false },
    ...ways[index],
  }));
  return { asked, warned, both: mirrorUpstream(upstream, others, logger) };
}

/** As a fill does: opens again where it broke, under one signal, until all is there. */
async function readInTurns(both: RegistryUpstream, attempts = 5): Promise<Buffer> {
  const { signal } = new AbortController();
  const parts: Buffer[] = [];
  let length = 0;
  for (let attempt = 1; length < size; attempt++) {
    try {
      const { body } = await both.openBlob('a/b', digest, { signal, size, offset: length });
      for await (const chunk of body) {
        parts.push(Buffer.from(chunk));
        length += chunk.length;
      }
    } catch (error) {
      if (attempt === attempts) throw error;
    }
  }
  return Buffer.concat(parts);
}

t.test('as long as the upstream answers, no mirror is asked', async (t) => {
  const { both, asked, warned } = mirrored([{}, {}]);
  t.same(await readAll((await both.openBlob('a/b', digest)).body), bytes);
  t.equal(await both.fetchManifest('a/b', digest), manifest);
  t.strictSame(asked, ['upstream 0', 'upstream manifest by digest']);
  t.strictSame(warned, []);
});

for (const code of [
  'unreachable',
  'timeout',
  'rate-limited',
  'bad-response',
  'digest-mismatch',
  'refused-target',
] as const) {
  t.test(`an upstream that fails as ${code} leads to the mirrors, in their order`, async (t) => {
    const { both, asked, warned } = mirrored([
      { open: refuse(code), manifest: code },
      { open: refuse('not-found'), manifest: 'unauthorized' },
      {},
    ]);
    t.same(await readAll((await both.openBlob('a/b', digest)).body), bytes);
    t.equal(await both.fetchManifest('a/b', digest), manifest);
    t.strictSame(asked, [
      ...['upstream 0', 'mirror1 0', 'mirror2 0'],
      ...['upstream', 'mirror1', 'mirror2'].map((host) => `${host} manifest by digest`),
    ]);
    t.match(warned[0], `"url":"https://upstream","code":"${code}"`);
    t.match(warned[1], '"url":"https://mirror1","code":"not-found"');
  });
}

for (const code of ['not-found', 'unauthorized', 'too-large'] as const) {
  t.test(`${code} of the upstream is an answer`, async (t) => {
    const { both, asked } = mirrored([{ open: refuse(code), manifest: code }, {}]);
    await expectFailure(t, both.openBlob('a/b', digest), code);
    await expectFailure(t, both.fetchManifest('a/b', digest), code);
    t.strictSame(asked, ['upstream 0', 'upstream manifest by digest']);
  });
}

t.test(
  'where nobody can give it, the word of the upstream counts, and all are named',
  async (t) => {
    const { both } = mirrored([
      { open: refuse('rate-limited') },
      { open: refuse('not-found') },
      { open: refuse('unauthorized') },
    ]);
    const error = await expectFailure(t, both.openBlob('a/b', digest), 'rate-limited');
    t.equal(error.retryAfter, 7);
    t.equal(
      error.message,
      'upstream says rate-limited; mirror1 says not-found; mirror2 says unauthorized',
    );
  },
);

t.test('tags, referrers and tag lists are never a matter of mirrors', async (t) => {
  const { both, asked } = mirrored([{ manifest: 'unreachable' }, {}]);
  await expectFailure(t, both.fetchManifest('a/b', 'v1'), 'unreachable');
  await both.resolve('a/b', 'v1');
  await both.referrers('a/b', digest);
  t.strictSame(asked, ['upstream manifest v1', 'upstream resolve', 'upstream referrers']);
  t.equal(both.url.host, 'upstream', 'tag lists are asked of this url');
});

t.test('a blob that breaks off goes on at the next place, and round', async (t) => {
  const { both, asked, warned } = mirrored([
    { open: ({ offset }) => give(offset === 9 ? {} : { until: 4 })({ offset: offset ?? 0 }) },
    { open: give({ until: 7 }) },
    { open: give({ until: 9 }) },
  ]);
  t.same(await readInTurns(both), bytes);
  t.strictSame(asked, ['upstream 0', 'mirror1 4', 'mirror2 7', 'upstream 9']);
  t.equal(warned.length, 3);
});

t.test('a break before the first byte leads on as well', async (t) => {
  const { both, asked } = mirrored([{ open: give({ until: 0 }) }, {}]);
  t.same(await readInTurns(both), bytes);
  t.strictSame(asked, ['upstream 0', 'mirror1 0']);
});

t.test('who begins anew begins at the upstream', async (t) => {
  const { both, asked } = mirrored([{ open: give({ until: 4 }) }, {}]);
  await readInTurns(both);
  await readInTurns(both);
  t.strictSame(asked, ['upstream 0', 'mirror1 4', 'upstream 0', 'mirror1 4']);
});

t.test('a place that declares another size is passed over', async (t) => {
  let cancelled = 0;
  const lying: Behaviour = { open: give({ declared: 11, cancelled: () => (cancelled += 1) }) };
  const { both, asked } = mirrored([lying, lying, {}]);
  t.same(await readInTurns(both), bytes);
  t.strictSame(asked, ['upstream 0', 'mirror1 0', 'mirror2 0']);
  t.equal(cancelled, 2, 'its connection is not left open');
  const all = mirrored([lying, lying]).both.openBlob('a/b', digest, { size });
  const { message } = await expectFailure(t, all, 'digest-mismatch');
  t.equal(
    message,
    'GET of a blob from upstream (upstream) failed: expected 10 bytes, got 11; ' +
      'GET of a blob from mirror1 (mirror1) failed: expected 10 bytes, got 11',
  );
});

for (const [title, content] of [
  ['more', Buffer.from('0123456789abc')],
  ['fewer', Buffer.from('01234')],
] as const) {
  t.test(`a place that sends ${title} bytes than there are is left for the next`, async (t) => {
    const { both, asked } = mirrored([{ open: give({ content, declared: undefined }) }, {}]);
    const read = await readInTurns(both);
    t.equal(read.length, size);
    t.equal(asked.length, 2);
    t.match(asked[1], /^mirror1 /);
  });
}

t.test('a caller who gives up ends it, and that is nobody’s failure', async (t) => {
  const abort = new AbortController();
  const { both, asked, warned } = mirrored([
    {
      open: () => {
        abort.abort();
        return 'aborted';
      },
    },
    {},
  ]);
  await expectFailure(t, both.openBlob('a/b', digest, { signal: abort.signal }), 'aborted');
  t.strictSame(asked, ['upstream 0']);
  t.strictSame(warned, []);
});

t.test('leaving a body early drops the connection of whoever sends it', async (t) => {
  let ended = 0;
  const open: Open = () => ({
    size,
    offset: 0,
    body: (async function* () {
      try {
        for (;;) {
          await Promise.resolve();
          yield Buffer.from('0');
        }
      } finally {
        ended += 1;
      }
    })(),
    cancel: () => undefined,
  });
  const { both, warned } = mirrored([{ open: refuse('timeout') }, { open }]);
  const { body } = await both.openBlob('a/b', digest, { size });
  for await (const chunk of body) {
    t.equal(chunk.length, 1);
    break;
  }
  t.equal(ended, 1);
  t.equal(warned.length, 1, 'only the timeout');
});

t.test('all are closed together', async (t) => {
  const { both, asked } = mirrored([{}, {}, {}]);
  await both.close();
  t.strictSame(asked, ['upstream close', 'mirror1 close', 'mirror2 close']);
  t.equal(both.name, 'upstream');
});

t.test('what is no error of an upstream is not explained away', async (t) => {
  const broken = () => {
    throw new TypeError('a mistake of ours');
  };
  const { both } = mirrored([{ open: broken }, {}]);
  await t.rejects(both.openBlob('a/b', digest), TypeError);
});

t.test('a preferred mirror is asked before the upstream, for what a digest names', async (t) => {
  const preferred = [{}, { isPreferred: true }];
  const { both, asked } = mirrored([{}, {}, {}], preferred);
  t.same(await readAll((await both.openBlob('a/b', digest)).body), bytes);
  await both.fetchManifest('a/b', digest);
  await both.fetchManifest('a/b', 'v1');
  await both.resolve('a/b', 'v1');
  await both.referrers('a/b', digest);
  t.strictSame(asked, [
    ...['mirror2 0', 'mirror2 manifest by digest'],
    ...['upstream manifest v1', 'upstream resolve', 'upstream referrers'],
  ]);
});

t.test('after a preferred mirror comes the upstream, whose word counts', async (t) => {
  const gone = { open: refuse('not-found'), manifest: 'not-found' } as const;
  const preferred = [{}, { isPreferred: true }];
  const found = mirrored([{}, {}, gone], preferred);
  t.same(await readAll((await found.both.openBlob('a/b', digest)).body), bytes);
  t.strictSame(found.asked, ['mirror2 0', 'upstream 0']);
  const absent = mirrored([gone, {}, { ...gone, open: refuse('timeout') }], preferred);
  await expectFailure(t, absent.both.openBlob('a/b', digest), 'not-found');
  t.strictSame(absent.asked, ['mirror2 0', 'upstream 0'], 'that there is nothing is an answer');
  const away = mirrored([{ open: refuse('timeout') }, gone, gone], preferred);
  const error = await expectFailure(t, away.both.openBlob('a/b', digest), 'timeout');
  t.equal(error.retryAfter, 7);
  t.match(error.message, /^upstream says timeout; mirror2 says not-found; mirror1 says not-found$/);
});

t.test('a blob that breaks off at a preferred mirror goes on from the upstream', async (t) => {
  const preferred = [{ isPreferred: true }];
  const { both, asked } = mirrored([{}, { open: give({ until: 4 }) }], preferred);
  t.same(await readInTurns(both), bytes);
  t.strictSame(asked, ['mirror1 0', 'upstream 4']);
});

const listed = [{ mediaType: 'application/json', digest, size }];

t.test('mirrors that know tags stand in for an upstream that fails', async (t) => {
  const ways = [{ knowsTags: false }, { knowsTags: true }];
  const { both, asked } = mirrored(
    [{ tags: 'unreachable', manifest: 'unreachable' }, {}, { lists: listed }],
    ways,
  );
  t.equal((await both.resolve('a/b', 'v1')).digest, digest);
  t.equal(await both.fetchManifest('a/b', 'v1'), manifest);
  t.strictSame(await both.referrers('a/b', digest), listed);
  t.strictSame(asked, [
    ...['upstream resolve', 'mirror2 resolve'],
    ...['upstream manifest v1', 'mirror2 manifest v1'],
    ...['upstream referrers', 'mirror2 referrers'],
  ]);
});

t.test('what a mirror does not have is not held to be nowhere', async (t) => {
  const { both } = mirrored(
    [{ tags: 'unreachable' }, { tags: 'not-found' }, {}],
    [{ knowsTags: true }, { knowsTags: false }],
  );
  await expectFailure(t, both.resolve('a/b', 'v1'), 'unreachable');
  const empty = mirrored([{ tags: 'timeout' }, {}], [{ knowsTags: true }]);
  const error = await expectFailure(t, empty.both.referrers('a/b', digest), 'timeout');
  t.equal(
    error.message,
    'upstream says timeout; referrers from mirror1 (mirror1): expected some, got none',
  );
  const answered = mirrored([{ tags: 'not-found' }, {}], [{ knowsTags: true, isPreferred: true }]);
  await expectFailure(t, answered.both.resolve('a/b', 'v1'), 'not-found');
  t.strictSame(answered.asked, ['upstream resolve']);
});

t.test('a place that is left alone is passed over without a word', async (t) => {
  const { both, asked, warned } = mirrored([
    {
      open: () => {
        throw new UpstreamError('timeout', 'not asked for another 5 s', { isUnasked: true });
      },
    },
    {},
  ]);
  t.same(await readAll((await both.openBlob('a/b', digest)).body), bytes);
  t.strictSame(asked, ['upstream 0', 'mirror1 0']);
  t.strictSame(warned, []);
});
