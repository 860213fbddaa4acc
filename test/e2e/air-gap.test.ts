/** A round trip across an air gap: exported where there is a registry, imported where there is no network at all. */
import './lab/namespace.ts';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { scanTar } from '../../src/layout/tar-scanner.ts';
import type { ClientKind } from './lab/clients/client.ts';
import { containerdKinds } from './lab/clients/containerd.ts';
import { dockerKinds } from './lab/clients/docker.ts';
import { labFolder } from './lab/namespace.ts';
import { notationTrusting } from './lab/notation-folder.ts';
import { releaseIdentity } from './lab/notation-signers.ts';
import { mustRun, run } from './lab/process.ts';
import { serveConfig, type Proxy } from './lab/proxy.ts';
import { suite, upstreamTools } from './lab/suite.ts';
import { toolPath } from './lab/tools.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const farSide = fileURLToPath(new URL('./lab/exporting-side.ts', import.meta.url));
const disk = join(labFolder, 'disk');
const near = join(labFolder, 'near');
const bundle = join(disk, 'bundle.tar');
/** Imports that are killed before one may come to its end. */
const KILLS = 6;

const kinds: readonly ClientKind[] = [
  ...dockerKinds.filter(({ way }) => way === 'direct'),
  ...containerdKinds.filter(({ name }) => name === 'containerd 2 with hosts.toml'),
];

interface Told {
  readonly digest: string;
  readonly greeting: string;
}

interface Images {
  readonly one: Told;
  readonly multi: Told & { readonly children: readonly string[] };
  readonly vendor: Told;
}

