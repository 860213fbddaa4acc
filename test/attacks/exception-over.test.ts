/**
 * An exception ends on a day, and what it admitted is in every cache by then: the decision in memory, the verdict and the
 * grants on disk, the blobs, the children of an index that were decided by themselves. An image that should be gone is
 * pulled from one of them, or through an upstream that is made unreachable on purpose, or after the clock was set back.
 *
 * When it is over, all of that is over, and nobody need ask anybody for it.
 */
import t from 'tap';
import { except, exceptionFor, EXPIRES } from '../helpers/exceptions.ts';
import { putIndex } from '../helpers/image.ts';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';

const DENIED = '403 DENIED';
const HOUR = 3_600_000;

/** An index with a child by exception, and everything that can be asked for. */
async function served(t: Parameters<typeof openLab>[0], rule = {}) {
  const lab = await openLab(t);
  const child = lab.image('child', { layers: [Buffer.alloc(300_000, 'layer')] });
  const index = putIndex(lab.registry, TEAM, [child], { tag: 'v1' });
  const exceptions = [exceptionFor(index.digest)];
  except(lab, exceptions, rule);
  const what = [
    ...['v1', index.digest, child.digest].map((name) => `manifests/${name}`),
    ...[child.config, ...child.layers].map((blob) => `blobs/${blob}`),
  ];
  lab.proxy.now = EXPIRES - HOUR;
  t.strictSame(new Set(await ask(lab, what)), new Set(['200']));
  lab.proxy.now = EXPIRES - 1;
  t.strictSame(new Set(await ask(lab, what)), new Set(['200']), 'to the last moment');
  return { lab, what, child, index, exceptions };
}

async function ask(lab: Lab, what: readonly string[]): Promise<readonly string[]> {
  const all: string[] = [];
  for (const each of what) all.push(told(await lab.get(each)));
  return all;
}

t.test('nothing of it is served afterwards, whatever is asked for first', async (t) => {
  for (const order of ['as it was', 'backwards'] as const) {
    const { lab, what } = await served(t);
    lab.proxy.now = EXPIRES;
    const asked = order === 'backwards' ? what.toReversed() : what;
    t.strictSame(new Set(await ask(lab, asked)), new Set([DENIED]), order);
    const { error } = await lab.get('manifests/v1');
    t.match(error?.message, /an exception was over on 2026-01-08T00:00:00Z: the vendor signs/);
  }
});

t.test('nor from the records after a restart', async (t) => {
  const { lab, what, exceptions } = await served(t);
  lab.proxy.now = EXPIRES;
  except(lab, exceptions);
  t.strictSame(new Set(await ask(lab, what.toReversed())), new Set([DENIED]));
});

t.test('nor under a rule that binds signatures to the very tag', async (t) => {
  const { lab, what } = await served(t, { signatures: { reference: 'exact' } });
  lab.proxy.now = EXPIRES;
  t.strictSame(new Set(await ask(lab, what.toReversed())), new Set([DENIED]));
});

t.test('nor while the upstream is away, with all of it cached', async (t) => {
  const { lab, what } = await served(t, { tags: { maxStale: 1000 * HOUR } });
  await lab.registry.close();
  lab.proxy.now = EXPIRES;
  t.strictSame(new Set(await ask(lab, what)), new Set(['503 UNAVAILABLE']));
});

t.test('a round of verifying again takes it back before anybody asks', async (t) => {
  const { lab, what } = await served(t, { reverify: 100 * HOUR });
  lab.proxy.now = EXPIRES;
  t.strictSame(await lab.proxy.reverify(), ['withdrawn']);
  t.strictSame(lab.proxy.withdrawn, ['releases']);
  lab.registry.clearRequests();
  t.strictSame(new Set(await ask(lab, what.slice(1))), new Set([DENIED]));
});

t.test('a blob that was begun ends, the next is refused', async (t) => {
  const lab = await openLab(t);
  const layers = ['one', 'two'].map((name) => Buffer.alloc(300_000, name));
  const image = lab.image('app', { layers });
  except(lab, [exceptionFor(image.digest)]);
  lab.proxy.now = EXPIRES - 1;
  await lab.get(`manifests/${image.digest}`);
  const asked = Promise.withResolvers<undefined>();
  const go = Promise.withResolvers<undefined>();
  const until = go.promise;
  const [one = '', two = ''] = image.layers;
  lab.registry.fault(
    ({ url }) => {
      if (!url.includes(one)) return false;
      asked.resolve(undefined);
      return true;
    },
    { kind: 'wait', until },
  );
  const begun = lab.get(`blobs/${one}`);
  await asked.promise;
  lab.proxy.now = EXPIRES;
  t.equal(told(await lab.get(`blobs/${two}`)), DENIED);
  go.resolve(undefined);
  const answer = await begun;
  t.equal(answer.status, 200);
  t.equal(answer.body.length, 300_000);
  t.equal(told(await lab.get(`blobs/${one}`)), DENIED);
});

t.test('a clock that is set back does not begin it again', async (t) => {
  const { lab, what } = await served(t);
  lab.proxy.now = EXPIRES;
  t.equal(told(await lab.get(what[0] ?? '')), DENIED);
  lab.proxy.now = EXPIRES - HOUR;
  t.strictSame(new Set(await ask(lab, what)), new Set([DENIED]));
});

t.test('nor where nobody could look when it was over', async (t) => {
  const { lab, what } = await served(t);
  const heal = lab.registry.fault(/./, { kind: 'status', status: 503 });
  lab.proxy.now = EXPIRES;
  t.strictSame(new Set(await ask(lab, what)), new Set(['503 UNAVAILABLE']));
  lab.proxy.now = EXPIRES - HOUR;
  t.strictSame(new Set(await ask(lab, what)), new Set(['503 UNAVAILABLE']));
  heal();
  t.strictSame(new Set(await ask(lab, what)), new Set([DENIED]));
});

t.test('set back a year while it lasts, it lasts until its day and no longer', async (t) => {
  const { lab, what } = await served(t);
  lab.proxy.now -= 365 * 24 * HOUR;
  t.strictSame(new Set(await ask(lab, what)), new Set(['200']));
  lab.proxy.now = EXPIRES;
  t.strictSame(new Set(await ask(lab, what)), new Set([DENIED]));
});

t.test('a disk that takes no records makes it no longer', async (t) => {
  const lab = await openLab(t);
  const image = lab.image('app');
  except(lab, [exceptionFor(image.digest)]);
  Object.assign(lab.proxy.records, { record: () => Promise.reject(new Error('no space left')) });
  const blobs = [image.config, ...image.layers].map((blob) => `blobs/${blob}`);
  t.strictSame(new Set(await ask(lab, [`manifests/${image.digest}`, ...blobs])), new Set(['200']));
  lab.proxy.now = EXPIRES;
  t.strictSame(new Set(await ask(lab, blobs)), new Set([DENIED]));
});
