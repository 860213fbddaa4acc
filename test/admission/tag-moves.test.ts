/** Which moves of a tag are followed: each setting of `tags` in a rule, alone. */
import t from 'tap';
import type { TagRule } from '../../src/policy/tag-rule.ts';
import { parseDigest } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { openLab, SIGNED, TEAM, told, type Lab } from '../helpers/lab.ts';
import { putIndex } from '../helpers/image.ts';
import { cosign2, rootOf } from '../helpers/signer.ts';
import { TAG_RULE } from '../helpers/tag-rule.ts';
import type { TestRule } from '../helpers/proxy.ts';

const { refresh, maxStale } = TAG_RULE;
const HOUR = 3_600_000;
const repository = parseRepository('lab.local', TEAM);

function open(
  t: Parameters<typeof openLab>[0],
  tags: Partial<TagRule>,
  rule: Partial<TestRule> = {},
) {
  return openLab(t, { rule: { ...SIGNED, ...rule, tags } });
}

async function digest({ get }: Lab, tag = 'v1'): Promise<unknown> {
  return (await get(`manifests/${tag}`)).headers['docker-content-digest'];
}

async function warning({ get }: Lab): Promise<unknown> {
  return (await get('manifests/v1')).headers['warning'];
}

t.test('onMove: hold leaves a tag where it is', async (t) => {
  const lab = await open(t, { onMove: 'hold' });
  const one = lab.signed('one', { tag: 'v1' });
  t.equal(await digest(lab), one.digest);
  const two = lab.signed('two', { tag: 'v1' });
  lab.proxy.now += refresh;
  t.equal(await digest(lab), one.digest);
  t.match(await warning(lab), `${two.digest}, which is not followed: the rule follows no move`);
  t.strictSame(lab.proxy.moves, [{ rule: 'releases', outcome: 'held', why: 'move' }]);
  lab.registry.tag(TEAM, 'v1', one.digest);
  lab.proxy.now += refresh;
  t.equal(await warning(lab), undefined, 'until upstream agrees again');
});

t.test('onMove: refuse refuses the tag and not its digests', async (t) => {
  const lab = await open(t, { onMove: 'refuse' });
  const one = lab.signed('one', { tag: 'v1' });
  await digest(lab);
  const two = lab.signed('two', { tag: 'v1' });
  lab.proxy.now += refresh;
  const answer = await lab.get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, `countersign pins move lab.local/${TEAM}:v1 ${two.digest}`);
  for (const { digest } of [one, two]) t.equal(told(await lab.get(`manifests/${digest}`)), '200');
});

t.test('a followed move is counted and remembered, with its evidence', async (t) => {
  const lab = await open(t, {});
  const start = lab.proxy.now;
  const one = lab.signed('one', { tag: 'v1' });
  await digest(lab);
  const two = lab.signed('two', { tag: 'v1' });
  lab.proxy.now += refresh;
  await digest(lab);
  t.strictSame(lab.proxy.moves, [{ rule: 'releases', outcome: 'followed', why: 'move' }]);
  const at = { firstSeen: start, admittedAt: start };
  t.match(await lab.proxy.records.findHistory(repository, 'v1'), [
    { digest: two.digest, admittedAt: start + refresh, evidence: /key1\.pub of release/ },
    { digest: one.digest, ...at, leftAt: start + refresh, evidence: /key1\.pub of release/ },
  ]);
});

t.test(
  'freeze: a tag stays at the first digest that was admitted, and nobody is asked',
  async (t) => {
    const lab = await open(t, { freeze: true });
    const one = lab.signed('one', { tag: 'v1' });
    await digest(lab);
    lab.signed('two', { tag: 'v1' });
    lab.registry.clearRequests();
    lab.proxy.now += 10 * maxStale;
    t.equal(await digest(lab), one.digest);
    t.equal(await warning(lab), undefined);
    t.strictSame(lab.registry.requests, []);
  },
);

t.test('freeze: what is not admitted any more is refused, whatever upstream has', async (t) => {
  const lab = await open(t, { freeze: true });
  const one = lab.signed('one', { tag: 'v1' });
  await digest(lab);
  const two = lab.image('two', { tag: 'v1' });
  cosign2(lab.registry, TEAM, two.digest, lab.stranger);
  const rule = { match: ['lab.local/**'], ...SIGNED, tags: { freeze: true } };
  lab.proxy.reload([rule], [rootOf('release', lab.stranger)]);
  const answer = await lab.get('manifests/v1');
  t.equal(told(answer), '403 DENIED');
  t.match(answer.error?.message, one.digest);
  t.match(answer.error?.message, /frozen at this digest/);
  lab.proxy.reload([{ ...rule, tags: {} }], [rootOf('release', lab.stranger)]);
  t.equal(await digest(lab), two.digest);
});