suite(
  'an air gap',
  [...upstreamTools, 'notation', ...kinds.flatMap(({ needs }) => needs)],
  async (t) => {
    mkdirSync(disk, { recursive: true });
    mkdirSync(near, { recursive: true });
    const ownNetwork = ['--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'far-side'];
    await mustRun('unshare', [...ownNetwork, process.execPath, farSide, disk]);
    const images = JSON.parse(readFileSync(join(disk, 'images.json'), 'utf8')) as Images;
    for (const file of ['trusted.pub', 'ca.pem', 'seal.pub']) {
      copyFileSync(join(disk, file), join(near, file));
    }
    writeFileSync(join(near, 'config.yaml'), configOf('near'));

    await t.test('an edit anywhere is refused', edited);
    await t.test('killed at any moment it goes on', killed);
    const proxy = await serveConfig(near, configOf('near'));
    t.teardown(() => proxy.stop());
    await t.test('the import beside a running proxy', (t) => imported(t, proxy));
    for (const kind of kinds) await t.test(kind.name, (t) => pulled(t, kind, proxy, images));
    await t.test('cosign and notation verify behind it', (t) => verified(t, proxy, images));
  },
);

/** Nobody may be asked, and nobody could be. */
function configOf(cache: string): string {
  return `
listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
offline: true
cache: { path: ${labFolder}/${cache}/var, maxSize: 1GiB }
imports: { require: { trustRoot: seals } }
upstreams:
  lab.local: {}
trustRoots:
  seals: { publicKeys: [ ./seal.pub ] }
  release-keys: { publicKeys: [ ./trusted.pub ] }
  vendor: { notation: { ca: [ ./ca.pem ] } }
policies:
  - { name: ours, match: lab.local/cases/**, require: { key: { trustRoot: release-keys } } }
  - name: theirs
    match: lab.local/vendor/**
    require: { notation: { trustRoot: vendor, identities: [ '${releaseIdentity}' ] } }
`;
}

const importing = (file: string): readonly string[] => [
  ...[main, 'import', file, '--config', join(near, 'config.yaml')],
];

/** One byte in the middle of every file of the bundle, one file at a time. */
async function edited(t: Test): Promise<void> {
  const copy = join(disk, 'edited.tar');
  copyFileSync(bundle, copy);
  await using file = await open(copy, 'r+');
  const { size } = await file.stat();
  const extents = await scanTar({
    size,
    read: async (target, position) =>
      (await file.read(target, 0, target.length, position)).bytesRead,
  });
  t.ok(extents.size > 30, `${extents.size} files`);
  const refusals = [];
  for (const [name, extent] of extents) {
    const at = extent.start + Math.floor(extent.size / 2);
    const [byte] = (await file.read(Buffer.alloc(1), 0, 1, at)).buffer;
    await file.write(Buffer.from([(byte ?? 0) ^ 0x01]), 0, 1, at);
    const { status, output } = await run(process.execPath, importing(copy));
    if (status === 0) t.fail(`${name} was changed, and imported`, { output });
    refusals.push(`${name}: ${output}`);
    await file.write(Buffer.from([byte ?? 0]), 0, 1, at);
  }
  const blobs = refusals.filter((refusal) => refusal.startsWith('blobs/'));
  t.ok(
    blobs.every((refusal) => refusal.split(refusal.slice(0, refusal.indexOf(':'))).length > 2),
    'each is named',
  );
}

/** What is servable in between is whole; the last one finishes what is left. */
async function killed(t: Test): Promise<void> {
  for (let kill = 0; kill < KILLS; kill++) {
    const child = spawn(process.execPath, importing(bundle), { stdio: 'ignore' });
    const exited = once(child, 'exit');
    await delay(300 + kill * 150);
    child.kill('SIGKILL');
    await exited;
  }
  const { status, output } = await run(process.execPath, importing(bundle));
  t.equal(status, 0, 'it goes on', { output });
}

async function imported(t: Test, proxy: Proxy): Promise<void> {
  const { status, output } = await proxy.command('import', bundle, '--config', proxy.configFile);
  t.equal(status, 0, 'is imported', { output });
  t.match(output, /3 images imported \(0 B new\), 0 not/);
  const shown = await proxy.command('import', bundle, '--show', '--config', proxy.configFile);
  t.match(shown.output, /sealed by 1 signature/);
  t.match(shown.output, /trusted here as release-keys/);
  t.match(shown.output, /trusted here as vendor/);
}

async function pulled(t: Test, kind: ClientKind, { host }: Proxy, images: Images): Promise<void> {
  const folder = join(labFolder, `c${kinds.indexOf(kind)}`);
  mkdirSync(folder);
  const client = await kind.start({ proxy: host, folder });
  t.teardown(() => client.stop());
  for (const [repository, image] of [
    ['cases/one', images.one],
    ['cases/multi', images.multi],
    ['vendor/app', images.vendor],
  ] as const) {
    const found = await client.pull({ repository, reference: 'v1' });
    t.ok(found.ok, `pulls ${repository}`, { clientSaid: found.output });
    t.equal(found.digest, image.digest);
    if (client.run === undefined) continue;
    t.match(await client.run({ repository, reference: 'v1' }), image.greeting, 'it greets');
  }
  const unknown = await client.pull({ repository: 'cases/unknown', reference: 'v1' });
  t.notOk(unknown.ok, 'what was not carried over is not there');
}

async function verified(t: Test, { host }: Proxy, { one, multi, vendor }: Images): Promise<void> {
  const cosign = async (tool: 'cosign 2' | 'cosign 3', name: string, digest: string) => {
    const { status, output } = await run(toolPath(tool), [
      ...['verify', '--key', join(near, 'trusted.pub'), '--insecure-ignore-tlog=true'],
      ...['--offline=true', '--allow-http-registry', `${host}/lab.local/${name}`],
    ]);
    t.equal(status, 0, `${tool} verify ${name}`, { output });
    t.match(output, digest);
  };
  await cosign('cosign 2', 'cases/one:v1', one.digest);
  await cosign('cosign 3', 'cases/one:v1', one.digest);
  await cosign('cosign 3', 'cases/multi:v1', multi.digest);
  for (const digest of multi.children) await cosign('cosign 2', `cases/multi@${digest}`, digest);
  const notation = notationTrusting(join(labFolder, 'verifier'), {
    ca: readFileSync(join(near, 'ca.pem'), 'utf8'),
    identities: [releaseIdentity],
  });
  const { status, output } = await notation(
    ...['verify', '--insecure-registry', `${host}/lab.local/vendor/app@${vendor.digest}`],
  );
  t.equal(status, 0, 'notation verify', { output });
}
