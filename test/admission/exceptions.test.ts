/** Exceptions: what is admitted for a time although its signatures do not do, and how everybody is told. */
import t from 'tap';
import { openExceptions } from '../../src/admission/exceptions.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { except, exceptionFor, EXPIRES } from '../helpers/exceptions.ts';
import { putIndex } from '../helpers/image.ts';
import { openLab, SIGNED, TEAM, told } from '../helpers/lab.ts';
import { cosign2, cosign3, rootOf } from '../helpers/signer.ts';
import { TAG_RULE } from '../helpers/tag-rule.ts';

const HOUR = 3_600_000;
const WARNING =
  '299 - "exception until 2026-01-08T00:00:00Z: the vendor signs again soon; without it it would be refused: unsigned: no signature was found"';

t.test('an unsigned image is served with a warning that says why, and until when', async (t) => {
  const { proxy, image, get, head } = await openLab(t);
  const { digest, config, layers } = image('app', { tag: 'v1' });
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  except({ proxy }, [exceptionFor(digest)]);
  for (const what of ['v1', digest, 'v1']) {
    for (const answer of [await get(`manifests/${what}`), await head(`manifests/${what}`)]) {
      t.equal(answer.status, 200);
      t.equal(answer.headers['warning'], WARNING);
    }
  }
  for (const blob of [config, ...layers]) t.equal(told(await get(`blobs/${blob}`)), '200');
});

t.test('every pull is told, from memory and from the records too; a decision once', async (t) => {
  const { proxy, image, get, head } = await openLab(t);
  const { digest } = image('app', { tag: 'v1' });
  except({ proxy }, [exceptionFor(digest)]);
  await get('manifests/v1');
  await get('manifests/v1');
  await head('manifests/v1');
  except({ proxy }, [exceptionFor(digest)]);
  await get('manifests/v1');
  t.strictSame(
    proxy.pulls.map(({ outcome, cached, signers, method }) => [outcome, cached, signers, method]),
    [
      ['excepted', 'none', [], 'GET'],
      ['excepted', 'memory', [], 'GET'],
      ['excepted', 'memory', [], 'HEAD'],
      ['excepted', 'records', [], 'GET'],
    ],
  );
  for (const { reasons, rule } of proxy.pulls) {
    t.equal(rule, 'releases');
    t.strictSame(reasons, [
      'exception until 2026-01-08T00:00:00Z: the vendor signs again soon',
      'without it it would be refused: unsigned: no signature was found',
    ]);
  }
  t.match(proxy.warnings, [
    /^admitted by an exception: exception until .* no signature was found$/,
  ]);
});

t.test('an image that is signed needs none', async (t) => {
  const { proxy, signed, get } = await openLab(t);
  const { digest } = signed('app', { tag: 'v1' });
  except({ proxy }, [exceptionFor(digest)]);
  t.equal((await get('manifests/v1')).headers['warning'], undefined);
  t.match(proxy.pulls, [{ outcome: 'admitted', signers: [/release/] }]);
  t.strictSame(proxy.warnings, []);
});

t.test('one signer of two is none: nobody signed what an exception admits', async (t) => {
  const { registry, proxy, signer, stranger, trustRoots, image, get } = await openLab(t);
  const { digest } = image('app', { tag: 'v1' });
  cosign2(registry, TEAM, digest, signer);
  const require = {
    allOf: [{ key: { trustRoot: 'release' } }, { key: { trustRoot: 'approval' } }],
  };
  proxy.reload(
    [{ name: 'releases', match: ['lab.local/**'], require }],
    [...trustRoots, rootOf('approval', stranger)],
    [exceptionFor(digest)],
  );
  t.equal(told(await get('manifests/v1')), '200');
  t.match(proxy.pulls, [{ outcome: 'excepted' }]);
  t.strictSame(proxy.pulls[0]?.signers, []);
});

t.test('a signature that appears is what counts from the next verification on', async (t) => {
  const lab = await openLab(t, { rule: { ...SIGNED, reverify: HOUR } });
  const { registry, proxy, signer, image, get } = lab;
  const { digest, layers } = image('app');
  except(lab, [exceptionFor(digest)], { reverify: HOUR });
  t.ok((await get(`manifests/${digest}`)).headers['warning']);
  cosign2(registry, TEAM, digest, signer);
  proxy.now += HOUR - 1;
  t.strictSame(await proxy.reverify(), ['admitted']);
  proxy.now += 1;
  t.equal((await get(`manifests/${digest}`)).headers['warning'], undefined);
  t.match(proxy.pulls.at(-1), { outcome: 'admitted', signers: [/release/] });
  t.equal(told(await get(`blobs/${layers[0] ?? ''}`)), '200');
  proxy.now = EXPIRES;
  t.equal(told(await get(`manifests/${digest}`)), '200', 'it needs none');
});

