/** A client, a proxy, and an upstream whose blobs break off by a script; its images are signed. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { isDigest, type Digest } from '../../../src/oci/digest.ts';
import type { FakeContent } from '../../helpers/fake-registry-content.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../../helpers/faulty-registry.ts';
import { openFakeRegistry } from '../../helpers/open-upstream.ts';
import { cosign2, createSigner, type Signer } from '../../helpers/signer.ts';
import { tag, type Case } from './cases.ts';
import type { Client, ClientKind } from './clients/client.ts';
import { startCuttingFront, type CuttingFront } from './cutting-front.ts';
import { buildImage, ownArchitecture } from './images.ts';
import { labFolder } from './namespace.ts';
import { serveConfig, type Proxy } from './proxy.ts';

/** Bytes of the first layer: skopeo resumes where it got a mebibyte at least. */
const LAYER = 4 * 1024 * 1024;

export interface FaultyScene {
  readonly content: FakeContent;
  readonly registry: FaultyRegistry;
  readonly signer: Signer;
  readonly proxy: Proxy;
  readonly front: CuttingFront;
  readonly client: Client;
}

/** @param prepare what is done with the folder of the cache before the proxy starts. */
export async function openFaultyScene(
  t: Test,
  kind: ClientKind,
  prepare: (cache: string) => Promise<void> = () => Promise.resolve(),
): Promise<FaultyScene> {
  // Sockets have short names only, so the folder does too.
  const folder = mkdtempSync(join(labFolder, 'r-'));
  const content = await openFakeRegistry(t);
  const registry = await startFaultyRegistry(t, content);
  const signer = createSigner();
  writeFileSync(join(folder, 'release.pub'), signer.publicPem);
  const cache = join(folder, 'var');
  mkdirSync(cache);
  await prepare(cache);
  const proxy = await serveConfig(
    folder,
    `
listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
cache: { path: ${cache}, maxSize: 1GiB }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true } }
trustRoots: { release: { publicKeys: [ ./release.pub ] } }
policies: [ { name: releases, match: lab.local/**, require: { key: { trustRoot: release } } } ]
`,
  );
  t.teardown(() => proxy.stop());
  const front = await startCuttingFront(proxy.host);
  t.teardown(() => front.close());
  const clientFolder = join(folder, 'client');
  mkdirSync(clientFolder);
  const client = await kind.start({ proxy: front.host, folder: clientFolder });
  t.teardown(() => client.stop());
  return { content, registry, signer, proxy, front, client };
}

export interface SignedImage {
  readonly one: Case;
  /** The first of its layers. */
  readonly layer: Digest;
  readonly bytes: Buffer;
}

export function putSigned({ content, signer }: FaultyScene, name: string): SignedImage {
  const repository = `cases/${name}`;
  const image = buildImage(repository, 'oci', ownArchitecture, LAYER);
  for (const { bytes } of image.blobs) content.putBlob(repository, bytes);
  const { mediaType } = image;
  content.putManifest(repository, image.bytes, { tag, mediaType });
  cosign2(content, repository, asDigest(image.digest), signer);
  const [, layer] = image.blobs;
  if (layer === undefined) throw new Error('expected a layer');
  const one: Case = { title: name, repository, image };
  return { one, layer: asDigest(layer.digest), bytes: layer.bytes };
}

function asDigest(text: string): Digest {
  if (!isDigest(text)) throw new Error(`expected a digest, got ${text}`);
  return text;
}

/** What was signed arrives, and runs. */
export async function arrives(t: Test, { client }: FaultyScene, one: Case): Promise<void> {
  const pulled = await client.pull({ repository: one.repository, reference: tag });
  t.ok(pulled.ok, 'is pulled', { clientSaid: pulled.output });
  t.equal(pulled.digest, one.image.digest, 'has the digest that was signed');
  if (client.run === undefined) return;
  const said = await client.run({ repository: one.repository, reference: tag });
  t.match(said, one.image.greeting, 'its container greets');
}
