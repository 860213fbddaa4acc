/** Withdrawing under way: what is looked at, decided or verified again at the same moment, and by whom. */
import { DatabaseSync } from 'node:sqlite';
import t, { type Test } from 'tap';
import { createMemory } from '../../src/admission/memory.ts';
import { reverify, type Reverified } from '../../src/admission/reverification.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { openSqliteRecords } from '../../src/store/sqlite-records.ts';
import { putIndex } from '../helpers/image.ts';
import { openLab, SIGNED, TEAM, told, type Lab, type LabOptions } from '../helpers/lab.ts';
import { cosign2, putSigTag, simplePayload } from '../helpers/signer.ts';

const HOUR = 3_600_000;
const RULE = { ...SIGNED, reverify: HOUR, tags: { refresh: 90 * HOUR, maxStale: HOUR / 2 } };
const quiet = { debug: () => undefined, warn: () => undefined, error: () => undefined };

const open = (t: Test, options: LabOptions = {}): Promise<Lab> =>
  openLab(t, { rule: RULE, ...options });

function unsign({ registry }: Lab, digest: Digest): void {
  registry.deleteTag(TEAM, `${digest.replace(':', '-')}.sig`);
}

/** Nothing is in memory any more, as after a restart. */
function forget({ proxy }: Lab): void {
  proxy.reload([{ name: 'releases', match: ['lab.local/**'], ...RULE }]);
}

async function statuses(lab: Lab, ...what: readonly string[]): Promise<readonly string[]> {
  const all: string[] = [];
  for (const each of what) all.push(told(await lab.get(each)));
  return all;
}

/** A place in the middle of something where it waits until it is let go. */
function createGate() {
  const reached = Promise.withResolvers<undefined>();
  const opened = Promise.withResolvers<undefined>();
  return {
    reached: reached.promise,
    pass: async (): Promise<void> => {
      reached.resolve(undefined);
      await opened.promise;
    },
    open: () => {
      opened.resolve(undefined);
    },
  };
}

t.test('whoever pulls by digest or fresh tag does not notice a round in an outage', async (t) => {
  for (const by of ['digest', 'v1']) {
    const lab = await open(t);
    const { digest } = lab.signed('app', { tag: 'v1' });
    const what = `manifests/${by === 'digest' ? digest : by}`;
    t.equal(told(await lab.get(what)), '200');
    forget(lab);
    lab.registry.fault(/./, { kind: 'status', status: 503 });
    lab.proxy.now += HOUR - 1;
    const round = lab.proxy.reverify();
    const answers: Promise<string>[] = [];
    for (let pull = 0; pull < 40; pull++) answers.push(lab.get(what).then(told));
    t.strictSame(await round, ['open']);
    t.strictSame(new Set(await Promise.all(answers)), new Set(['200']), by);
  }
});

t.test('who pulls does not wait for who verifies again', async (t) => {
  const lab = await open(t);
  const { digest } = lab.signed('app');
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  forget(lab);
  const gate = createGate();
  lab.registry.fault(/\.sig|referrers/, { kind: 'wait', until: gate.pass() });
  lab.proxy.now += HOUR - 1;
  const round = lab.proxy.reverify();
  t.equal(told(await lab.get(`manifests/${digest}`)), '200', 'while nothing answers');
  gate.open();
  t.strictSame(await round, ['admitted']);
});

t.test('a withdrawal by who was in force before reaches who is', async (t) => {
  const lab = await open(t);
  const { digest, layers } = lab.signed('app');
  const what = [`manifests/${digest}`, `blobs/${layers[0] ?? ''}`];
  t.strictSame(await statuses(lab, ...what), ['200', '200']);
  unsign(lab, digest);
  const { admission, records, blobs } = lab.proxy;
  lab.proxy.now += HOUR - 1;
  forget(lab);
  t.strictSame(await statuses(lab, ...what), ['200', '200'], 'by who is in force now');
  const [due] = await records.listDue(await policyKeyOf(lab), lab.proxy.now, 1);
  if (due === undefined) throw new Error('expected something that is due');
  t.equal(await admission.reverify(due, await policyKeyOf(lab)), 'withdrawn');
  t.strictSame(await statuses(lab, ...what), ['403 DENIED', '403 DENIED']);
  t.ok(await blobs.stat(digest), 'it is cached still');
});

