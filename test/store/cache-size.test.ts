/** `cache` through the whole program: what was removed is fetched again, what is to stay stays, what comes is fetched ahead. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { startApp } from '../../src/app.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { loadText } from '../helpers/config-file.ts';
import { putImage } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, createSigner } from '../helpers/signer.ts';
import { contentOf, filesBelow, until } from './sources.ts';
import { testdir } from '../helpers/testdir.ts';

const TEAM = 'team/app';

const nothing = (): void => undefined;
const NAMES = ['one', 'two', 'three'];

/** Three images of 700 kB each, and the program in front of them. */
async function open(t: Test, cache: string) {
  const registry = await openFakeRegistry(t);
  const signer = createSigner();
  const images = NAMES.map((name, index) => {
    const layers = [contentOf(400_000, 2 * index), contentOf(300_000, 2 * index + 1)];
    const image = putImage(registry, TEAM, name, { tag: name, layers });
    return { ...image, signature: cosign2(registry, TEAM, image.digest, signer) };
  });
  const yaml = `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ${testdir(t)}, ${cache} }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true } }
trustRoots: { release: { publicKeys: [./release.pub] } }
policies: [{ name: releases, match: lab.local/**, require: { key: { trustRoot: release } } }]
`;
  const config = loadText(t, yaml, { files: { 'release.pub': signer.publicPem } });
  const app = await startApp(config, {
    logger: pino({ level: 'silent' }),
    observer: { pull: nothing, blobServed: nothing, digestMismatch: nothing, request: nothing },
  });
  t.teardown(() => app.close());
  const folder = join(config.cache.path, 'v1', 'blobs');
  const get = async (what: string): Promise<number> => {
    const { statusCode, body } = await request(`${app.url}/v2/lab.local/${TEAM}/${what}`);
    const { byteLength } = await body.arrayBuffer();
    return statusCode === 200 ? byteLength : -statusCode;
  };
  /** Sizes of the layers, by a tag. */
  const pull = async (name: string): Promise<number[]> => {
    const image = images[NAMES.indexOf(name)];
    await get(`manifests/${name}`);
    const sizes: number[] = [];
    for (const digest of [image?.config, ...(image?.layers ?? [])]) {
      sizes.push(await get(`blobs/${String(digest)}`));
    }
    // The last bytes reach a client before the blob has its name and before room is made.
    await until(() => isKept(name) && bytes() <= config.cache.maxSize);
    return sizes.slice(1);
  };
  /** Whether all of an image is on the disk. */
  const isKept = (name: string): boolean => {
    const image = images[NAMES.indexOf(name)];
    const files = filesBelow(folder);
    return [image?.digest, image?.config, ...(image?.layers ?? [])].every((digest) =>
      files.some((file) => digest !== undefined && file.endsWith(digest.slice(7))),
    );
  };
  /** What is removed while they are counted counts no more. */
  const sizeOf = (file: string): number =>
    statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0;
  const bytes = (): number => filesBelow(folder).reduce((sum, file) => sum + sizeOf(file), 0);
  const askedForLayer = (name: string): number =>
    registry.asked(new RegExp(`GET .*/blobs/${String(images[NAMES.indexOf(name)]?.layers[0])}`))
      .length;
  /** Digests of what was attached to an image, as the books have it. */
  const attachedTo = (image: Digest): Set<string> => {
    const books = new DatabaseSync(join(config.cache.path, 'usage.sqlite'), { readOnly: true });
    const rows = books
      .prepare(
        `SELECT child.digest AS digest FROM members
         JOIN content AS child ON child.id = members.child
         JOIN content AS parent ON parent.id = members.parent
         WHERE parent.digest = ? AND attached = 1`,
      )
      .all(image);
    books.close();
    return new Set(rows.map(({ digest }) => String(digest)));
  };
  return { registry, images, url: app.url, get, pull, isKept, bytes, askedForLayer, attachedTo };
}