t.test('cooldown: a digest is followed when it was known for long enough', async (t) => {
  const lab = await open(t, { cooldown: 72 * HOUR });
  const one = lab.signed('one', { tag: 'v1' });
  const answer = await lab.get('manifests/v1');
  t.equal(told(answer), '403 DENIED', 'also the first');
  t.match(
    answer.error?.message,
    /first seen here on 2026-01-01T00:00:00Z.* until 2026-01-04T00:00:00Z/,
  );
  t.match(answer.error?.message, `countersign pins move lab.local/${TEAM}:v1 ${one.digest}`);
  t.equal(answer.headers['retry-after'], `${72 * 3600}`);
  t.equal(told(await lab.get(`manifests/${one.digest}`)), '200', 'a digest is no tag');
  lab.proxy.now += 72 * HOUR - 1;
  t.equal(told(await lab.get('manifests/v1')), '403 DENIED');
  lab.proxy.now += 5_001;
  t.equal(await digest(lab), one.digest);
  const two = lab.signed('two', { tag: 'v1' });
  lab.proxy.now += refresh;
  t.equal(await digest(lab), one.digest);
  t.match(await warning(lab), /first seen here on/);
  lab.proxy.now += 72 * HOUR;
  t.equal(await digest(lab), two.digest);
  t.equal(await warning(lab), undefined);
});

t.test(
  'cooldown: the clock of a digest is that of its repository, and survives a restart',
  async (t) => {
    const rule = { ...SIGNED, tags: { cooldown: 2 * HOUR } };
    const lab = await openLab(t, { rule });
    const one = lab.signed('one', { tag: '1.0' });
    t.equal(told(await lab.get('manifests/1.0')), '403 DENIED');
    const { now, path } = lab.proxy;
    await lab.proxy.close();
    const upstreams = { 'lab.local': lab.registry };
    const again = await openLab(t, { upstreams, path, trustRoots: lab.trustRoots, rule });
    again.proxy.now = now + 2 * HOUR;
    lab.registry.tag(TEAM, 'latest', one.digest);
    t.equal(await digest(again, 'latest'), one.digest);
  },
);

t.test('cooldown: nothing of a digest is fetched while it waits', async (t) => {
  const lab = await open(t, { cooldown: HOUR });
  lab.signed('one', { tag: 'v1' });
  await digest(lab);
  t.strictSame(
    lab.registry.requests.map(({ method }) => method),
    ['HEAD'],
  );
});

t.test('onDelete: keep goes on with what the tag had, with a warning', async (t) => {
  const lab = await open(t, { onDelete: 'keep' });
  const one = lab.signed('one', { tag: 'v1' });
  await digest(lab);
  lab.registry.deleteTag(TEAM, 'v1');
  lab.proxy.now += 10 * maxStale;
  t.equal(await digest(lab), one.digest);
  t.match(await warning(lab), /held: the tag is gone upstream/);
  t.match(lab.proxy.moves, [{ outcome: 'held', why: 'deleted' }]);
});

t.test('onDelete: purge forgets the pin, so that no outage brings it back', async (t) => {
  const lab = await open(t, {});
  lab.signed('one', { tag: 'v1' });
  await digest(lab);
  lab.registry.deleteTag(TEAM, 'v1');
  lab.proxy.now += refresh;
  t.equal(told(await lab.get('manifests/v1')), '404 MANIFEST_UNKNOWN');
  t.match(lab.proxy.moves, [{ outcome: 'purged', why: 'deleted' }]);
  await lab.registry.close();
  t.equal(told(await lab.get('manifests/v1')), '503 UNAVAILABLE');
});