t.test('a round ends when others are in force', async (t) => {
  const lab = await open(t);
  for (const name of ['one', 'two', 'three']) {
    t.equal(told(await lab.get(`manifests/${lab.signed(name).digest}`)), '200');
  }
  lab.proxy.now += HOUR;
  const { admission, records, blobs } = lab.proxy;
  const rule = { key: await policyKeyOf(lab), reverify: HOUR };
  const outcomes: Reverified[] = [];
  const others = { records, blobs, clock: () => lab.proxy.now, logger: quiet };
  const parts = { ...others, policy: { rules: [rule] } as never, pause: async () => undefined };
  let inForce = admission;
  const onReverified = (outcome: Reverified): void => {
    outcomes.push(outcome);
    forget(lab);
    inForce = lab.proxy.admission;
  };
  const current = () => ({ ...parts, admission: inForce, onReverified });
  await reverify(current, new AbortController().signal);
  t.strictSame(outcomes, ['admitted']);
});

async function policyKeyOf({ proxy }: Lab): Promise<string> {
  const database = new DatabaseSync(`${proxy.path}/records.sqlite`, { readOnly: true });
  const key = database.prepare('SELECT policy_key FROM verdicts').get()?.['policy_key'];
  database.close();
  return String(key);
}

t.test('who ends the program waits for no upstream', async (t) => {
  const lab = await open(t);
  t.equal(told(await lab.get(`manifests/${lab.signed('app').digest}`)), '200');
  lab.proxy.now += HOUR;
  const { records, blobs } = lab.proxy;
  const end = new AbortController();
  const asked = Promise.withResolvers<undefined>();
  const admission = {
    reverify: () => {
      asked.resolve(undefined);
      return new Promise<never>(() => undefined);
    },
  };
  const rule = { key: await policyKeyOf(lab), reverify: HOUR };
  const policy = { rules: [rule] } as never;
  const clock = (): number => lab.proxy.now;
  const pause = async (): Promise<void> => undefined;
  const current = () => ({ policy, admission, records, blobs, clock, logger: quiet, pause });
  const round = reverify(current, end.signal);
  await asked.promise;
  end.abort();
  await round;
  t.pass();
});

t.test('a look under way puts nothing back that was withdrawn', async (t) => {
  const records = await openSqliteRecords({ file: ':memory:' });
  t.teardown(() => records.close());
  const memory = createMemory({ records, blobs: undefined as never, logger: quiet });
  const repository = parseRepository('lab.local', TEAM);
  const [digest, because] = ['layer', 'image'].map((text) => digestOf(Buffer.from(text))) as [
    Digest,
    Digest,
  ];
  const key = { repository, digest, policyKey: 'rule' };
  await records.record({ grants: [{ ...key, because, kind: 'blob', mediaType: 'a/b', size: 1 }] });
  const looking = memory.findGrant(key, 'blob');
  await memory.withdraw({ ...key, digest: because });
  await looking;
  t.equal(await memory.findGrant(key, 'blob'), undefined);
});

