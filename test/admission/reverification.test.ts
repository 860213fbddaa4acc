/** Decisions age: what is decided is verified again, what no longer passes is withdrawn with all that it let in. */
import t, { type Test } from 'tap';
import { dueAt, isDue } from '../../src/admission/expiry.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { putIndex } from '../helpers/image.ts';
import { openLab, SIGNED, TEAM, told, type Lab, type LabOptions } from '../helpers/lab.ts';
import { cosign2, putSigTag, simplePayload } from '../helpers/signer.ts';

const HOUR = 3_600_000;
const RULE = { ...SIGNED, reverify: HOUR, tags: { refresh: 90 * HOUR, maxStale: HOUR / 2 } };
/** Questions that look for signatures. */
const LOOKS = /\.sig|\/referrers\//;

const open = (t: Test, options: LabOptions = {}): Promise<Lab> =>
  openLab(t, { rule: RULE, ...options });

/** As somebody who deletes signatures, or a registry that loses them. */
function unsign({ registry }: Lab, digest: Digest): void {
  registry.deleteTag(TEAM, `${digest.replace(':', '-')}.sig`);
}

t.test('a decision asks nobody while it is young, and is made anew after that', async (t) => {
  const lab = await open(t);
  const { digest, layers } = lab.signed('app', { tag: 'v1' });
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  t.equal(told(await lab.get(`blobs/${layers[0] ?? ''}`)), '200');
  lab.registry.clearRequests();
  lab.proxy.now += HOUR - 1;
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  t.strictSame(lab.registry.requests, []);
  lab.proxy.now += 1;
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  t.not(lab.registry.asked(LOOKS).length, 0, 'signatures are looked for again');
  t.strictSame(lab.registry.asked(/blobs\/.*layer|GET .*\/v1$/), [], 'and nothing else');
  lab.registry.clearRequests();
  lab.proxy.now += HOUR - 1;
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  t.strictSame(lab.registry.requests, [], 'for as long again');
  t.strictSame(lab.proxy.withdrawn, []);
});

t.test('an image that does not pass any more is refused with everything in it', async (t) => {
  const lab = await open(t);
  const { digest, layers, config } = lab.signed('app', { tag: 'v1' });
  for (const what of ['manifests/v1', `manifests/${digest}`, `blobs/${config}`]) {
    t.equal(told(await lab.get(what)), '200');
  }
  unsign(lab, digest);
  t.equal(told(await lab.get(`manifests/${digest}`)), '200', 'nobody looks yet');
  lab.proxy.now += HOUR;
  const refused = await lab.get(`manifests/${digest}`);
  t.equal(told(refused), '403 DENIED');
  t.match(refused.error?.message, /no signature was found/);
  t.strictSame(lab.proxy.withdrawn, ['releases'], 'told once');
  for (const what of ['manifests/v1', `blobs/${config}`, `blobs/${layers[0] ?? ''}`]) {
    t.equal(told(await lab.get(what)), '403 DENIED', what);
  }
  cosign2(lab.registry, TEAM, digest, lab.signer);
  lab.proxy.now += 10_000;
  for (const what of ['manifests/v1', `blobs/${config}`]) {
    t.equal(told(await lab.get(what)), '200', `${what}, signed again`);
  }
});

t.test('a round withdraws before anybody asks', async (t) => {
  const lab = await open(t);
  const bad = lab.signed('bad', { tag: 'bad' });
  const good = lab.signed('good', { tag: 'good' });
  for (const tag of ['bad', 'good']) t.equal(told(await lab.get(`manifests/${tag}`)), '200');
  unsign(lab, bad.digest);
  t.strictSame(await lab.proxy.reverify(), [], 'nothing is due');
  lab.proxy.now += HOUR - 1;
  t.strictSame((await lab.proxy.reverify()).toSorted(), ['admitted', 'withdrawn']);
  t.strictSame(lab.proxy.withdrawn, ['releases']);
  lab.registry.clearRequests();
  t.equal(told(await lab.get(`blobs/${bad.config}`)), '403 DENIED');
  t.equal(told(await lab.get('manifests/bad')), '403 DENIED', 'although it was in memory');
  lab.registry.clearRequests();
  lab.proxy.now += HOUR / 2;
  t.equal(told(await lab.get('manifests/good')), '200');
  t.equal(told(await lab.get(`blobs/${good.config}`)), '200');
  t.strictSame(lab.registry.asked(LOOKS), [], 'whoever pulls waits for nobody');
  t.strictSame(await lab.proxy.reverify(), []);
});

