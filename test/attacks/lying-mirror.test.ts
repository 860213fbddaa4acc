/**
 * A mirror may send anything: nothing that it sends is believed before its digest says so, and what a tag means is none
 * of its business. It helps or it does not, and never decides.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { blobName } from '../../src/store/disk-layout.ts';
import type { FakeRegistry } from '../helpers/fake-registry.ts';
import { putImage, type PutImage } from '../helpers/image.ts';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2 } from '../helpers/signer.ts';
import { until } from '../store/sources.ts';

const contents = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
const layers = [contents];
/** Milliseconds. */
const PATIENCE = 1_000;

interface Scene extends Lab {
  readonly mirrors: readonly FakeRegistry[];
  readonly app: PutImage;
  /** Path of the layer. */
  readonly layer: string;
  readonly isKept: () => boolean;
  /** The Range headers of requests for the layer. */
  readonly ranges: (place: FakeRegistry) => readonly (string | undefined)[];
}

/** @param patience milliseconds after which a blob that stalls is given up; a busy machine is no stall. */
async function open(t: Test, count = 1, patience = 60_000): Promise<Scene> {
  const mirrors: FakeRegistry[] = [];
  for (let index = 0; index < count; index++) mirrors.push(await openFakeRegistry(t));
  const lab = await openLab(t, { mirrors, upstream: { timeouts: { body: patience } } });
  const app = lab.signed('app', { tag: 'v1', layers });
  const [digest] = app.layers;
  if (digest === undefined) throw new Error('expected a layer');
  for (const mirror of mirrors) putImage(mirror, TEAM, 'app', { tag: 'v1', layers });
  return {
    ...lab,
    mirrors,
    app,
    layer: `blobs/${digest}`,
    isKept: () => existsSync(join(lab.proxy.path, 'v1/blobs', blobName(digest))),
    ranges: (place) =>
      place.asked(new RegExp(`GET .*/blobs/${digest}`)).map(({ headers }) => headers.range),
  };
}

function filesOf(path: string): readonly string[] {
  return readdirSync(join(path, 'v1/tmp'));
}

t.test('a blob that stops in the middle is finished by the mirror, byte after byte', async (t) => {
  const { registry, mirrors, get, layer, isKept, ranges } = await open(t, 1, PATIENCE);
  await get('manifests/v1');
  const [mirror] = mirrors;
  if (mirror === undefined) return;
  registry.fault(/blobs/, { kind: 'stall', after: 100_000 });
  const { status, body } = await get(layer);
  t.equal(status, 200);
  t.ok(body.equals(contents));
  t.strictSame(ranges(registry), [undefined]);
  t.strictSame(ranges(mirror), ['bytes=100000-'], 'each byte was sent once');
  t.equal(mirror.requests.length, 1, 'and nothing else was asked of it');
  await until(isKept);
});

t.test('a connection that is cut is taken up where it was cut', async (t) => {
  const { registry, mirrors, get, layer, ranges } = await open(t, 2);
  await get('manifests/v1');
  registry.fault(/blobs/, { kind: 'truncate', at: 100_000 });
  mirrors[0]?.fault(/blobs/, { kind: 'truncate', at: 50_000 });
  t.ok((await get(layer)).body.equals(contents));
  const starts = mirrors.map((mirror) =>
    ranges(mirror).map((range) => Number(range?.slice(6, -1) ?? 0)),
  );
  // What is under way when a connection is cut may be lost, all of it too.
  const [[first = -1] = [], [second = -1] = []] = starts;
  t.ok(first >= 0 && first <= 100_000, `${first}`);
  t.ok(second >= first && second <= first + 50_000, `${second}`);
});

t.test('an upstream that is away is stood in for, by digest and not by tag', async (t) => {
  const { registry, mirrors, get, head, app, layer } = await open(t);
  const [mirror] = mirrors;
  if (mirror === undefined) return;
  registry.fault(/./, { kind: 'status', status: 500 });
  t.equal(told(await get('manifests/v1')), '503 UNAVAILABLE');
  t.equal((await head('manifests/v1')).status, 503);
  t.equal(told(await get('manifests/v1')), '503 UNAVAILABLE', 'what a tag means only it can say');
  t.strictSame(mirror.requests, []);
  // By digest the manifest may come from the mirror; its signature, which a tag leads to, may not.
  const answer = await get(`manifests/${app.digest}`);
  t.equal(told(answer), '503 UNAVAILABLE');
  t.match(
    mirror.requests.map(({ url }) => url),
    [new RegExp(`/manifests/${app.digest}$`)],
  );
  t.equal(told(await get(layer)), '403 DENIED', 'nothing was admitted, so nothing is granted');
});

