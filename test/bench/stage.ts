/** What is measured: Debian's docker-registry with one signed image, and Countersign in front of it, warm. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '../../src/oci/digest.ts';
import { startDaemon } from '../e2e/lab/process.ts';
import { pushBlob, pushManifest, type RegistryAccess } from '../e2e/lab/registry-client.ts';
import { createSigner, SIMPLE_LAYER, simplePayload } from '../helpers/signer.ts';

/** Bytes of the layer. */
export const BLOB_SIZE = 64 * 1024 * 1024;

export interface Stage {
  /** Origin of docker-registry, and the prefix of the repository in it. */
  readonly registry: string;
  /** The same repository through the proxy. */
  readonly proxy: string;
  readonly layer: string;
  close(): Promise<void>;
}

const OCI = 'application/vnd.oci.image';

export async function setStage(): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const configFile = join(folder, 'registry.yml');
  writeFileSync(
    configFile,
    [
      'version: 0.1',
      'log: { level: error, accesslog: { disabled: true } }',
      `storage: { filesystem: { rootdirectory: ${join(folder, 'registry')} } }`,
      `http: { addr: "${host}" }`,
    ].join('\n'),
  );
  const registry = await startDaemon('docker-registry', 'docker-registry', ['serve', configFile], {
    ready: async () => (await fetch(`http://${host}/v2/`)).ok,
  });
  const { layer, publicPem } = await pushSignedImage({ host, authorization: () => undefined });
  writeFileSync(join(folder, 'key.pub'), publicPem);
  const proxy = await startProxy(folder, host);
  return {
    registry: `http://${host}/v2/bench/app`,
    proxy: `${proxy.url}/v2/lab.local/bench/app`,
    layer,
    async close() {
      await proxy.stop();
      await registry.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function pushSignedImage(
  registry: RegistryAccess,
): Promise<{ readonly layer: string; readonly publicPem: string }> {
  const repository = 'bench/app';
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux' }));
  const content = randomBytes(BLOB_SIZE);
  const layer = await pushBlob(registry, repository, content);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: {
        mediaType: `${OCI}.config.v1+json`,
        digest: await pushBlob(registry, repository, config),
        size: config.length,
      },
      layers: [{ mediaType: `${OCI}.layer.v1.tar`, digest: layer, size: content.length }],
    }),
  );
  await pushManifest(registry, repository, 'v1', manifest, `${OCI}.manifest.v1+json`);
  const signer = createSigner();
  const digest = digestOf(manifest);
  const payload = simplePayload(digest);
  const signature = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: {
        mediaType: `${OCI}.config.v1+json`,
        digest: await pushBlob(registry, repository, Buffer.from('{}')),
        size: 2,
      },
      layers: [
        {
          mediaType: SIMPLE_LAYER,
          digest: await pushBlob(registry, repository, payload),
          size: payload.length,
          annotations: {
            'dev.cosignproject.cosign/signature': signer.sign(payload).toString('base64'),
          },
        },
      ],
    }),
  );
  const tag = `${digest.replace(':', '-')}.sig`;
  await pushManifest(registry, repository, tag, signature, `${OCI}.manifest.v1+json`);
  return { layer, publicPem: signer.publicPem };
}

/** The proxy as it is shipped, its log in a file as an operator's would be. */
async function startProxy(
  folder: string,
  upstream: string,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const config = join(folder, 'countersign.yaml');
  const log = join(folder, 'log');
  writeFileSync(
    config,
    [
      'listen: { host: 127.0.0.1, port: 0 }',
      'admin: { host: 127.0.0.1, port: 0 }',
      `cache: { path: ${join(folder, 'cache')} }`,
      `upstreams: { lab.local: { url: "http://${upstream}", insecureHttp: true } }`,
      'trustRoots: { bench: { publicKeys: [./key.pub] } }',
      'policies: [{ name: bench, match: "lab.local/**", require: { key: { trustRoot: bench } }, tags: { refresh: 1h } }]',
    ].join('\n'),
  );
  const out = openSync(log, 'w');
  const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
  const child = spawn(process.execPath, [main, 'serve', '--config', config], {
    stdio: ['ignore', out, out],
  });
  closeSync(out);
  const exited = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve();
    }),
  );
  const deadline = Date.now() + 15_000;
  for (;;) {
    const text = readFileSync(log, 'utf8');
    const url = /"surface":"registry","url":"([^"]+)"/.exec(text)?.[1];
    if (url !== undefined) {
      return {
        url,
        async stop() {
          child.kill('SIGTERM');
          await exited;
        },
      };
    }
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`no proxy: ${text}`);
    await sleep(50);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => {
        resolve(port);
      });
    });
  });
}
