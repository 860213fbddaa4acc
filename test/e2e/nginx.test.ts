/** nginx in front sends the blobs that Countersign hands over to it, whole and in ranges. */
import './lab/namespace.ts';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { request } from 'undici';
import type { Digest } from '../../src/oci/digest.ts';
import { blobName } from '../../src/store/disk-layout.ts';
import { putImage } from '../helpers/image.ts';
import { parseMultipart } from '../helpers/multipart.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, createSigner } from '../helpers/signer.ts';
import { labFolder } from './lab/namespace.ts';
import { startDaemon } from './lab/process.ts';
import { serveConfig } from './lab/proxy.ts';
import { suite } from './lab/suite.ts';
import { toolPath } from './lab/tools.ts';

const TEAM = 'team/app';
const PORT = 8080;
const BASE = `http://127.0.0.1:${PORT}/v2/lab.local/${TEAM}`;
const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7) % 251));

/** The example that we ship, on other ports and paths; as root, who is the same user here. */
function nginxConfig(folder: string, proxy: string): string {
  const example = new URL('../../config/examples/behind-nginx.conf', import.meta.url);
  let server = readFileSync(example, 'utf8');
  for (const [there, here] of [
    ['listen 80;', `listen 127.0.0.1:${PORT};`],
    ['127.0.0.1:5050', proxy],
    ['/var/lib/countersign/', `${folder}/var/`],
  ] as const) {
    if (!server.includes(there)) throw new Error(`expected ${there} in the example`);
    server = server.replace(there, here);
  }
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `
user root;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr;
events {}
http {
access_log off;
${temporary.join('\n')}
${server}}
`;
}

async function startNginx(t: Test, folder: string, proxy: string): Promise<void> {
  const config = join(folder, 'nginx.conf');
  writeFileSync(config, nginxConfig(folder, proxy));
  const nginx = await startDaemon(
    'nginx',
    toolPath('nginx'),
    ['-p', folder, '-c', config, '-g', 'daemon off;'],
    {
      ready: async () => {
        const { statusCode, body } = await request(`http://127.0.0.1:${PORT}/v2/`);
        await body.dump();
        return statusCode === 200;
      },
    },
  );
  t.teardown(() => nginx.stop());
}

async function ask(
  method: 'GET' | 'HEAD',
  what: string,
  headers: Readonly<Record<string, string>> = {},
) {
  const response = await request(`${BASE}/${what}`, { method, headers: { ...headers } });
  const body = Buffer.from(await response.body.arrayBuffer());
  return { status: response.statusCode, headers: response.headers, body };
}

suite('behind nginx', ['nginx'], async (t) => {
  const registry = await openFakeRegistry(t);
  const signer = createSigner();
  const image = putImage(registry, TEAM, 'app', { tag: 'v1', layers: [bytes] });
  cosign2(registry, TEAM, image.digest, signer);
  const [layer] = image.layers;
  if (layer === undefined) throw new Error('expected a layer');

  const folder = join(labFolder, 'nginx');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'release.pub'), signer.publicPem);
  const proxy = await serveConfig(
    folder,
    `
listen: { host: 127.0.0.1, port: 0, accelRedirect: /internal/blobs/ }
admin: { host: 127.0.0.1, port: 0 }
cache: { path: ${folder}/var, maxSize: 1GiB }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true } }
trustRoots: { release: { publicKeys: [ ./release.pub ] } }
policies: [ { name: releases, match: lab.local/**, require: { key: { trustRoot: release } } } ]
`,
  );
  t.teardown(() => proxy.stop());
  await startNginx(t, folder, proxy.host);

  const blob = `blobs/${layer}`;
  const file = (digest: Digest): string => join(folder, 'var/v1/blobs', blobName(digest));
  t.equal((await ask('GET', 'manifests/v1')).status, 200);
  const miss = await ask('GET', blob, { range: 'bytes=0-9' });
  t.equal(miss.status, 206, 'a miss, in a range, comes through');
  t.ok(miss.body.equals(bytes.subarray(0, 10)));
  while (!existsSync(file(layer))) await ask('HEAD', blob);

  await t.test('a whole blob', async (t) => {
    const { status, headers, body } = await ask('GET', blob);
    t.equal(status, 200);
    t.ok(body.equals(bytes));
    t.match(headers, {
      'content-length': `${bytes.length}`,
      'content-type': 'application/octet-stream',
      'docker-content-digest': layer,
      etag: `"${layer}"`,
      'accept-ranges': 'bytes',
    });
    t.equal(headers['x-accel-redirect'], undefined, 'nobody learns where it lies');
    t.match(headers['last-modified'], /./, 'it was nginx who answered');
    const asked = await ask('HEAD', blob);
    t.equal(asked.status, 200);
    t.equal(asked.headers['content-length'], `${bytes.length}`);
    t.equal(asked.headers['etag'], `"${layer}"`);
    t.equal((await ask('GET', blob, { 'if-none-match': `"${layer}"` })).status, 304);
  });

  await t.test('ranges of it', async (t) => {
    for (const [range, start, end] of [
      ['bytes=500-1499', 500, 1500],
      ['bytes=2999990-', 2_999_990, bytes.length],
      ['bytes=-10', bytes.length - 10, bytes.length],
    ] as const) {
      const { status, headers, body } = await ask('GET', blob, { range });
      t.equal(status, 206);
      t.ok(body.equals(bytes.subarray(start, end)), range);
      t.equal(headers['content-range'], `bytes ${start}-${end - 1}/${bytes.length}`);
      t.match(headers['last-modified'], /./);
    }
    t.equal((await ask('GET', blob, { range: 'bytes=9000000-' })).status, 416);
    const range = 'bytes=0-9';
    t.equal((await ask('GET', blob, { range, 'if-range': `"${layer}"` })).status, 206);
    t.equal((await ask('GET', blob, { range, 'if-range': '"other"' })).status, 200);
  });

  await t.test('several ranges of it, as many as podman asks for', async (t) => {
    const starts = Array.from({ length: 1024 }, (_, index) => 1_000_000 + index * 1000);
    const range = `bytes=${starts.map((start) => `${start}-${start + 99}`).join(',')}`;
    const { status, headers, body } = await ask('GET', blob, { range });
    t.equal(status, 206);
    const parts = parseMultipart(headers['content-type'], body);
    t.strictSame(
      parts.map(({ start }) => start),
      starts,
    );
    t.ok(parts.every((part) => part.bytes.equals(bytes.subarray(part.start, part.end))));
  });

  await t.test('nobody comes past the decision', async (t) => {
    const direct = await request(`http://127.0.0.1:${PORT}/internal/blobs/${blobName(layer)}`);
    await direct.body.dump();
    t.equal(direct.statusCode, 404, 'the location is internal');
    registry.putBlob('team/other', bytes);
    const other = await request(`http://127.0.0.1:${PORT}/v2/lab.local/team/other/${blob}`);
    await other.body.dump();
    t.equal(other.statusCode, 403);
  });
});