t.test('a child that is looked up, or kept, while its index is withdrawn is refused', async (t) => {
  for (const where of ['records', 'blobs'] as const) {
    const lab = await open(t);
    const child = lab.image('child');
    const index = putIndex(lab.registry, TEAM, [child]);
    cosign2(lab.registry, TEAM, index.digest, lab.signer);
    t.equal(told(await lab.get(`manifests/${index.digest}`)), '200');
    unsign(lab, index.digest);
    forget(lab);
    lab.proxy.now += HOUR - 1;
    const gate = createGate();
    const { records, blobs } = lab.proxy;
    if (where === 'blobs') {
      const put = blobs.put.bind(blobs);
      Object.assign(blobs, {
        put: async (digest: Digest, bytes: Buffer) => {
          if (digest === child.digest) await gate.pass();
          await put(digest, bytes);
        },
      });
    } else {
      const find = records.findGrants.bind(records);
      Object.assign(records, {
        findGrants: async (...question: Parameters<typeof find>) => {
          const found = await find(...question);
          if (question[0].digest === child.digest) await gate.pass();
          return found;
        },
      });
    }
    const pulling = lab.get(`manifests/${child.digest}`);
    await gate.reached;
    t.strictSame(await lab.proxy.reverify(), ['withdrawn']);
    gate.open();
    t.equal(told(await pulling), '403 DENIED', where);
    for (let period = 0; period < 3; period++) {
      const what = [`manifests/${child.digest}`, `blobs/${child.config}`];
      t.strictSame(await statuses(lab, ...what), ['403 DENIED', '403 DENIED'], where);
      await lab.proxy.reverify();
      lab.proxy.now += HOUR;
    }
  }
});

t.test('after an outage the rounds are the first to try', async (t) => {
  const spared = { failures: 1, firstRest: 1000, longestRest: 5000 };
  const lab = await open(t, { spared });
  const { digest } = lab.signed('app');
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  const heal = lab.registry.fault(/./, { kind: 'reset' });
  t.equal(told(await lab.get('manifests/other')), '503 UNAVAILABLE');
  heal();
  unsign(lab, digest);
  lab.proxy.now += HOUR - 1;
  // One question tries, and the others of the same moment are not asked.
  t.strictSame(await lab.proxy.reverify(), ['open']);
  lab.proxy.now += 600_000;
  t.strictSame(await lab.proxy.reverify(), ['withdrawn']);
});

t.test('content ends with the decision that it rests on', async (t) => {
  const away = await open(t);
  const image = away.signed('app');
  const blob = `blobs/${image.layers[0] ?? ''}`;
  t.strictSame(await statuses(away, `manifests/${image.digest}`, blob), ['200', '200']);
  away.registry.fault(/./, { kind: 'status', status: 503 });
  away.proxy.now += HOUR + HOUR / 2 - 1;
  t.equal(told(await away.get(blob)), '200', 'as long as the manifest');
  away.proxy.now += 1;
  t.equal(told(await away.get(blob)), '503 UNAVAILABLE');

  const gone = await open(t);
  const { digest, layers } = gone.signed('app');
  t.equal(told(await gone.get(`manifests/${digest}`)), '200');
  await gone.proxy.blobs.remove(digest);
  unsign(gone, digest);
  gone.proxy.now += HOUR;
  t.strictSame(await gone.proxy.reverify(), ['dropped']);
  t.equal(told(await gone.get(`blobs/${layers[0] ?? ''}`)), '403 DENIED', 'never cached');

  const closed = await open(t);
  const { digest: theirs, config } = closed.signed('app');
  t.strictSame(await statuses(closed, `manifests/${theirs}`, `blobs/${config}`), ['200', '200']);
  closed.registry.fault(/./, { kind: 'status', status: 403 });
  closed.proxy.now += 1000 * HOUR;
  t.not(told(await closed.get(`blobs/${config}`)), '200', 'a repository that was closed');
});

t.test('one of several givers that holds is enough', async (t) => {
  const rule = { ...RULE, tags: { refresh: 90 * HOUR, maxStale: 0 } };
  const lab = await open(t, { rule });
  const again = (): void => {
    lab.proxy.reload([{ name: 'releases', match: ['lab.local/**'], ...rule }]);
  };
  const child = lab.image('child');
  const indexes = [[child], [child, lab.image('extra')]].map((children) => {
    const { digest } = putIndex(lab.registry, TEAM, children);
    cosign2(lab.registry, TEAM, digest, lab.signer);
    return `manifests/${digest}`;
  });
  const what = [`manifests/${child.digest}`, `blobs/${child.config}`];
  for (const [first = '', second = ''] of [indexes, indexes.toReversed()]) {
    lab.proxy.now += 1000 * HOUR;
    again();
    t.strictSame(await statuses(lab, first, ...what), ['200', '200', '200']);
    lab.proxy.now += HOUR / 2;
    t.equal(told(await lab.get(second)), '200');
    lab.proxy.now += HOUR / 2 + 1;
    again();
    const heal = lab.registry.fault(/./, { kind: 'status', status: 503 });
    t.strictSame(await statuses(lab, second, ...what), ['200', '200', '200']);
    heal();
  }
});

