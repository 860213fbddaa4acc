/** What is measured: docker-registry with signed images in it, Countersign in front of it, and the others beside. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { digestHex, parseDigest } from '../../src/oci/digest.ts';
import { mustRun } from '../e2e/lab/process.ts';
import { findMissing } from '../e2e/lab/tools.ts';
import { createSigner } from '../helpers/signer.ts';
import { pushSignedImage, type PushedImage } from './images.ts';
import { startProxy, type BenchProxy, type ProxyOptions } from './proxy.ts';
import { startDistribution, startNginx, type Certificate, type Server } from './servers.ts';

export interface Stage {
  /** Removed at the end. */
  readonly folder: string;
  /** Holds the images; the upstream of every proxy, and a peer on the warm path. */
  readonly registry: Server;
  /** Where the registry keeps them. */
  readonly root: string;
  push(tag: string, layers: readonly number[], signed?: boolean): Promise<PushedImage>;
  /** Ours, with an empty cache; everything is asked of `upstream`, the registry unless told. */
  countersign(options?: CountersignOptions): Promise<BenchProxy>;
  /** nginx over the same images as files, under the same paths. */
  files(images: readonly PushedImage[], tls?: Certificate): Promise<Server>;
  /** Whatever is handed in is stopped at the end, where it was not before. */
  own<T extends { stop(): Promise<void> }>(server: T): T;
  /** Stops one of those before the end. */
  dismiss(server: { stop(): Promise<void> }): Promise<void>;
  certificate(): Promise<Certificate>;
  /** A path in the folder that nobody has used. */
  place(name: string): string;
}

interface CountersignOptions extends ProxyOptions {
  readonly upstream?: string;
  /** What the rule says of tags, in YAML. */
  readonly tags?: string;
}

export const REPOSITORY = 'bench/app';
/** Where each has it. */
export const THEIR_PATH = `/v2/${REPOSITORY}`;
export const OUR_PATH = `/v2/lab.local/${REPOSITORY}`;

/** Sets a stage for the work and clears it afterwards, whatever happens. */
export async function onStage<T>(work: (stage: Stage) => Promise<T>): Promise<T> {
  if (findMissing(['docker-registry']).length > 0) {
    throw new Error('docker-registry is not on this machine; it is the upstream of everything');
  }
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const owned = new Set<{ stop(): Promise<void> }>();
  const clear = async (): Promise<void> => {
    for (const server of [...owned].reverse()) await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const interrupted = (): void => {
    void clear().finally(() => process.exit(1));
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    return await work(await setStage(folder, owned));
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await clear();
  }
}

async function setStage(folder: string, owned: Set<{ stop(): Promise<void> }>): Promise<Stage> {
  const signer = createSigner();
  const key = join(folder, 'key.pub');
  writeFileSync(key, signer.publicPem);
  let places = 0;
  const place = (name: string): string => join(folder, `${name}-${(places += 1)}`);
  const own: Stage['own'] = (server) => {
    owned.add(server);
    return server;
  };
  const root = place('registry');
  const registry = own(await startDistribution({ root }));
  const access = { host: new URL(registry.url).host, authorization: () => undefined };
  let certificate: Promise<Certificate> | undefined;

  return {
    folder,
    registry,
    root,
    own,
    place,
    async dismiss(server) {
      owned.delete(server);
      await server.stop();
    },
    push: (tag, layers, signed = true) =>
      pushSignedImage({
        registry: access,
        repository: REPOSITORY,
        tag,
        layers,
        signer: signed ? signer : undefined,
      }),
    async countersign({ upstream = registry.url, tags = '{ refresh: 1h }', ...options } = {}) {
      const rest = [
        `upstreams: { lab.local: { url: "${upstream}", insecureHttp: true } }`,
        `trustRoots: { bench: { publicKeys: [${key}] } }`,
        `policies: [{ name: bench, match: "lab.local/**", require: { key: { trustRoot: bench } }, tags: ${tags} }]`,
      ];
      return own(await startProxy(place('countersign'), rest, options));
    },
    async files(images, tls) {
      const www = place('www');
      for (const image of images) layOut(www, root, image);
      return own(await startNginx({ folder, serves: [`root ${www};`], tls }));
    },
    certificate() {
      certificate ??= makeCertificate(folder);
      return certificate;
    },
  };
}

function layOut(www: string, root: string, image: PushedImage): void {
  const stored = (digest: string): string => {
    const hex = digestHex(parseDigest(digest));
    return join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
  };
  const manifest = join(www, THEIR_PATH, 'manifests', image.tag);
  mkdirSync(dirname(manifest), { recursive: true });
  copyFileSync(stored(image.digest), manifest);
  const blobs = join(www, THEIR_PATH, 'blobs');
  mkdirSync(blobs, { recursive: true });
  for (const digest of new Set([image.config, ...image.layers])) {
    symlinkSync(stored(digest), join(blobs, digest));
  }
}

async function makeCertificate(folder: string): Promise<Certificate> {
  const cert = join(folder, 'cert.pem');
  const key = join(folder, 'cert.key');
  await mustRun('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'],
    ...['-keyout', key, '-out', cert],
  ]);
  return { cert, key };
}
