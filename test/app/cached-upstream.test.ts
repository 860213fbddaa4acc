/** What a command sees of a registry that nobody may ask: what the cache has, and nothing that is damaged. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { createCachedUpstream } from '../../src/app/cached-upstream.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { blobName, blobsFolder } from '../../src/store/disk-layout.ts';
import { createOfflineUpstream } from '../../src/upstream/offline-upstream.ts';
import { testdir } from '../helpers/testdir.ts';

const bytes = Buffer.from('{"a":"manifest"}');
const digest = digestOf(bytes);
const offline = { code: 'offline' };

function put(path: string, name: Digest, content: Buffer): void {
  const file = join(blobsFolder(path), blobName(name));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

function open(t: Test) {
  const path = testdir(t);
  const pin = (tag: string) => ({
    ...{ repository: { registry: 'lab.local', path: 'a' }, tag, digest },
    ...{ checkedAt: 1, since: 1 },
  });
  const records = {
    findPin: (repository: { readonly path: string }, tag: string) =>
      Promise.resolve(tag === 'v1' && repository.path === 'a' ? pin(tag) : undefined),
  };
  const inner = createOfflineUpstream('lab.local', new URL('https://lab.local'));
  return { path, upstream: createCachedUpstream(inner, { records, path }) };
}

async function readAll(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

t.test('pins and cached content answer', async (t) => {
  const { path, upstream } = open(t);
  put(path, digest, bytes);
  t.equal(upstream.isOffline, true);
  t.match(await upstream.resolve('a', 'v1'), { digest });
  t.match(await upstream.fetchManifest('a', 'v1'), { digest, bytes });
  t.match(await upstream.fetchManifest('a', digest), { digest, bytes });
  const blob = await upstream.openBlob('a', digest, { offset: 5 });
  t.equal(blob.size, bytes.length);
  t.equal(await readAll(blob.body), bytes.toString().slice(5));
});

t.test('what is not there, too large or damaged is not to be had', async (t) => {
  const { path, upstream } = open(t);
  await t.rejects(upstream.resolve('a', 'v2'), offline);
  await t.rejects(upstream.resolve('b', 'v1'), offline);
  await t.rejects(upstream.fetchManifest('a', 'v2'), offline);
  await t.rejects(upstream.fetchManifest('a', digest), offline);
  await t.rejects(upstream.openBlob('a', digest), offline);
  await t.rejects(upstream.referrers('a', digest), offline);
  put(path, digest, Buffer.from('something else'));
  await t.rejects(upstream.fetchManifest('a', digest), offline);
  put(path, digest, bytes);
  await t.rejects(upstream.fetchManifest('a', digest, { maxBytes: 3 }), offline);
});