t.test('what signs an image goes with it, once it was looked at', async (t) => {
  const { registry, images, get, attachedTo } = await open(t, 'maxSize: 100MiB');
  const [image] = images;
  if (image === undefined) return;
  const stored = registry.manifest(TEAM, image.signature);
  const signature = JSON.parse(String(stored?.bytes)) as Record<'config', { digest: string }> & {
    layers: { digest: string }[];
  };
  const payload = signature.layers[0]?.digest ?? '';
  await get('manifests/one');
  t.strictSame(attachedTo(image.digest), new Set([image.signature, payload]), 'what counted');
  t.ok((await get(`manifests/${image.signature}`)) > 0);
  t.ok((await get(`blobs/${signature.config.digest}`)) > 0);
  const all = new Set([image.signature, payload, signature.config.digest]);
  t.strictSame(attachedTo(image.digest), all, 'and what was served of it');
});

t.test('an image that was removed is fetched again under its grants', async (t) => {
  const lab = await open(t, 'maxSize: 1MiB');
  for (const name of ['one', 'two', 'one', 'two']) {
    t.strictSame(await lab.pull(name), [400_000, 300_000]);
  }
  t.equal(lab.askedForLayer('one'), 2, 'it was removed for the other, and fetched again');
  t.notOk(lab.isKept('one'));
  await lab.registry.close();
  t.strictSame(await lab.pull('two'), [400_000, 300_000], 'what is here needs nobody');
});

t.test('an image that the operator keeps stays', async (t) => {
  const lab = await open(t, `maxSize: 1600KiB, keep: [ "lab.local/${TEAM}:on*" ]`);
  for (const name of ['one', 'two', 'three', 'two', 'three']) await lab.pull(name);
  t.ok(lab.isKept('one'));
  t.equal(lab.askedForLayer('one'), 1);
  t.equal(lab.askedForLayer('two'), 2);
});

t.test('layers are fetched ahead of their clients', async (t) => {
  const lab = await open(t, 'prefetch: 2');
  t.ok((await lab.get('manifests/one')) > 0);
  await until(() => lab.isKept('one'));
  t.equal(lab.askedForLayer('one'), 1);
  t.strictSame(await lab.pull('one'), [400_000, 300_000]);
  t.equal(lab.askedForLayer('one'), 1, 'and once');
  t.ok((await lab.get('manifests/one')) > 0);
  t.notOk(lab.isKept('two'), 'nothing that nobody asked about');
});

t.test('nothing is fetched ahead unless told, nor for who only looks', async (t) => {
  for (const [cache, method] of [
    ['maxSize: 10MiB', 'GET'],
    ['prefetch: 2', 'HEAD'],
  ] as const) {
    const lab = await open(t, cache);
    const url = `${lab.url}/v2/lab.local/${TEAM}/manifests/one`;
    const { statusCode, body } = await request(url, { method });
    await body.dump();
    t.equal(statusCode, 200);
    t.strictSame(await lab.pull('two'), [400_000, 300_000]);
    t.equal(lab.askedForLayer('one'), 0);
  }
});

t.test('nothing is fetched ahead while the upstream has little left for us', async (t) => {
  const lab = await open(t, 'prefetch: 2');
  const low = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '10;w=21600' };
  const more = { ...low, 'ratelimit-remaining': '11;w=21600' };
  const heal = lab.registry.fault(/manifests/, { kind: 'headers', headers: low });
  t.ok((await lab.get('manifests/one')) > 0);
  t.strictSame(await lab.pull('two'), [400_000, 300_000]);
  t.equal(lab.askedForLayer('one'), 0);
  heal();
  lab.registry.fault(/manifests/, { kind: 'headers', headers: more });
  t.ok((await lab.get('manifests/three')) > 0);
  await until(() => lab.isKept('three'));
  t.ok((await lab.get('manifests/one')) > 0);
  await until(() => lab.isKept('one'));
});
