/** Blobs: streamed from an offset, with every way in which a connection can let us down. */
import t from 'tap';
import { parseDigest } from '../../src/oci/digest.ts';
import {
  expectFailure,
  openFakeRegistry,
  openUpstream,
  readAll,
  REPOSITORY,
} from '../helpers/open-upstream.ts';

const CONTENT = Buffer.from('0123456789'.repeat(10));

async function setUp(t: Parameters<typeof openFakeRegistry>[0]) {
  const registry = await openFakeRegistry(t);
  const digest = registry.putBlob(REPOSITORY, CONTENT);
  const upstream = openUpstream(t, registry);
  return { registry, digest, upstream };
}

t.test('streams a blob and says its size', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  const blob = await upstream.openBlob(REPOSITORY, digest);
  t.equal(blob.size, CONTENT.length);
  t.equal(blob.offset, 0);
  t.same(await readAll(blob.body), CONTENT);
  t.equal(registry.requests[0]?.headers.range, undefined);
  t.equal(registry.requests[0]?.headers['accept-encoding'], 'identity');
});

t.test('starts at an offset', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  const blob = await upstream.openBlob(REPOSITORY, digest, { offset: 95 });
  t.equal(blob.size, CONTENT.length);
  t.equal(blob.offset, 95);
  t.equal((await readAll(blob.body)).toString(), '56789');
  t.equal(registry.requests[0]?.headers.range, 'bytes=95-');
});

t.test('says so when the upstream ignored the offset', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  registry.fault(/./, {
    kind: 'status',
    status: 200,
    headers: { 'content-length': CONTENT.length },
    body: CONTENT,
  });
  const blob = await upstream.openBlob(REPOSITORY, digest, { offset: 95 });
  t.equal(blob.offset, 0);
  t.same(await readAll(blob.body), CONTENT);
});

t.test('a blob without a length has no size', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  registry.fault(/./, { kind: 'content-length', value: undefined });
  const blob = await upstream.openBlob(REPOSITORY, digest);
  t.equal(blob.size, undefined);
  t.same(await readAll(blob.body), CONTENT);
});

t.test('a range of unknown whole size has none either', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  registry.fault(/./, { kind: 'headers', headers: { 'content-range': 'bytes 95-99/*' } });
  const blob = await upstream.openBlob(REPOSITORY, digest, { offset: 95 });
  t.equal(blob.size, undefined);
  t.equal(blob.offset, 95);
});

t.test('refuses a range that is not the one asked for', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  for (const range of [
    undefined,
    'bytes 0-4/100',
    'bytes 94-99/100',
    'bytes 95-98/100',
    'bytes 95-99/101',
    'bytes 95-94/100',
    'bytes 95-99',
    'bytes 95-99/100, 0-1/100',
    'items 95-99/100',
    'bytes -5/100',
    `bytes 95-${'9'.repeat(20)}/*`,
  ]) {
    registry.fault(/./, { kind: 'headers', headers: { 'content-range': range } });
    const asked = upstream.openBlob(REPOSITORY, digest, { offset: 95 });
    await expectFailure(t, asked, 'bad-response');
  }
});

t.test('refuses a range whose length is another', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  const headers = { 'content-range': 'bytes 95-99/100', 'content-length': 4 };
  registry.fault(/./, { kind: 'status', status: 206, headers, body: '5678' });
  const asked = upstream.openBlob(REPOSITORY, digest, { offset: 95 });
  await expectFailure(t, asked, 'bad-response');
});

t.test('refuses a part that nobody asked for, and an offset beyond the end', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  const asked = upstream.openBlob(REPOSITORY, digest, { offset: 100 });
  await expectFailure(t, asked, 'bad-response');
  registry.fault(/./, {
    kind: 'status',
    status: 206,
    headers: { 'content-range': 'bytes 0-1/2', 'content-length': 2 },
    body: 'ab',
  });
  await expectFailure(t, upstream.openBlob(REPOSITORY, digest), 'bad-response');
});

