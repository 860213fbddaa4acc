/**
 * The reason for an exception turns out to be wrong, and the operator takes it out of the configuration, or corrects it.
 * Its verdict and its grants are in the records, under a key that has not changed since the rule has not.
 *
 * A verdict by exception names it, and counts only while the configuration has it word for word.
 */
import t from 'tap';
import { except, exceptionFor, EXPIRES } from '../helpers/exceptions.ts';
import { putIndex } from '../helpers/image.ts';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';

const DENIED = '403 DENIED';

async function served(t: Parameters<typeof openLab>[0]) {
  const lab = await openLab(t);
  const child = lab.image('child');
  const index = putIndex(lab.registry, TEAM, [child], { tag: 'v1' });
  const exception = exceptionFor(index.digest);
  except(lab, [exception]);
  const what = [
    ...['v1', index.digest, child.digest].map((name) => `manifests/${name}`),
    ...[child.config, ...child.layers].map((blob) => `blobs/${blob}`),
  ];
  t.strictSame(new Set(await ask(lab, what)), new Set(['200']));
  return { lab, what, exception };
}

async function ask(lab: Lab, what: readonly string[]): Promise<readonly string[]> {
  const all: string[] = [];
  for (const each of what) all.push(told(await lab.get(each)));
  return all;
}

t.test('without it nothing is served from the next request on, in any order', async (t) => {
  for (const order of ['as it was', 'backwards'] as const) {
    const { lab, what } = await served(t);
    except(lab, []);
    const asked = order === 'backwards' ? what.toReversed() : what;
    t.strictSame(new Set(await ask(lab, asked)), new Set([DENIED]), order);
  }
});

t.test('nor while the upstream is away', async (t) => {
  const { lab, what } = await served(t);
  await lab.registry.close();
  except(lab, []);
  t.strictSame(new Set(await ask(lab, what)), new Set(['503 UNAVAILABLE']));
});

t.test('an earlier end is in force at once', async (t) => {
  const { lab, what, exception } = await served(t);
  const expires = EXPIRES - 86_400_000;
  except(lab, [{ ...exception, expires }]);
  lab.proxy.now = expires;
  t.strictSame(new Set(await ask(lab, what)), new Set([DENIED]));
});

t.test('a later end and another reason are told from the next request on', async (t) => {
  const { lab, what, exception } = await served(t);
  except(lab, [{ ...exception, expires: EXPIRES + 86_400_000, reason: 'another' }]);
  t.strictSame(new Set(await ask(lab, what)), new Set(['200']));
  for (const each of what.slice(0, 3)) {
    t.match((await lab.get(each)).headers['warning'], /until 2026-01-09T00:00:00Z: another;/, each);
  }
});

t.test('one that was withdrawn by a signature’s end comes back by exception alone', async (t) => {
  const lab = await openLab(t);
  const { digest, config } = lab.signed('app', { tag: 'v1' });
  const what = ['manifests/v1', `manifests/${digest}`, `blobs/${config}`];
  const rule = { reverify: 3_600_000 };
  except(lab, [], rule);
  t.strictSame(new Set(await ask(lab, what)), new Set(['200']));
  lab.registry.deleteTag(TEAM, `${digest.replace(':', '-')}.sig`);
  lab.proxy.now += rule.reverify;
  t.strictSame(new Set(await ask(lab, what)), new Set([DENIED]));
  t.strictSame(lab.proxy.withdrawn, ['releases']);
  except(lab, [exceptionFor(digest)], rule);
  t.strictSame(new Set(await ask(lab, what)), new Set(['200']));
  t.match(lab.proxy.pulls.at(-1), { outcome: 'excepted', signers: [] });
  except(lab, [], rule);
  t.strictSame(new Set(await ask(lab, what)), new Set([DENIED]));
});

t.test('who was in force before and writes late writes nothing that counts', async (t) => {
  const lab = await openLab(t);
  const { digest } = lab.image('app');
  except(lab, [exceptionFor(digest)]);
  const asked = Promise.withResolvers<undefined>();
  const go = Promise.withResolvers<undefined>();
  const seen = ({ url }: { readonly url: string }): boolean => {
    if (!url.includes('.sig')) return false;
    asked.resolve(undefined);
    return true;
  };
  lab.registry.fault(seen, { kind: 'wait', until: go.promise }, { times: 1 });
  const late = lab.get(`manifests/${digest}`);
  await asked.promise;
  except(lab, []);
  go.resolve(undefined);
  t.equal(told(await late), '200', 'it was asked before');
  t.equal(told(await lab.get(`manifests/${digest}`)), DENIED);
});
