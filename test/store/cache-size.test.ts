/** `cache.maxSize` through the whole program: what was removed is fetched again, what is small stays. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { request } from 'undici';
import { startApp } from '../../src/app.ts';
import { loadText } from '../helpers/config-file.ts';
import { putImage } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, createSigner } from '../helpers/signer.ts';
import { contentOf, filesBelow, until } from './sources.ts';

const TEAM = 'team/app';

t.test('a removed layer is fetched again under its grant, and decisions need nobody', async (t) => {
  const registry = await openFakeRegistry(t);
  const signer = createSigner();
  const images = ['one', 'two'].map((name, index) => {
    const layers = [contentOf(400_000, 2 * index), contentOf(300_000, 2 * index + 1)];
    const image = putImage(registry, TEAM, name, { tag: name, layers });
    cosign2(registry, TEAM, image.digest, signer);
    return image;
  });
  const yaml = `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ${t.testdir()}, maxSize: 1MiB }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true } }
trustRoots: { release: { publicKeys: [./release.pub] } }
policies: [{ name: releases, match: lab.local/**, require: { key: { trustRoot: release } } }]
`;
  const config = loadText(t, yaml, { files: { 'release.pub': signer.publicPem } });
  const nothing = (): void => undefined;
  const app = await startApp(config, {
    logger: pino({ level: 'silent' }),
    observer: { pull: nothing, blobServed: nothing, digestMismatch: nothing, request: nothing },
  });
  const get = async (what: string): Promise<number> => {
    const { statusCode, body } = await request(`${app.url}/v2/lab.local/${TEAM}/${what}`);
    return statusCode === 200 ? (await body.arrayBuffer()).byteLength : -statusCode;
  };
  const pull = async (index: number): Promise<number[]> => {
    const image = images[index];
    const sizes = [await get(`manifests/${String(image?.digest)}`)];
    for (const digest of [image?.config, ...(image?.layers ?? [])]) {
      sizes.push(await get(`blobs/${String(digest)}`));
    }
    return sizes.slice(2);
  };
  const bytes = (): number => {
    const folder = join(config.cache.path, 'v1', 'blobs');
    return filesBelow(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  };
  const layerOfOne = new RegExp(`GET .*/blobs/${String(images[0]?.layers[0])}`);

  for (const index of [0, 1, 0, 1]) t.strictSame(await pull(index), [400_000, 300_000]);
  t.equal(registry.asked(layerOfOne).length, 2, 'it was removed for the other, and fetched again');
  // The last bytes reach a client before the blob has its name.
  await until(() => bytes() > 2 ** 19 && bytes() <= 2 ** 20);

  await registry.close();
  for (const image of images) {
    t.ok((await get(`manifests/${image.digest}`)) > 0, 'manifests are still here');
    t.ok((await get(`blobs/${image.config}`)) > 0, 'and configurations');
  }
  await app.close();
});
