/** X-Accel-Redirect: what is handed over to nginx in front, what never is, and how long it stays. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { GrantedBlob } from '../../src/admission/blobs.ts';
import { Handover } from '../../src/http/handover.ts';
import { digestHex, digestOf, type Digest } from '../../src/oci/digest.ts';
import { blobName } from '../../src/store/disk-layout.ts';
import { holdTimers } from '../helpers/hold-timers.ts';
import { openLab, TEAM } from '../helpers/lab.ts';
import { memoryReader, refused } from '../helpers/stub-server.ts';
import { fill, kept, kilobytes, openBounded } from '../store/bounded.ts';
import { openDescriptors, until } from '../store/sources.ts';
import { testdir } from '../helpers/testdir.ts';

const locate = (digest: Digest): string => `/internal/blobs/${blobName(digest)}`;
const contents = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));

t.test('a complete blob is handed over, and nothing but GET of it', async (t) => {
  const { registry, proxy, signed, get, head } = await openLab(t, { locate });
  const image = signed('app', { tag: 'v1', layers: [contents] });
  const [layer] = image.layers;
  if (layer === undefined) throw new Error('expected a layer');
  await get('manifests/v1');

  const miss = await get(`blobs/${layer}`);
  t.equal(miss.headers['x-accel-redirect'], undefined);
  t.ok(miss.body.equals(contents), 'a miss comes from here');

  // The last bytes reach a client before the blob has its name.
  await until(() => existsSync(join(proxy.path, 'v1/blobs', blobName(layer))));
  const hex = digestHex(layer);
  for (const range of [undefined, 'bytes=0-9', 'bytes=0-9,20-29']) {
    const hit = await get(`blobs/${layer}`, range === undefined ? {} : { range });
    t.equal(hit.status, 200);
    t.equal(hit.body.length, 0);
    t.match(hit.headers, {
      'x-accel-redirect': `/internal/blobs/sha256/${hex.slice(0, 2)}/${hex}`,
      'content-type': 'application/octet-stream',
      'content-length': '0',
      'docker-content-digest': layer,
      etag: `"${layer}"`,
    });
    t.equal(hit.headers['accept-ranges'], undefined, 'nginx says so itself');
    t.equal(hit.headers['content-range'], undefined);
  }
  const asked = await head(`blobs/${layer}`);
  t.equal(asked.headers['x-accel-redirect'], undefined);
  t.equal(asked.headers['content-length'], `${contents.length}`);
  for (const [status, headers] of [
    [304, { 'if-none-match': `"${layer}"` }],
    [416, { range: 'bytes=900000-' }],
  ] as const) {
    const answer = await get(`blobs/${layer}`, headers);
    t.equal(answer.status, status);
    t.equal(answer.headers['x-accel-redirect'], undefined);
  }
  t.equal((await get('manifests/v1')).headers['x-accel-redirect'], undefined);
  t.equal(registry.asked(new RegExp(`blobs/${layer}`)).length, 1);
});

t.test('a blob that is complete, but not granted, is refused as ever', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t, { locate });
  const image = signed('app', { tag: 'v1', layers: [contents] });
  const target = `blobs/${image.layers[0] ?? ''}`;
  await get('manifests/v1');
  await get(target);
  registry.putBlob('team/other', contents);
  const answer = await proxy.get(`/v2/lab.local/team/other/${target}`);
  t.equal(answer.status, 403);
  t.equal(answer.headers['x-accel-redirect'], undefined);
});

t.test('a blob in flight comes from here', async (t) => {
  const { registry, proxy, signed, get } = await openLab(t, { locate });
  const image = signed('app', { tag: 'v1', layers: [contents] });
  await get('manifests/v1');
  const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
  registry.fault(/blobs/, { kind: 'wait', until: released });
  const { blobs } = proxy;
  const fill = blobs.fill.bind(blobs);
  let fills = 0;
  Object.assign(blobs, {
    fill(...question: Parameters<typeof fill>) {
      fills++;
      return fill(...question);
    },
  });
  const first = get(`blobs/${image.layers[0] ?? ''}`);
  const second = get(`blobs/${image.layers[0] ?? ''}`);
  // Both have found that it is not complete.
  await until(() => fills === 2);
  release(undefined);
  for (const { headers, body } of await Promise.all([first, second])) {
    t.equal(headers['x-accel-redirect'], undefined);
    t.ok(body.equals(contents));
  }
});

t.test(
  'attached content comes from here, also where another image has it as a layer',
  async (t) => {
    const lab = await openLab(t, { locate });
    const app = lab.signed('app', { tag: 'v1' });
    const sig = `${app.digest.replace(':', '-')}.sig`;
    await lab.get('manifests/v1');
    const manifest = JSON.parse((await lab.get(`manifests/${sig}`)).body.toString()) as {
      layers: { digest: Digest }[];
    };
    const content = manifest.layers[0]?.digest ?? '';
    for (const time of ['first', 'second']) {
      const { headers, body } = await lab.get(`blobs/${content}`);
      t.equal(headers['x-accel-redirect'], undefined, time);
      t.ok(lab.registry.blob(TEAM, content)?.equals(body), time);
    }
  },
);

/** A blob that may be handed over, of which `opened` counts the readers. */
function keptBlob(bytes: Buffer, opened: { count: number; closed: number }): GrantedBlob {
  const reader = () => {
    opened.count += 1;
    return {
      ...memoryReader(bytes),
      close: async () => {
        opened.closed += 1;
      },
    };
  };
  return {
    outcome: 'granted',
    digest: digestOf(bytes),
    mediaType: '',
    size: bytes.length,
    open: async () => ({ reader: reader(), cached: true }),
    openKept: async () => reader(),
    isKept: async () => true,
    explain: () => refused(),
  };
}