t.test('an index lets its children in, which say so', async (t) => {
  const { registry, proxy, image, get } = await openLab(t);
  const child = image('child');
  const index = putIndex(registry, TEAM, [child], { tag: 'v1' });
  except({ proxy }, [exceptionFor(index.digest)]);
  t.equal(told(await get('manifests/v1')), '200');
  const answer = await get(`manifests/${child.digest}`);
  t.equal(answer.status, 200);
  t.match(answer.headers['warning'], /exception until .*; part of the admitted sha256:/);
  t.equal(told(await get(`blobs/${child.config}`)), '200');
  t.strictSame(
    proxy.pulls.map(({ outcome }) => outcome),
    ['excepted', 'excepted'],
  );
  t.equal(proxy.warnings.length, 1, 'one decision');
});

t.test('a child is no precedent for its index', async (t) => {
  const { registry, proxy, image, get } = await openLab(t);
  const child = image('child');
  putIndex(registry, TEAM, [child], { tag: 'v1' });
  except({ proxy }, [exceptionFor(child.digest)]);
  t.equal(told(await get('manifests/v1')), '403 DENIED');
  t.equal(told(await get(`manifests/${child.digest}`)), '200');
});

t.test('what is attached is served, and ends with the exception', async (t) => {
  const lab = await openLab(t, { registry: { referrersApi: true } });
  const { registry, proxy, image, stranger, get } = lab;
  const app = image('app', { tag: 'v1' });
  cosign2(registry, TEAM, app.digest, stranger);
  const bundle = cosign3(registry, TEAM, app, stranger);
  const sig = `manifests/${app.digest.replace(':', '-')}.sig`;
  except(lab, [exceptionFor(app.digest)]);
  await get(sig);
  const signature = `manifests/${(await get(sig)).headers['docker-content-digest']?.toString() ?? ''}`;
  const what = ['manifests/v1', sig, signature, `manifests/${bundle}`];
  proxy.now = EXPIRES - 1;
  for (const each of what) {
    const answer = await get(each);
    t.equal(told(answer), '200', each);
    t.match(answer.headers['warning'], /^299 - "exception until/, each);
  }
  proxy.now = EXPIRES;
  const after: string[] = [];
  for (const each of [signature, sig, `manifests/${bundle}`, 'manifests/v1']) {
    after.push(told(await get(each)));
  }
  t.strictSame(after, ['403 DENIED', '404 MANIFEST_UNKNOWN', '403 DENIED', '403 DENIED']);
});

t.test('where nobody can look, it answers for a minute and they look again', async (t) => {
  const { registry, proxy, signer, image, get } = await openLab(t);
  const { digest } = image('app');
  cosign2(registry, TEAM, digest, signer);
  except({ proxy }, [exceptionFor(digest)]);
  const heal = registry.fault(/\.sig$/, { kind: 'status', status: 403 });
  const answer = await get(`manifests/${digest}`);
  t.equal(answer.status, 200);
  t.match(answer.headers['warning'], /without it it could not be decided now: could not check tag/);
  heal();
  proxy.now += 60_000 - 1;
  t.ok((await get(`manifests/${digest}`)).headers['warning']);
  proxy.now += 1;
  t.equal((await get(`manifests/${digest}`)).headers['warning'], undefined);
});

t.test('signatures that were good stand in while nobody can look', async (t) => {
  const rule = { reverify: HOUR, tags: { maxStale: HOUR } };
  const { registry, proxy, signed, get } = await openLab(t, { rule: { ...SIGNED, ...rule } });
  const { digest } = signed('app');
  except({ proxy }, [exceptionFor(digest)], rule);
  await get(`manifests/${digest}`);
  registry.fault(/./, { kind: 'status', status: 503 });
  proxy.now += HOUR;
  t.match((await get(`manifests/${digest}`)).headers['warning'], /^299 - "stale: /);
  t.match(proxy.pulls.at(-1), { outcome: 'admitted', signers: [/release/] });
  proxy.now += HOUR;
  t.match((await get(`manifests/${digest}`)).headers['warning'], /^299 - "exception until/);
  t.match(proxy.pulls.at(-1), { outcome: 'excepted', signers: [] });
});

t.test('so does what was excepted before, which goes on saying so', async (t) => {
  const rule = { reverify: HOUR, tags: { maxStale: HOUR } };
  const { registry, proxy, image, get } = await openLab(t, { rule: { ...SIGNED, ...rule } });
  const { digest } = image('app');
  except({ proxy }, [exceptionFor(digest)], rule);
  await get(`manifests/${digest}`);
  registry.fault(/./, { kind: 'status', status: 503 });
  proxy.now += HOUR;
  t.match(
    (await get(`manifests/${digest}`)).headers['warning'],
    /^299 - "exception until .* would be refused: unsigned.*; stale: it could not be verified/,
  );
  t.match(proxy.pulls.at(-1), { outcome: 'excepted' });
});

t.test('a signature that is taken away is no matter while there is an exception', async (t) => {
  const rule = { reverify: HOUR };
  const { registry, proxy, signed, get } = await openLab(t, { rule: { ...SIGNED, ...rule } });
  const { digest } = signed('app');
  except({ proxy }, [exceptionFor(digest)], rule);
  await get(`manifests/${digest}`);
  registry.deleteTag(TEAM, `${digest.replace(':', '-')}.sig`);
  proxy.now += HOUR;
  await proxy.reverify();
  t.match((await get(`manifests/${digest}`)).headers['warning'], /^299 - "exception until/);
  t.strictSame(proxy.withdrawn, []);
});

t.test('one that is added takes effect at once, for a tag that is held too', async (t) => {
  for (const onUnverifiedMove of ['hold', 'refuse'] as const) {
    const rule = { tags: { onUnverifiedMove } };
    const { proxy, signed, image, get } = await openLab(t, { rule: { ...SIGNED, ...rule } });
    signed('one', { tag: 'v1' });
    await get('manifests/v1');
    const two = image('two', { tag: 'v1' });
    proxy.now += TAG_RULE.refresh;
    const held = await get('manifests/v1');
    t.equal(held.status, onUnverifiedMove === 'hold' ? 200 : 403);
    except({ proxy }, [exceptionFor(two.digest)], rule);
    const moved = await get('manifests/v1');
    t.equal(moved.headers['docker-content-digest'], two.digest, onUnverifiedMove);
    t.match(moved.headers['warning'], /^299 - "exception until/);
  }
});

t.test('a tag that moves to it moves as any other: not back, and not too early', async (t) => {
  const { registry, proxy, image, signed, get } = await openLab(t);
  const one = image('one', { tag: 'v1' });
  except({ proxy }, [exceptionFor(one.digest)]);
  await get('manifests/v1');
  const two = signed('two', { tag: 'v1' });
  proxy.now += TAG_RULE.refresh;
  t.equal((await get('manifests/v1')).headers['docker-content-digest'], two.digest);
  registry.tag(TEAM, 'v1', one.digest);
  proxy.now += TAG_RULE.refresh;
  const back = await get('manifests/v1');
  t.equal(back.headers['docker-content-digest'], two.digest);
  t.match(back.headers['warning'], /rollback/);

  const young = await openLab(t);
  const { digest } = young.image('app', { tag: 'v1' });
  except(young, [exceptionFor(digest)], { tags: { cooldown: HOUR } });
  const answer = await young.get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, /first seen here/);
});

t.test(
  'a rule in audit mode tells of the exception, and of nothing that it would refuse',
  async (t) => {
    const lab = await openLab(t);
    const { digest } = lab.image('app', { tag: 'v1' });
    const other = lab.image('other');
    except(lab, [exceptionFor(digest)], { mode: 'audit' });
    t.match((await lab.get('manifests/v1')).headers['warning'], /^299 - "exception until/);
    t.match((await lab.get(`manifests/${other.digest}`)).headers['warning'], /^299 - "audit mode/);
    t.strictSame(
      lab.proxy.pulls.map(({ outcome }) => outcome),
      ['excepted', 'warned'],
    );
  },
);

t.test('a manifest that nobody should interpret is refused all the same', async (t) => {
  const lab = await openLab(t);
  const { digest } = lab.image('both', { changes: { manifests: [] } });
  except(lab, [exceptionFor(digest)]);
  t.equal(told(await lab.get(`manifests/${digest}`)), '403 DENIED');
});

t.test('it is found under its digest and rule, word for word, until it is over', async (t) => {
  const digest = digestOf(Buffer.from('a'));
  const exception = exceptionFor(digest);
  let now = EXPIRES - 1;
  const exceptions = openExceptions([exception], () => now);
  const rule = { name: 'releases' };
  t.equal(exceptions.find(rule, digest), exception);
  t.equal(exceptions.findOver(rule, digest), undefined);
  t.equal(exceptions.find({ name: 'others' }, digest), undefined);
  t.equal(exceptions.find(rule, digestOf(Buffer.from('b'))), undefined);
  t.ok(exceptions.covers(rule, {}));
  t.ok(exceptions.covers(rule, { exception: { ...exception } }));
  for (const change of [{ reason: 'x' }, { expires: EXPIRES + 1 }]) {
    t.notOk(
      exceptions.covers(rule, { exception: { ...exception, ...change } }),
      JSON.stringify(change),
    );
  }
  t.notOk(exceptions.covers({ name: 'others' }, { exception }));
  now = EXPIRES;
  t.equal(exceptions.find(rule, digest), undefined);
  t.equal(exceptions.findOver(rule, digest), exception);
  t.notOk(exceptions.covers(rule, { exception }));
  now = 0;
  t.notOk(exceptions.covers(rule, { exception }), 'over once, over for good');
});