t.test('refuses a content encoding', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  registry.fault(/./, { kind: 'headers', headers: { 'content-encoding': 'zstd' } });
  await expectFailure(t, upstream.openBlob(REPOSITORY, digest), 'bad-response');
});

t.test('says what is absent', async (t) => {
  const { upstream } = await setUp(t);
  const absent = parseDigest(`sha256:${'0'.repeat(64)}`);
  const error = await expectFailure(t, upstream.openBlob(REPOSITORY, absent), 'not-found');
  t.match(error.message, /got 404 "blob unknown to registry"/);
});

t.test('a body that breaks off fails after the bytes that came', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  registry.fault(/./, { kind: 'truncate', at: 40 });
  const { body } = await upstream.openBlob(REPOSITORY, digest);
  let length = 0;
  const reading = (async () => {
    for await (const chunk of body) length += chunk.length;
  })();
  await expectFailure(t, reading, 'unreachable');
  t.equal(length, 40);
});

t.test('a body shorter than it says is no success', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  registry.fault(/./, { kind: 'content-length', value: CONTENT.length + 1 });
  const { body } = await upstream.openBlob(REPOSITORY, digest);
  await expectFailure(t, readAll(body), 'unreachable');
});

t.test('a body that stalls is a timeout', async (t) => {
  const { registry, digest } = await setUp(t);
  registry.fault(/./, { kind: 'stall', after: 40 });
  const upstream = openUpstream(t, registry, { timeouts: { body: 50 } });
  const { body } = await upstream.openBlob(REPOSITORY, digest);
  const error = await expectFailure(t, readAll(body), 'timeout');
  t.match(error.message, /the body stalled/);
});

t.test('a reader that waits is not a body that stalls', async (t) => {
  const registry = await openFakeRegistry(t);
  const large = Buffer.alloc(8 * 1024 * 1024, 'x');
  const digest = registry.putBlob(REPOSITORY, large);
  const upstream = openUpstream(t, registry, { timeouts: { body: 1_000, total: 1_000 } });
  const blob = await upstream.openBlob(REPOSITORY, digest);
  let length = 0;
  for await (const chunk of blob.body) {
    if (length === 0) await new Promise((resolve) => setTimeout(resolve, 2_100));
    length += chunk.length;
  }
  t.equal(length, large.length);
});

t.test('a connection that dies before anybody reads fails the reader', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  registry.fault(/./, { kind: 'truncate', at: 40 });
  const { body } = await upstream.openBlob(REPOSITORY, digest);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await expectFailure(t, readAll(body), 'unreachable');
});

t.test('cancel ends the body, before and while it is read', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  registry.fault(/./, { kind: 'stall', after: 40 });
  const first = await upstream.openBlob(REPOSITORY, digest);
  first.cancel();
  await expectFailure(t, readAll(first.body), 'aborted');
  const second = await upstream.openBlob(REPOSITORY, digest);
  const reading = (async () => {
    for await (const chunk of second.body) {
      t.equal(chunk.length, 40);
      second.cancel();
    }
  })();
  await expectFailure(t, reading, 'aborted');
  second.cancel();
});

t.test('an abort ends the body', async (t) => {
  const { registry, digest, upstream } = await setUp(t);
  registry.fault(/./, { kind: 'stall', after: 40 });
  const controller = new AbortController();
  const { body } = await upstream.openBlob(REPOSITORY, digest, { signal: controller.signal });
  const reading = (async () => {
    for await (const chunk of body) controller.abort(chunk);
  })();
  await expectFailure(t, reading, 'aborted');
});

t.test('a reader that stops early lets the connection go', async (t) => {
  const registry = await openFakeRegistry(t);
  const digest = registry.putBlob(REPOSITORY, Buffer.alloc(8 * 1024 * 1024));
  const upstream = openUpstream(t, registry);
  const blob = await upstream.openBlob(REPOSITORY, digest);
  for await (const chunk of blob.body) {
    t.ok(chunk.length > 0);
    break;
  }
  await t.resolves(upstream.openBlob(REPOSITORY, digest));
});
