/** The client of a proxy against answers that no good proxy gives. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import t, { type Test } from 'tap';
import { Agent } from 'undici';
import { findAttached } from '../../src/carry/attached.ts';
import { createPatience } from '../../src/carry/patience.ts';
import { createProxyClient, type ProxyClient } from '../../src/carry/proxy-client.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { FakeRegistry } from '../helpers/fake-registry.ts';
import { putImage } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';

const repository = { registry: 'lab.local', path: 'app' };
const PATH = 'lab.local/app';
const waited: number[] = [];

async function open(t: Test): Promise<{ registry: FakeRegistry; client: ProxyClient }> {
  const registry = await openFakeRegistry(t, { referrersApi: true, referrersPageSize: 2 });
  const dispatcher = new Agent();
  t.teardown(() => dispatcher.destroy());
  const patiently = createPatience({ wait: async (ms) => waited.push(ms), random: () => 0 });
  const client = createProxyClient({ url: registry.url, dispatcher, patiently });
  return { registry, client };
}

const oci = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] });
const never = (): void => undefined;

t.test('a refusal and an absence are final, in the words of the proxy', async (t) => {
  const { registry, client } = await open(t);
  t.match(await client.manifest(repository, 'v1'), { outcome: 'absent' });
  registry.fault(/manifests/, { kind: 'status', status: 403, body: oci('DENIED', 'no, because') });
  t.strictSame(await client.manifest(repository, 'v1'), {
    ...{ outcome: 'refused', message: 'no, because', status: 403 },
  });
  t.equal(registry.asked(/manifests/).length, 2, 'nothing is asked again');
});

t.test('of an upstream that nobody may ask nothing more is waited for', async (t) => {
  const subject = digestOf(Buffer.from('x'));
  const other = { ...repository, path: 'other' };
  const body = oci('UNAVAILABLE', 'not asked');
  const told = { outcome: 'failed', message: 'not asked', status: 503 };
  const openOffline = async (headers: Readonly<Record<string, string>>) => {
    const registry = await openFakeRegistry(t, { referrersApi: true });
    registry.fault(/manifests|referrers/, { kind: 'status', status: 503, body, headers });
    const dispatcher = new Agent();
    t.teardown(() => dispatcher.destroy());
    const patiently = createPatience({ wait: async () => undefined, random: () => 0 });
    const isOffline = ({ path }: typeof repository) => path === repository.path;
    const client = createProxyClient({ url: registry.url, dispatcher, patiently, isOffline });
    return { registry, client };
  };
  const { registry, client } = await openOffline({});
  t.strictSame(await client.manifest(repository, 'v1'), { ...told, isUnasked: true });
  t.match(await findAttached(client, repository, subject), {
    ...{ outcome: 'got', value: { attached: [], notes: [] } },
  });
  t.equal(registry.asked(/./).length, 1 + 4 + 1, 'each once');
  t.strictSame(await client.manifest(other, 'v1'), told, 'others may come back');
  t.equal(registry.asked(/other/).length, 8);
  const { client: undecided } = await openOffline({ 'retry-after': '1' });
  t.strictSame(await findAttached(undecided, repository, subject), told, 'it may be there');
});

t.test('what passes is asked again, what is wrong is not', async (t) => {
  const { registry, client } = await open(t);
  const { digest } = putImage(registry, PATH, 'app', { tag: 'v1' });
  const headers = { 'retry-after': '3' };
  registry.fault(/manifests/, { kind: 'status', status: 429, headers }, { times: 1 });
  registry.fault(/manifests/, { kind: 'reset' }, { times: 1 });
  registry.fault(/manifests/, { kind: 'truncate', at: 5 }, { times: 1 });
  waited.length = 0;
  t.match(await client.manifest(repository, 'v1'), { outcome: 'got', value: { digest } });
  t.strictSame(waited, [250, 500, 4000]);
  registry.clearRequests();
  const body = oci('DIGEST_INVALID', 'not the bytes');
  registry.fault(/manifests/, { kind: 'status', status: 502, body }, { times: 1 });
  t.match(await client.manifest(repository, 'v1'), { outcome: 'failed', message: 'not the bytes' });
  registry.fault(/manifests/, { kind: 'corrupt', at: 40 }, { times: 1 });
  t.match(await client.manifest(repository, digest), {
    ...{ outcome: 'failed', message: /expected the manifest sha256:.*, got another one/ },
  });
  registry.fault(/manifests/, { kind: 'replace', body: '[]' }, { times: 1 });
  t.match(await client.manifest(repository, 'v1'), { outcome: 'failed', message: /v1: expected/ });
  const huge = Buffer.alloc(4 * 1024 * 1024 + 1);
  registry.fault(/manifests/, { kind: 'replace', body: huge }, { times: 1 });
  t.match(await client.manifest(repository, 'v1'), { outcome: 'failed', message: /at most/ });
  t.equal(registry.asked(/manifests/).length, 4);
});

t.test('a blob is proven; one that breaks off twice is asked for its last byte', async (t) => {
  const { registry, client } = await open(t);
  const bytes = Buffer.alloc(300_000, 'blob');
  const digest = registry.putBlob(PATH, bytes);
  const blob = { digest, size: bytes.length };
  let told = -1;
  const tell = (count: number): void => void (told = count);
  t.match(await client.fetchBlob(repository, blob, tell), { outcome: 'got' });
  t.equal(told, bytes.length);
  registry.clearRequests();
  registry.fault(/blobs/, { kind: 'truncate', at: 9 }, { times: 1 });
  registry.fault(/blobs/, { kind: 'corrupt', at: 9 }, { times: 1 });
  const error = {
    kind: 'status',
    status: 502,
    body: oci('DIGEST_INVALID', 'another blob'),
  } as const;
  registry.fault(({ headers }) => headers.range === 'bytes=-1', error);
  t.match(await client.fetchBlob(repository, blob, tell), { message: 'another blob' });
  t.equal(registry.asked(/blobs/).length, 3);
  const short = { digest, size: bytes.length - 1 };
  t.match(await client.fetchBlob(repository, short, never), { outcome: 'failed' });
  await t.rejects(async () => {
    const absent = { digest: digestOf(Buffer.from('x')), size: 1 };
    for await (const chunk of client.openBlob(repository, absent)) t.fail(String(chunk.length));
  }, /blob unknown/);
});

t.test('lists are read page by page, and only at their place', async (t) => {
  const { registry, client } = await open(t);
  const { digest, size } = putImage(registry, PATH, 'app', { tag: 'v1' });
  const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size };
  for (let number = 0; number < 5; number++) {
    putImage(registry, PATH, `r${number}`, { changes: { subject } });
  }
  const all = await client.referrers(repository, digest);
  t.equal(all.outcome === 'got' && all.value.length, 5);
  t.equal(registry.asked(/referrers/).length, 3);
  for (const link of ['</v2/other/referrers/x>; rel="next"', '<//evil.test/v2/>; rel="next"']) {
    const headers = { headers: { link } };
    registry.fault(/referrers/, { kind: 'headers', ...headers }, { times: 1 });
    t.match(await client.referrers(repository, digest), { message: /at the same place/ });
  }
  const own = `</v2/${PATH}/referrers/${digest}>; rel="next"`;
  registry.clearRequests();
  registry.fault(/referrers/, { kind: 'headers', headers: { link: own } });
  t.match(await client.referrers(repository, digest), { message: /expected at most 1000/ });
  registry.fault(
    /tags/,
    { kind: 'replace', body: '{"tags":["a",1,"..","b c","b"]}' },
    { times: 1 },
  );
  t.match(await client.tags(repository), { value: ['a', 'b'] });
  registry.fault(/tags/, { kind: 'replace', body: '{"tags":{}}' }, { times: 1 });
  t.match(await client.tags(repository), { outcome: 'failed', message: /expected a list of tags/ });
});

t.test('what another server would send is read from the cache itself', async (t) => {
  const registry = await openFakeRegistry(t);
  const dispatcher = new Agent();
  t.teardown(() => dispatcher.destroy());
  const bytes = Buffer.from('content');
  const digest = registry.putBlob(PATH, bytes);
  registry.fault(/blobs/, { kind: 'status', status: 200, headers: { 'x-accel-redirect': '/x' } });
  const base = { url: registry.url, dispatcher, patiently: createPatience() };
  const blob = { digest, size: bytes.length };
  const read = async (client: ProxyClient): Promise<string> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of client.openBlob(repository, blob)) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  async function* openKept() {
    yield bytes;
  }
  t.equal(await read(createProxyClient({ ...base, openKept })), 'content');
  await t.rejects(read(createProxyClient(base)), /another server alone/);
  t.match(await createProxyClient(base).fetchBlob(repository, blob, never), { outcome: 'got' });
});

t.test('a list of tags may be long, and say more than tags', async (t) => {
  const { registry, client } = await open(t);
  putImage(registry, PATH, 'app', { tag: 'v1' });
  const tags = Array.from({ length: 150_000 }, (_, at) => `t${at}`);
  registry.fault(/tags/, { kind: 'replace', body: JSON.stringify({ tags }) }, { times: 1 });
  const long = await client.tags(repository);
  t.equal(long.outcome === 'got' && long.value.length, 150_000);
  // As Google's registries write it.
  const known = Array.from({ length: 10_000 }, (_, at) => {
    const tag = at === 0 ? ['v1'] : [];
    return [`sha256:${at.toString(16).padStart(64, '0')}`, { mediaType: 'a/b', layerId: '', tag }];
  });
  const manifest: unknown = Object.fromEntries(known);
  const body = JSON.stringify({ child: [], manifest, name: 'a', tags: ['v1'] });
  registry.fault(/tags/, { kind: 'replace', body }, { times: 1 });
  t.match(await client.tags(repository), { outcome: 'got', value: ['v1'] });
});

t.test('a proxy that is gone is waited for once, until it is there again', async (t) => {
  const { registry, client } = await open(t);
  putImage(registry, PATH, 'app', { tag: 'v1' });
  const { port } = new URL(registry.url);
  await registry.close();
  waited.length = 0;
  t.match(await client.manifest(repository, 'v1'), { outcome: 'failed', message: /ECONNREFUSED/ });
  t.equal(waited.length, 7);
  t.match(await client.manifest(repository, 'v2'), { outcome: 'failed', message: /ECONNREFUSED/ });
  t.equal(waited.length, 7, 'every other image is told at once');
  const again = createServer((_request, response) => {
    response.writeHead(429).end();
  });
  again.listen(Number(port), '127.0.0.1');
  t.teardown(() => again.close());
  await once(again, 'listening');
  t.match(await client.manifest(repository, 'v2'), { outcome: 'failed', status: 429 });
  t.equal(waited.length, 14, 'with patience again');
});
