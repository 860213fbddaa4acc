/** Manifests: exact bytes, proven digests, bounds, and the digest behind a tag. */
import t from 'tap';
import { digestOf, parseDigest } from '../../src/oci/digest.ts';
import { DOCKER_LIST, MANIFEST_ACCEPT, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { USER_AGENT } from '../../src/upstream/request-headers.ts';
import {
  expectFailure,
  openFakeRegistry,
  openUpstream,
  REPOSITORY,
} from '../helpers/open-upstream.ts';

const BYTES = '{ "schemaVersion":2,\n"mediaType":"application/vnd.oci.image.manifest.v1+json"}\n';
const ABSENT = parseDigest(`sha256:${'0'.repeat(64)}`);

t.test('gives a manifest byte for byte, by tag and by digest', async (t) => {
  const registry = await openFakeRegistry(t);
  const { digest } = registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  const expected = { bytes: Buffer.from(BYTES), digest, contentType: OCI_MANIFEST };
  t.same(await upstream.fetchManifest(REPOSITORY, 'v1'), expected);
  t.same(await upstream.fetchManifest(REPOSITORY, digest), expected);
});

t.test('asks for known manifest types, uncompressed, as itself', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  await upstream.fetchManifest(REPOSITORY, 'v1');
  await upstream.resolve(REPOSITORY, 'v1');
  for (const { headers } of registry.requests) {
    t.equal(headers.accept, MANIFEST_ACCEPT);
    t.equal(headers['accept-encoding'], 'identity');
    t.equal(headers['user-agent'], USER_AGENT);
  }
  t.match(USER_AGENT, /^countersign\/\d+\.\d+\.\d+/);
});

t.test('a content type comes without parameters, or empty', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  registry.fault(/./, {
    kind: 'headers',
    headers: { 'content-type': `${DOCKER_LIST}; charset=utf-8` },
  });
  t.equal((await upstream.fetchManifest(REPOSITORY, 'v1')).contentType, DOCKER_LIST);
  registry.fault(/./, { kind: 'headers', headers: { 'content-type': undefined } });
  t.equal((await upstream.fetchManifest(REPOSITORY, 'v1')).contentType, '');
});

t.test('refuses bytes that are not what the digest names', async (t) => {
  const registry = await openFakeRegistry(t);
  const { digest } = registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  registry.fault(/./, { kind: 'corrupt', at: BYTES.length - 1 });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, digest), 'digest-mismatch');
  // A header that lies in the same way convinces nobody.
  const other = Buffer.from('{}');
  registry.fault(/./, { kind: 'replace', body: other });
  const lie = { 'docker-content-digest': digestOf(other), 'content-length': other.length };
  registry.fault(/./, { kind: 'status', status: 200, headers: lie, body: other });
  const error = await expectFailure(
    t,
    upstream.fetchManifest(REPOSITORY, digest),
    'digest-mismatch',
  );
  t.match(error.message, `expected ${digest}, got 2 bytes that are ${digestOf(other)}`);
});

t.test('refuses bytes by tag that the digest header contradicts', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  registry.fault(/./, { kind: 'corrupt', at: 0 });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'digest-mismatch');
  const sha512 = { 'docker-content-digest': digestOf(Buffer.from('x'), 'sha512') };
  registry.fault(/./, { kind: 'headers', headers: sha512 });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'digest-mismatch');
});

t.test('a registry that contradicts itself is not believed by digest either', async (t) => {
  const registry = await openFakeRegistry(t);
  const { digest } = registry.putManifest(REPOSITORY, BYTES);
  const upstream = openUpstream(t, registry);
  for (const header of [digestOf(Buffer.from('x')), digestOf(Buffer.from('x'), 'sha512')]) {
    registry.fault(/./, { kind: 'headers', headers: { 'docker-content-digest': header } });
    await expectFailure(t, upstream.fetchManifest(REPOSITORY, digest), 'digest-mismatch');
  }
});

t.test('takes a registry at its word for sha512', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  const digest = digestOf(Buffer.from(BYTES), 'sha512');
  registry.fault(/./, { kind: 'headers', headers: { 'docker-content-digest': digest } });
  const upstream = openUpstream(t, registry);
  t.equal((await upstream.fetchManifest(REPOSITORY, 'v1')).digest, digest);
  t.equal((await upstream.resolve(REPOSITORY, 'v1')).digest, digest);
});

t.test('a manifest by tag needs no digest header', async (t) => {
  const registry = await openFakeRegistry(t);
  const { digest } = registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  registry.fault(/./, { kind: 'headers', headers: { 'docker-content-digest': undefined } });
  const upstream = openUpstream(t, registry);
  t.equal((await upstream.fetchManifest(REPOSITORY, 'v1')).digest, digest);
});

t.test('refuses a digest header of no known form', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  for (const header of ['md5:d41d8cd98f00b204e9800998ecf8427e', 'sha256:ABC', '*']) {
    registry.fault(/./, { kind: 'headers', headers: { 'docker-content-digest': header } });
    await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'bad-response');
    await expectFailure(t, upstream.resolve(REPOSITORY, 'v1'), 'bad-response');
  }
});

t.test('refuses a manifest over the bound, however it is announced', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, 'x'.repeat(1001), { tag: 'big' });
  registry.putManifest(REPOSITORY, 'x'.repeat(1000), { tag: 'fits' });
  const upstream = openUpstream(t, registry, { maxManifestBytes: 1000 });
  await t.resolves(upstream.fetchManifest(REPOSITORY, 'fits'));
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'big'), 'too-large');
  registry.fault(/./, { kind: 'content-length', value: undefined });
  await t.resolves(upstream.fetchManifest(REPOSITORY, 'fits'));
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'big'), 'too-large');
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'fits', { maxBytes: 10 }), 'too-large');
  const four = openUpstream(t, registry);
  registry.putManifest(REPOSITORY, 'x'.repeat(4 * 1024 * 1024 + 1), { tag: 'huge' });
  await expectFailure(t, four.fetchManifest(REPOSITORY, 'huge'), 'too-large');
});