t.test('audit mode follows every move, and tells which it would not', async (t) => {
  const tags = { onMove: 'refuse', onRollback: 'refuse', cooldown: HOUR, freeze: true } as const;
  const lab = await open(t, tags, { mode: 'audit' });
  const one = lab.signed('one', { tag: 'v1' });
  t.equal(await digest(lab), one.digest);
  t.match(await warning(lab), /audit mode: the tag would not be followed: it was first seen/);
  const two = lab.signed('two', { tag: 'v1' });
  lab.proxy.now += refresh;
  t.equal(await digest(lab), two.digest);
  t.match(await warning(lab), /audit mode: .*the rule freezes its tags/);
  t.match(
    lab.proxy.moves.map(({ outcome }) => outcome),
    ['audited', 'audited'],
  );
});

t.test('what audit mode let a tag mean is no history to roll back from', async (t) => {
  const lab = await open(t, {}, { mode: 'audit' });
  const good = lab.signed('good', { tag: 'v1' });
  await digest(lab);
  const evil = lab.image('evil', { tag: 'v1' });
  lab.proxy.now += refresh;
  t.equal(await digest(lab), evil.digest);
  t.match(lab.proxy.moves, [{ outcome: 'audited', why: 'unverified' }]);
  lab.registry.tag(TEAM, 'v1', good.digest);
  lab.proxy.now += refresh;
  lab.proxy.reload([{ match: ['lab.local/**'], ...SIGNED }]);
  t.equal(await digest(lab), good.digest);
  t.equal(await warning(lab), undefined);
});

t.test(
  'where anything is accepted, moves are judged all the same when the rule says so',
  async (t) => {
    const lab = await openLab(t, {
      rule: { insecureAcceptAnything: true, tags: { onRollback: 'refuse' } },
    });
    const one = lab.image('one', { tag: 'v1' });
    await digest(lab);
    lab.image('two', { tag: 'v1' });
    lab.proxy.now += refresh;
    await digest(lab);
    lab.registry.tag(TEAM, 'v1', one.digest);
    lab.proxy.now += refresh;
    t.equal(told(await lab.get('manifests/v1')), '403 DENIED');
  },
);

t.test('what audit mode let a tag mean has a history once it is signed', async (t) => {
  const lab = await open(t, {}, { mode: 'audit' });
  const one = lab.image('one', { tag: 'v1' });
  t.equal(await digest(lab), one.digest);
  cosign2(lab.registry, TEAM, one.digest, lab.signer);
  lab.proxy.reload([{ match: ['lab.local/**'], ...SIGNED }]);
  lab.proxy.now += refresh;
  t.equal(await digest(lab), one.digest);
  const two = lab.signed('two', { tag: 'v1' });
  lab.proxy.now += refresh;
  t.equal(await digest(lab), two.digest);
  lab.registry.tag(TEAM, 'v1', one.digest);
  lab.proxy.now += refresh;
  t.equal(await digest(lab), two.digest);
  t.match(await warning(lab), /rollback/);
});

t.test('tags of attachments move as they like', async (t) => {
  const strict = { onMove: 'refuse', cooldown: HOUR, freeze: true } as const;
  const lab = await open(t, strict);
  const one = lab.signed('one');
  const tag = `${one.digest.replace(':', '-')}.sig`;
  const before = await digest(lab, tag);
  t.type(before, 'string');
  const after = cosign2(lab.registry, TEAM, one.digest, lab.signer, lab.stranger);
  t.not(after, before);
  lab.proxy.now += refresh;
  t.equal(await digest(lab, tag), after, 'a signature was added');
  lab.registry.tag(TEAM, tag, parseDigest(before));
  lab.proxy.now += refresh;
  t.equal(await digest(lab, tag), before, 'and taken away');
  t.strictSame(lab.proxy.moves, []);
});

t.test('an index is held and followed as an image is', async (t) => {
  const lab = await open(t, { onMove: 'hold' });
  const one = putIndex(lab.registry, TEAM, [lab.image('a')], { tag: 'v1' });
  cosign2(lab.registry, TEAM, one.digest, lab.signer);
  t.equal(await digest(lab), one.digest);
  const two = putIndex(lab.registry, TEAM, [lab.image('b')], { tag: 'v1' });
  cosign2(lab.registry, TEAM, two.digest, lab.signer);
  lab.proxy.now += refresh;
  t.equal(await digest(lab), one.digest);
  t.match(await warning(lab), two.digest);
});