t.test('images that were decided together are verified at different times', async (t) => {
  const any = digestOf(Buffer.from('any'));
  const digests = Array.from({ length: 1000 }, (_, each) => digestOf(Buffer.from(`${each}`)));
  const times = digests.map((digest) => dueAt(digest, {}, 1000, { reverify: HOUR }) ?? 0);
  t.ok(Math.min(...times) >= 1000 + 0.75 * HOUR);
  t.ok(Math.max(...times) < 1000 + HOUR, 'ahead of the time at which somebody waits');
  const perTenth = Array.from({ length: 10 }, (_, tenth) => {
    const from = 1000 + HOUR * (0.75 + 0.025 * tenth);
    return times.filter((time) => time >= from && time < from + 0.025 * HOUR).length;
  });
  t.ok(
    perTenth.every((count) => count > 50 && count < 150),
    perTenth.join(),
  );
  t.equal(dueAt(any, { until: 2000 }, 1000, { reverify: HOUR }), 2000);
  t.equal(dueAt(any, {}, 1000, { reverify: Number.POSITIVE_INFINITY }), undefined);
});

t.test('a clock that was set back makes no decision young', async (t) => {
  t.equal(isDue(1000, { reverify: 500 }, 1499), false);
  t.equal(isDue(1000, { reverify: 500 }, 1500), true);
  t.equal(isDue(1000, { reverify: 500 }, 999), true);
  const lab = await open(t);
  const { digest } = lab.signed('app');
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  unsign(lab, digest);
  lab.proxy.now -= 1000 * HOUR;
  t.equal(told(await lab.get(`manifests/${digest}`)), '403 DENIED');
});