t.test('of two tags that are bound one falls alone', async (t) => {
  const lab = await open(t, { rule: { ...RULE, signatures: { reference: 'exact' } } });
  const image = lab.image('app');
  const signatures = ['v1', 'v2'].map((tag) => {
    const identity = { 'docker-reference': `lab.local/${TEAM}:${tag}` };
    const payload = simplePayload(image.digest, { identity });
    return { payload, signature: lab.signer.sign(payload) };
  });
  putSigTag(lab.registry, TEAM, image.digest, signatures);
  for (const tag of ['v1', 'v2']) {
    lab.registry.tag(TEAM, tag, image.digest);
    t.equal(told(await lab.get(`manifests/${tag}`)), '200');
  }
  putSigTag(lab.registry, TEAM, image.digest, signatures.slice(0, 1));
  lab.proxy.now += HOUR - 1;
  t.ok((await lab.proxy.reverify()).includes('withdrawn'));
  const what = ['v1', 'v2', image.digest].map((name) => `manifests/${name}`);
  t.strictSame(await statuses(lab, ...what, `blobs/${image.config}`), [
    '200',
    '403 DENIED',
    '200',
    '200',
  ]);
});

t.test('in audit mode an outage withdraws nothing', async (t) => {
  const lab = await open(t, { rule: { ...RULE, mode: 'audit' } });
  t.equal(told(await lab.get(`manifests/${lab.signed('app').digest}`)), '200');
  lab.registry.fault(/./, { kind: 'status', status: 503 });
  lab.proxy.now += HOUR - 1;
  t.strictSame(await lab.proxy.reverify(), ['open']);
  t.strictSame(await lab.proxy.reverify(), [], 'and not again at once');
  t.strictSame(lab.proxy.withdrawn, []);
});

t.test('children are verified with their index, not besides', async (t) => {
  const lab = await open(t);
  const children = ['a', 'b', 'c'].map((name) => lab.image(name));
  const index = putIndex(lab.registry, TEAM, children);
  cosign2(lab.registry, TEAM, index.digest, lab.signer);
  t.equal(told(await lab.get(`manifests/${index.digest}`)), '200');
  for (const { digest } of children) t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  lab.proxy.now += HOUR - 1;
  t.strictSame(await lab.proxy.reverify(), ['admitted']);
});

t.test(
  'a withdrawal that the disk does not take holds all the same, and is not told',
  async (t) => {
    const lab = await open(t);
    const { digest, config } = lab.signed('app');
    const what = [`manifests/${digest}`, `blobs/${config}`];
    t.strictSame(await statuses(lab, ...what), ['200', '200']);
    unsign(lab, digest);
    lab.proxy.now += HOUR - 20_000;
    const { records } = lab.proxy;
    const withdraw = records.withdraw.bind(records);
    Object.assign(records, { withdraw: () => Promise.reject(new Error('the disk is full')) });
    t.strictSame(await lab.proxy.reverify(), ['open']);
    t.strictSame(lab.proxy.withdrawn, []);
    t.strictSame(await statuses(lab, ...what), ['403 DENIED', '403 DENIED']);
    lab.proxy.now += 10_000;
    t.strictSame(await statuses(lab, ...what), ['403 DENIED', '403 DENIED'], 'later as well');
    Object.assign(records, { withdraw });
    lab.proxy.now += 10_000;
    t.strictSame(await statuses(lab, ...what), ['403 DENIED', '403 DENIED']);
    t.strictSame(lab.proxy.withdrawn, ['releases'], 'as soon as it could be written');
  },
);
