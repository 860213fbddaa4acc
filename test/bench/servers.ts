/** The servers beside ours: Debian's docker-registry as a registry and as a proxy, nginx over files, zot. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startDaemon, type Daemon } from '../e2e/lab/process.ts';
import { toolPath } from '../e2e/lab/tools.ts';

export interface Server {
  readonly pid: number;
  /** Origin, without a slash at the end. */
  readonly url: string;
  /** Everything it printed so far. */
  readonly output: () => string;
  stop(): Promise<void>;
}

/** Files of PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface DistributionOptions {
  /** Where it keeps what it has. */
  readonly root: string;
  /** Origin of the registry that it is a proxy of. */
  readonly proxyOf?: string;
  readonly tls?: Certificate | undefined;
  /** It prints how many bytes each answer had; see {@link bytesSent}. */
  readonly counts?: boolean;
}

export async function startDistribution(options: DistributionOptions): Promise<Server> {
  const { root, proxyOf, tls, counts = false } = options;
  const host = `127.0.0.1:${await freePort()}`;
  mkdirSync(root, { recursive: true });
  const file = `${root}.${host.split(':')[1] ?? ''}.yml`;
  const lines = [
    'version: 0.1',
    `log: { level: ${counts ? 'info' : 'error'}, formatter: json, accesslog: { disabled: true } }`,
    `storage: { filesystem: { rootdirectory: ${root} } }`,
    'http:',
    `  addr: "${host}"`,
    ...(tls === undefined ? [] : [`  tls: { certificate: ${tls.cert}, key: ${tls.key} }`]),
    ...(proxyOf === undefined ? [] : [`proxy: { remoteurl: "${proxyOf}" }`]),
  ];
  writeFileSync(file, lines.join('\n'));
  const args = ['serve', file];
  const ready = (): Promise<boolean> => accepts(host);
  const daemon = await startDaemon('docker-registry', toolPath('docker-registry'), args, { ready });
  return server(daemon, `${tls === undefined ? 'http' : 'https'}://${host}`);
}

/** Bytes in the bodies that a distribution which counts them has sent since it started. */
export function bytesSent({ output }: Server): number {
  const all = [...output().matchAll(/"http\.response\.written":(\d+).*"response completed"/g)];
  return all.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}

const NGINX = '/usr/sbin/nginx';

export function hasNginx(): boolean {
  return existsSync(NGINX);
}

export interface NginxOptions {
  /** For its files. */
  readonly folder: string;
  /** What it serves, in the words of its configuration for one `location`. */
  readonly serves: readonly string[];
  readonly tls?: Certificate | undefined;
}

/** As Debian configures it, but for the log that it does not write. */
export async function startNginx({ folder, serves, tls }: NginxOptions): Promise<Server> {
  const host = `127.0.0.1:${await freePort()}`;
  const home = join(folder, `nginx-${host.split(':')[1] ?? ''}`);
  mkdirSync(home);
  const file = join(home, 'nginx.conf');
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const lines = [
    `user root; worker_processes auto; daemon off; pid ${home}/pid; error_log stderr crit;`,
    'events { worker_connections 4096; }',
    'http {',
    '  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;',
    '  default_type application/vnd.oci.image.manifest.v1+json;',
    ...paths.map((name) => `  ${name}_temp_path ${home}/${name};`),
    '  server {',
    `    listen ${host}${tls === undefined ? '' : ' ssl'};`,
    ...(tls === undefined
      ? []
      : [`    ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};`]),
    '    location / {',
    ...serves.map((line) => `      ${line}`),
    '    }',
    '  }',
    '}',
  ];
  writeFileSync(file, lines.join('\n'));
  const ready = (): Promise<boolean> => accepts(host);
  const daemon = await startDaemon('nginx', NGINX, ['-p', home, '-c', file], { ready });
  return server(daemon, `${tls === undefined ? 'http' : 'https'}://${host}`);
}

/** What nginx needs to pass on another server, each answer no faster than this. */
export function atADistance(origin: string, bytesPerSecond: number): readonly string[] {
  return [
    `proxy_pass ${origin}; proxy_http_version 1.1; proxy_max_temp_file_size 0;`,
    `proxy_set_header Host $http_host; limit_rate ${bytesPerSecond};`,
  ];
}

const ZOT = ['/usr/local/bin/zot', '/usr/bin/zot'];

export function hasZot(): boolean {
  return ZOT.some((path) => existsSync(path));
}

/** It fetches a whole image when its manifest is asked for. */
export async function startZot(root: string, proxyOf: string): Promise<Server> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const registries = [
    { urls: [proxyOf], onDemand: true, tlsVerify: false, content: [{ prefix: '**' }] },
  ];
  const file = `${root}.json`;
  const config = {
    distSpecVersion: '1.1.1',
    storage: { rootDirectory: root },
    http: { address: '127.0.0.1', port: String(port) },
    log: { level: 'error' },
    extensions: { sync: { enable: true, registries } },
  };
  writeFileSync(file, JSON.stringify(config));
  const program = ZOT.find((path) => existsSync(path)) ?? 'zot';
  const ready = (): Promise<boolean> => accepts(host);
  const daemon = await startDaemon('zot', program, ['serve', file], { ready });
  return server(daemon, `http://${host}`);
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => {
        resolve(port);
      });
    });
  });
}

/** Any answer of the registry does, also "speak TLS". */
async function accepts(host: string): Promise<boolean> {
  const response = await fetch(`http://${host}/v2/`);
  await response.arrayBuffer();
  return true;
}

function server(daemon: Daemon, url: string): Server {
  return {
    pid: daemon.pid,
    url,
    output: () => daemon.output(),
    async stop() {
      await daemon.stop();
    },
  };
}