t.test('a manifest without end is not read to its end', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, 'x'.repeat(2000), { tag: 'v1' });
  registry.fault(/./, { kind: 'stall', after: 1500 });
  const upstream = openUpstream(t, registry, { maxManifestBytes: 1000 });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'too-large');
});

t.test('a manifest that is announced too large is not waited for', async (t) => {
  const registry = await openFakeRegistry(t);
  const headers = { 'content-length': 5_000_000 };
  registry.fault(/./, { kind: 'status', status: 200, headers, body: 'x', keepOpen: true });
  const upstream = openUpstream(t, registry);
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'too-large');
});

t.test('refuses a length that lies', async (t) => {
  const registry = await openFakeRegistry(t);
  const { digest } = registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  registry.fault(/./, { kind: 'content-length', value: BYTES.length + 1 });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unreachable');
  registry.fault(/./, { kind: 'content-length', value: BYTES.length - 1 });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, digest), 'digest-mismatch');
});

t.test('refuses a content encoding', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  registry.fault(/./, { kind: 'headers', headers: { 'content-encoding': 'gzip' } });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'bad-response');
  registry.fault(/./, { kind: 'headers', headers: { 'content-encoding': 'identity' } });
  await t.resolves(upstream.fetchManifest(REPOSITORY, 'v1'));
});

t.test('resolves a tag with one HEAD', async (t) => {
  const registry = await openFakeRegistry(t);
  const { digest } = registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  t.same(await openUpstream(t, registry).resolve(REPOSITORY, 'v1'), { digest });
  t.same(
    registry.requests.map(({ method }) => method),
    ['HEAD'],
  );
});

t.test('resolves with GET where HEAD names no digest or is not supported', async (t) => {
  const registry = await openFakeRegistry(t, { headDigest: false });
  const { digest } = registry.putManifest(REPOSITORY, BYTES, { tag: 'v1' });
  const upstream = openUpstream(t, registry);
  const first = await upstream.resolve(REPOSITORY, 'v1');
  t.equal(first.digest, digest);
  t.same(first.manifest?.bytes, Buffer.from(BYTES));
  registry.fault(/HEAD/, { kind: 'status', status: 405 });
  t.equal((await upstream.resolve(REPOSITORY, 'v1')).digest, digest);
});

t.test('says what is absent', async (t) => {
  const registry = await openFakeRegistry(t);
  const upstream = openUpstream(t, registry);
  await expectFailure(t, upstream.resolve(REPOSITORY, 'v1'), 'not-found');
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, ABSENT), 'not-found');
  const body = JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN' }] });
  registry.fault(/./, { kind: 'status', status: 400, body });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'not-found');
  registry.fault(/./, { kind: 'status', status: 403, body });
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'unauthorized');
});

t.test('other statuses are bad responses', async (t) => {
  const registry = await openFakeRegistry(t);
  const upstream = openUpstream(t, registry);
  for (const status of [201, 204, 206, 304, 400, 409, 418]) {
    registry.fault(/./, { kind: 'status', status });
    await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'bad-response');
  }
});

t.test('names that were never parsed do not reach the upstream', async (t) => {
  const registry = await openFakeRegistry(t);
  const upstream = openUpstream(t, registry);
  for (const [path, reference] of [
    ['../admin', 'v1'],
    ['a/b', '../../x'],
    ['a/b?x=', 'v1'],
    ['A', 'v1'],
    ['a', 'v1\r\nx: y'],
    ['a', ''],
  ] as const) {
    await expectFailure(t, upstream.fetchManifest(path, reference), 'not-found');
    await expectFailure(t, upstream.resolve(path, reference), 'not-found');
  }
  t.equal(registry.requests.length, 0);
});

t.test('an abort ends a request, before and after it began', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.fault(/./, { kind: 'stall' });
  const upstream = openUpstream(t, registry);
  const controller = new AbortController();
  const { signal } = controller;
  const asked = upstream.fetchManifest(REPOSITORY, 'v1', { signal });
  while (registry.requests.length === 0) await new Promise(setImmediate);
  controller.abort(new Error('a reason of theirs'));
  await expectFailure(t, asked, 'aborted');
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1', { signal }), 'aborted');
  t.equal(registry.requests.length, 1);
});

t.test('a closed upstream fails what is under way', async (t) => {
  const registry = await openFakeRegistry(t);
  registry.fault(/./, { kind: 'stall' });
  const upstream = openUpstream(t, registry);
  const asked = expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'aborted');
  while (registry.requests.length === 0) await new Promise(setImmediate);
  await upstream.close();
  await asked;
  await expectFailure(t, upstream.fetchManifest(REPOSITORY, 'v1'), 'aborted');
});

t.test('refuses to be made for anything but scheme, host and port', async (t) => {
  const registry = await openFakeRegistry(t);
  for (const url of [
    'https://a.test/path',
    'https://u:p@a.test',
    'https://a.test?x',
    'ftp://a.test',
  ]) {
    t.throws(() => openUpstream(t, registry, { url: new URL(url) }), TypeError, url);
  }
  t.throws(() => openUpstream(t, registry, { insecureHttp: false }), /insecureHttp/);
});