/** Milliseconds that a descriptor is held. */
const KEPT = 15_000;

t.test('one descriptor is held for all who ask, and let go after a while', async (t) => {
  const timers = holdTimers(t, KEPT);
  const opened = { count: 0, closed: 0 };
  const blob = keptBlob(contents, opened);
  const handover = new Handover(locate);
  for (let times = 0; times < 5; times++) t.equal(await handover.offer(blob), locate(blob.digest));
  t.strictSame(opened, { count: 1, closed: 0 });
  timers.run();
  t.strictSame(opened, { count: 1, closed: 0 }, 'who came last has his time too');
  await handover.offer(blob);
  t.strictSame(opened, { count: 2, closed: 0 }, 'opened, and so used, anew');
  timers.run();
  t.strictSame(opened, { count: 2, closed: 1 });
  timers.run();
  t.strictSame(opened, { count: 2, closed: 2 });
  t.equal(timers.waiting, 0);
});

t.test('no more than 1024 blobs are held, the next are sent from here', async (t) => {
  holdTimers(t, KEPT);
  const opened = { count: 0, closed: 0 };
  const handover = new Handover(locate);
  const blobs = Array.from({ length: 1030 }, (_, index) =>
    keptBlob(Buffer.from(`${index}`), opened),
  );
  const offers = await Promise.all(blobs.map((blob) => handover.offer(blob)));
  t.equal(offers.filter((location) => location !== undefined).length, 1024);
  t.equal(opened.count, 1024);
  await handover.close();
  t.equal(opened.closed, 1024);
  const [first] = blobs;
  if (first !== undefined) t.equal(await handover.offer(first), undefined, 'nor after the end');
  t.equal(opened.closed, opened.count);
});

t.test('a lying size, a failing disk and attached content are not for handing over', async (t) => {
  holdTimers(t, KEPT);
  const handover = new Handover(locate);
  const blob = keptBlob(contents, { count: 0, closed: 0 });
  t.ok(await handover.offer(blob));
  const lying = { ...blob, size: 5, openKept: async () => undefined };
  t.equal(await handover.offer(lying), undefined);
  t.equal(await handover.offer({ ...blob, openKept: undefined }), undefined);
  const failing = keptBlob(Buffer.from('other'), { count: 0, closed: 0 });
  const openKept = () => Promise.reject(new Error('no'));
  t.equal(await handover.offer({ ...failing, openKept }), undefined);
});

t.test('what was handed over is not removed to make room before its time is over', async (t) => {
  const folder = testdir(t);
  const [a, b, c, d] = [1, 2, 3, 4].map((number) => kilobytes(100, number));
  if (a === undefined || b === undefined || c === undefined || d === undefined) return;
  const named = { a, b, c, d };
  const bounded = await openBounded(folder, 360_000);
  for (const each of [a, b, c]) await fill(bounded, each);
  const timers = holdTimers(t, KEPT);
  const handover = new Handover(locate);
  const blob = keptBlob(a.bytes, { count: 0, closed: 0 });
  await handover.offer({ ...blob, openKept: () => bounded.store.open(a.digest, a.size) });
  for (const each of [b, c]) await (await bounded.store.open(each.digest, each.size))?.close();
  await fill(bounded, d);
  t.equal(kept(folder, named), 'a c d', 'the oldest stays while nginx may open it');
  timers.run();
  timers.run();
  await fill(bounded, b);
  await bounded.store.settled();
  t.notMatch(kept(folder, named), 'a', 'and goes afterwards');
  await handover.close();
  await bounded.store.close();
  t.equal(openDescriptors(folder), 0);
});