t.test('a signature that only the mirror has counts for nothing', async (t) => {
  const { registry, mirrors, get, signer, image } = await open(t);
  const unsigned = image('unsigned', { tag: 'unsigned', layers });
  const [mirror] = mirrors;
  if (mirror === undefined) return;
  putImage(mirror, TEAM, 'unsigned', { layers });
  cosign2(mirror, TEAM, unsigned.digest, signer);
  t.equal(told(await get('manifests/unsigned')), '403 DENIED');
  registry.fault(/\.sig/, { kind: 'status', status: 502 });
  registry.fault(/referrers/, { kind: 'status', status: 502 });
  t.notMatch(told(await get('manifests/unsigned')), '200');
  t.strictSame(mirror.asked(/\.sig|referrers|tags/), []);
});

t.test('corrupt bytes of a mirror are neither finished nor kept', async (t) => {
  const { registry, proxy, mirrors, get, layer, isKept } = await open(t, 1, PATIENCE);
  await get('manifests/v1');
  registry.fault(/blobs/, { kind: 'stall', after: 100_000 });
  const remove = mirrors[0]?.fault(/blobs/, { kind: 'corrupt', at: 7 });
  await t.rejects(get(layer), 'the last bytes never come');
  t.notOk(isKept());
  await until(() => filesOf(proxy.path).length === 0);
  t.strictSame(proxy.mismatches, ['lab.local'], 'and somebody is told');
  remove?.();
  t.ok((await get(layer)).body.equals(contents), 'the next who asks gets it from the same places');
});

t.test('a mirror that lies about the size is passed over', async (t) => {
  const { registry, mirrors, get, layer, isKept } = await open(t, 2);
  await get('manifests/v1');
  registry.fault(/blobs/, { kind: 'status', status: 503 });
  mirrors[0]?.fault(/blobs/, { kind: 'replace', body: Buffer.concat([contents, contents]) });
  t.ok((await get(layer)).body.equals(contents));
  await until(isKept);
});

t.test('a mirror that sends more than it may is left, and what it sent is not kept', async (t) => {
  const { registry, mirrors, get, layer, isKept } = await open(t);
  await get('manifests/v1');
  registry.fault(/blobs/, { kind: 'status', status: 503 });
  const body = Buffer.alloc(1_000_000, 'x');
  mirrors[0]?.fault(/blobs/, {
    kind: 'status',
    status: 200,
    headers: { 'content-length': undefined },
    body,
  });
  await t.rejects(get(layer));
  t.notOk(isKept());
});

t.test('a mirror without the blob says nothing about the upstream', async (t) => {
  const { registry, mirrors, get, layer, app } = await open(t);
  await get('manifests/v1');
  mirrors[0]?.deleteBlob(TEAM, app.layers[0] ?? app.digest);
  registry.fault(/blobs/, { kind: 'status', status: 503 });
  const answer = await get(layer);
  t.equal(told(answer), '503 UNAVAILABLE', 'not 404');
  const message = answer.error?.message ?? '';
  t.match(message, new RegExp(`${registry.host}/v2/.*expected status 200, got 503`));
  t.match(message, new RegExp(`${mirrors[0]?.host ?? ''}/v2/.*expected status 200, got 404`));
});

t.test('a mirror that wants to know who we are is no refusal', async (t) => {
  const { registry, mirrors, get, layer } = await open(t, 2);
  await get('manifests/v1');
  registry.fault(/blobs/, { kind: 'status', status: 429 });
  mirrors[0]?.fault(/blobs/, { kind: 'status', status: 403 });
  t.ok((await get(layer)).body.equals(contents));
});

t.test('what the upstream itself does not have is not there', async (t) => {
  const { registry, mirrors, get, layer, app } = await open(t);
  await get('manifests/v1');
  registry.deleteBlob(TEAM, app.layers[0] ?? app.digest);
  t.equal(told(await get(layer)), '404 BLOB_UNKNOWN');
  t.strictSame(mirrors[0]?.requests, []);
});