t.test('an operator freezes a tag, moves it, and lets it go', async (t) => {
  const lab = await open(t, {});
  const { proxy } = lab;
  const order = async (given: Parameters<typeof proxy.records.giveOrders>[0][number]['order']) => {
    await proxy.records.giveOrders([{ repository, tag: 'v1', order: given }]);
    proxy.admission.forget();
  };
  const old = lab.signed('old');
  const one = lab.signed('one', { tag: 'v1' });
  await digest(lab);
  await order({ frozen: true });
  const two = lab.signed('two', { tag: 'v1' });
  proxy.now += 10 * maxStale;
  t.equal(await digest(lab), one.digest, 'frozen');
  await order({ frozen: true, digest: old.digest });
  t.equal(await digest(lab), old.digest, 'moved');
  lab.registry.tag(TEAM, 'v1', one.digest);
  await order({ frozen: false, ask: true });
  t.equal(await digest(lab), one.digest, 'let go; what an operator left, upstream never did');
  lab.registry.tag(TEAM, 'v1', two.digest);
  proxy.now += refresh;
  t.equal(await digest(lab), two.digest, 'and follows again');
});

t.test('a tag that is frozen before anybody pulled it stays at what it first means', async (t) => {
  const lab = await open(t, {});
  await lab.proxy.records.giveOrders([{ repository, tag: 'v1', order: { frozen: true } }]);
  const one = lab.signed('one', { tag: 'v1' });
  t.equal(await digest(lab), one.digest);
  lab.signed('two', { tag: 'v1' });
  lab.proxy.now += 10 * maxStale;
  t.equal(await digest(lab), one.digest);
});

t.test('an order that comes while upstream is asked is heeded by the next pull', async (t) => {
  const lab = await open(t, {});
  const { proxy, registry } = lab;
  const one = lab.signed('one', { tag: 'v1' });
  await digest(lab);
  const two = lab.signed('two', { tag: 'v1' });
  const { promise, resolve } = Promise.withResolvers<undefined>();
  registry.fault(/^HEAD/, { kind: 'wait', until: promise });
  proxy.now += refresh;
  registry.clearRequests();
  const underWay = digest(lab);
  while (registry.requests.length === 0) await new Promise(setImmediate);
  const order = { frozen: true, digest: one.digest };
  await proxy.records.giveOrders([{ repository, tag: 'v1', order }]);
  proxy.admission.forget();
  resolve(undefined);
  t.equal(await underWay, two.digest, 'what was under way ends as it began');
  t.equal(await digest(lab), one.digest);
});

t.test('a held tag whose upstream is away says both', async (t) => {
  const lab = await open(t, { onMove: 'hold' });
  const one = lab.signed('one', { tag: 'v1' });
  await digest(lab);
  lab.signed('two', { tag: 'v1' });
  lab.proxy.now += refresh;
  await digest(lab);
  lab.registry.fault(/./, { kind: 'status', status: 500 });
  lab.proxy.now += maxStale - 1;
  t.equal(await digest(lab), one.digest);
  t.match(await warning(lab), /stale: .*held: upstream the tag is at/);
  t.match(lab.proxy.pulls.at(-1), {
    outcome: 'admitted',
    reasons: [/stale: .*held: upstream the tag is at/, /is satisfied/],
  });
  lab.proxy.now += 1;
  t.equal(told(await lab.get('manifests/v1')), '503 UNAVAILABLE');
});

t.test('an operator allows one rollback, which is then followed at once', async (t) => {
  for (const rollback of ['any', 'that', 'another'] as const) {
    const lab = await open(t, {});
    const { proxy, registry } = lab;
    const one = lab.signed('one', { tag: 'v1' });
    await digest(lab);
    const two = lab.signed('two', { tag: 'v1' });
    proxy.now += refresh;
    await digest(lab);
    registry.tag(TEAM, 'v1', one.digest);
    proxy.now += refresh;
    t.equal(await digest(lab), two.digest);
    const allowed = { any: 'any', that: one.digest, another: two.digest } as const;
    const order = { frozen: false, rollback: allowed[rollback], ask: true } as const;
    await proxy.records.giveOrders([{ repository, tag: 'v1', order }]);
    proxy.admission.forget();
    t.equal(await digest(lab), rollback === 'another' ? two.digest : one.digest, rollback);
    if (rollback === 'another') continue;
    t.equal(await proxy.records.findOrder(repository, 'v1'), undefined, 'once');
    registry.tag(TEAM, 'v1', two.digest);
    proxy.now += refresh;
    t.equal(await digest(lab), one.digest, 'not twice');
  }
});