t.test('while nobody can be asked a decision lasts for maxStale more', async (t) => {
  const lab = await open(t);
  const { digest, config } = lab.signed('app');
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  t.equal(told(await lab.get(`blobs/${config}`)), '200');
  lab.registry.fault(/./, { kind: 'status', status: 503 });
  lab.proxy.now += HOUR - 1;
  t.strictSame(await lab.proxy.reverify(), ['open']);
  t.strictSame(await lab.proxy.reverify(), [], 'and not again at once');
  lab.proxy.now += 1;
  const stale = await lab.get(`manifests/${digest}`);
  t.equal(told(stale), '200');
  t.match(stale.headers['warning'], /^299 - "stale: it could not be verified again: /);
  lab.proxy.now += HOUR / 2 - 1;
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  t.equal(told(await lab.get(`blobs/${config}`)), '200');
  lab.proxy.now += 10_000;
  const over = await lab.get(`manifests/${digest}`);
  t.equal(told(over), '503 UNAVAILABLE');
  t.ok(over.headers['retry-after']);
  t.strictSame(lab.proxy.withdrawn, [], 'an outage is no denial');
});

t.test('what is not cached any more is left to whoever pulls it', async (t) => {
  const lab = await open(t);
  const { digest } = lab.signed('app');
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  await lab.proxy.blobs.remove(digest);
  lab.registry.clearRequests();
  lab.proxy.now += HOUR;
  t.strictSame(await lab.proxy.reverify(), ['dropped']);
  t.strictSame(await lab.proxy.reverify(), []);
  t.strictSame(lab.registry.requests, []);
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  lab.proxy.now += HOUR;
  t.strictSame(await lab.proxy.reverify(), ['admitted'], 'then it is looked after again');
});

t.test('a rule that is another by now is left to whoever pulls', async (t) => {
  const lab = await open(t);
  const { digest } = lab.signed('app');
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  lab.proxy.now += HOUR;
  const rule = { name: 'releases', ...RULE };
  lab.proxy.reload([
    { match: ['lab.local/team/**'], insecureAcceptAnything: true },
    { match: ['lab.local/**'], ...rule },
  ]);
  t.strictSame(await lab.proxy.reverify(), ['dropped']);
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
});

t.test('an index takes its children along, and another image keeps what they share', async (t) => {
  const lab = await open(t);
  const base = Buffer.from('a layer of both');
  const child = lab.image('child', { layers: [base, Buffer.from('of the child')] });
  const other = lab.signed('other', { layers: [base] });
  const index = putIndex(lab.registry, TEAM, [child], { tag: 'multi' });
  cosign2(lab.registry, TEAM, index.digest, lab.signer);
  const [shared = '', own = ''] = child.layers;
  for (const each of [
    `manifests/${other.digest}`,
    'manifests/multi',
    `manifests/${child.digest}`,
  ]) {
    t.equal(told(await lab.get(each)), '200', each);
  }
  for (const layer of [shared, own]) t.equal(told(await lab.get(`blobs/${layer}`)), '200');
  unsign(lab, index.digest);
  lab.proxy.now += HOUR;
  for (const each of [`manifests/${index.digest}`, `manifests/${child.digest}`, `blobs/${own}`]) {
    t.equal(told(await lab.get(each)), '403 DENIED', each);
  }
  t.equal(told(await lab.get(`blobs/${shared}`)), '200', 'the other image names it too');
  t.equal(told(await lab.get(`manifests/${other.digest}`)), '200');
});

t.test('a child is as old as the decision about its index', async (t) => {
  const lab = await open(t);
  const child = lab.image('child');
  const index = putIndex(lab.registry, TEAM, [child]);
  cosign2(lab.registry, TEAM, index.digest, lab.signer);
  t.equal(told(await lab.get(`manifests/${index.digest}`)), '200');
  lab.proxy.now += HOUR - 1;
  t.equal(told(await lab.get(`manifests/${child.digest}`)), '200');
  unsign(lab, index.digest);
  lab.proxy.now += 1;
  t.equal(told(await lab.get(`manifests/${child.digest}`)), '403 DENIED');
  t.equal(told(await lab.get(`blobs/${child.config}`)), '403 DENIED');
});

t.test('a child of two indexes is served while one of them passes', async (t) => {
  const lab = await open(t);
  const child = lab.image('child');
  const indexes = [[child], [child, lab.image('more')]].map((children) => {
    const index = putIndex(lab.registry, TEAM, children);
    cosign2(lab.registry, TEAM, index.digest, lab.signer);
    return index.digest;
  });
  for (const fallen of indexes) {
    for (const each of [...indexes, child.digest]) {
      t.equal(told(await lab.get(`manifests/${each}`)), '200');
    }
    unsign(lab, fallen);
    lab.proxy.now += HOUR;
    t.equal(told(await lab.get(`manifests/${fallen}`)), '403 DENIED');
    t.equal(told(await lab.get(`blobs/${child.config}`)), '200', `without ${fallen}`);
    t.equal(told(await lab.get(`manifests/${child.digest}`)), '200');
    cosign2(lab.registry, TEAM, fallen, lab.signer);
    lab.proxy.now += 10_000;
  }
});

t.test('in audit mode it is told, and served with a warning', async (t) => {
  const lab = await open(t, { rule: { ...RULE, mode: 'audit' } });
  const { digest, config } = lab.signed('app');
  t.equal((await lab.get(`manifests/${digest}`)).headers['warning'], undefined);
  unsign(lab, digest);
  lab.proxy.now += HOUR;
  t.strictSame(await lab.proxy.reverify(), ['withdrawn']);
  t.strictSame(lab.proxy.withdrawn, ['releases']);
  const served = await lab.get(`manifests/${digest}`);
  t.equal(told(served), '200');
  t.match(served.headers['warning'], /audit mode/);
  t.equal(told(await lab.get(`blobs/${config}`)), '200');
  t.strictSame(lab.proxy.withdrawn, ['releases'], 'once');
});

t.test('where the tag is bound, the decision for each tag ages', async (t) => {
  const lab = await open(t, { rule: { ...RULE, signatures: { reference: 'exact' } } });
  const image = lab.image('app', { tag: 'v1' });
  const payload = simplePayload(image.digest, {
    identity: { 'docker-reference': `lab.local/${TEAM}:v1` },
  });
  const signature = lab.signer.sign(payload);
  putSigTag(lab.registry, TEAM, image.digest, [{ payload, signature }]);
  t.equal(told(await lab.get('manifests/v1')), '200');
  lab.proxy.now += HOUR;
  t.ok((await lab.proxy.reverify()).every((outcome) => outcome === 'admitted'));
  unsign(lab, image.digest);
  lab.proxy.now += HOUR;
  t.ok((await lab.proxy.reverify()).includes('withdrawn'));
  t.equal(told(await lab.get('manifests/v1')), '403 DENIED');
  t.equal(told(await lab.get(`manifests/${image.digest}`)), '403 DENIED');
});

t.test('an attachment that is pulled to be run is refused, and stays an attachment', async (t) => {
  const lab = await open(t);
  const { digest } = lab.signed('app');
  const tag = `${digest.replace(':', '-')}.sig`;
  const attached = (await lab.get(`manifests/${tag}`)).headers['docker-content-digest'];
  t.equal(told(await lab.get(`manifests/${String(attached)}`)), '200');
  lab.registry.tag(TEAM, 'run', attached as Digest);
  t.equal(told(await lab.get('manifests/run')), '403 DENIED');
  t.equal(told(await lab.get(`manifests/${String(attached)}`)), '200');
  t.strictSame(lab.proxy.withdrawn, []);
});

t.test('withdrawing survives a restart', async (t) => {
  const lab = await open(t);
  const { digest, config } = lab.signed('app');
  t.equal(told(await lab.get(`manifests/${digest}`)), '200');
  unsign(lab, digest);
  lab.proxy.now += HOUR;
  t.strictSame(await lab.proxy.reverify(), ['withdrawn']);
  await lab.proxy.close();
  const again = await openLab(t, { rule: RULE, path: lab.proxy.path, trustRoots: lab.trustRoots });
  t.equal(told(await again.get(`blobs/${config}`)), '403 DENIED');
});
