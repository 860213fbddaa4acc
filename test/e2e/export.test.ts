/** Exports in the hands of skopeo, oras and crane: what they copy out of a bundle still verifies, elsewhere. */
import './lab/namespace.ts';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { buildImage, buildIndex, type Image } from './lab/images.ts';
import { labFolder } from './lab/namespace.ts';
import { notationTrusting } from './lab/notation-folder.ts';
import { createNotationSigners, releaseIdentity } from './lab/notation-signers.ts';
import { mustRun, run } from './lab/process.ts';
import { startRegistry, type Registry } from './lab/registry.ts';
import { fetchManifest, pushImage } from './lab/registry-client.ts';
import { createSigners, readPublicKey, type Signers } from './lab/signers.ts';
import { suite, upstreamTools } from './lab/suite.ts';
import { toolPath } from './lab/tools.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const folder = join(labFolder, 'exporting');
const bundle = join(folder, 'bundle.tar');
const unpacked = join(folder, 'unpacked');
const tag = 'v1';

interface Exported {
  readonly one: Image;
  readonly multi: Image;
  readonly vendor: Image;
  readonly signers: Signers;
  readonly notation: ReturnType<typeof notationTrusting>;
}

suite('an export', [...upstreamTools, 'notation', 'crane', 'oras'], async (t) => {
  mkdirSync(folder, { recursive: true });
  const registry = await startRegistry(labFolder, 'none');
  t.teardown(() => registry.close());
  const exported = await prepare(t, registry);
  const { status, output } = await run(
    process.execPath,
    [main, 'export', 'lab.local/cases/one:*', '@list', '-o', bundle, '--config', 'config.yaml'],
    { cwd: folder },
  );
  t.equal(status, 1, 'something is refused', { output });
  t.match(output, /3 admitted, 1 refused, 0 failed/);
  t.match(output, /cases\/unsigned:v1 +- +refused/);
  // Nobody needs the upstream from here on.
  await registry.stop();
  mkdirSync(unpacked);
  await mustRun('tar', ['-xf', bundle, '-C', unpacked]);

  const fresh = async (t: Test, name: string): Promise<Registry> => {
    const place = join(folder, name);
    const another = await startRegistry(place, 'none', '127.0.0.1:5001');
    t.teardown(() => another.close());
    return another;
  };
  for (const [name, source] of [
    ['an archive', `oci-archive:${bundle}`],
    ['a folder', `oci:${unpacked}`],
  ] as const) {
    await t.test(`skopeo reads ${name}`, async (t) => {
      await skopeo(t, await fresh(t, name.replace(' ', '-')), source, exported);
    });
  }
  await t.test('oras reads the archive', async (t) => {
    await oras(t, await fresh(t, 'oras'), bundle, exported);
  });
  await t.test('crane reads the folder', async (t) => {
    await crane(t, await fresh(t, 'crane'), exported);
  });
});

/** An image and an index that cosign signed, one that notation signed, and one that nobody did. */
async function prepare(t: Test, registry: Registry): Promise<Exported> {
  const signers = await createSigners(join(folder, 'signers'), registry);
  const vendors = await createNotationSigners(join(folder, 'vendors'), registry);
  t.teardown(() => vendors.stop());
  const [one, multi, vendor] = [buildImage('one'), buildIndex('multi'), buildImage('vendor')];
  await pushImage(registry, 'cases/one', tag, one);
  await signers.cosign2('cases/one', one.digest, signers.trusted);
  await pushImage(registry, 'cases/multi', tag, multi);
  await signers.cosign3('cases/multi', multi.digest, signers.trusted);
  for (const { digest } of multi.children) {
    await signers.cosign2('cases/multi', digest, signers.trusted);
  }
  await pushImage(registry, 'vendor/app', tag, vendor);
  await vendors.sign({ repository: 'vendor/app', digest: vendor.digest }, 'release');
  await pushImage(registry, 'cases/unsigned', tag, buildImage('unsigned'));
  writeFileSync(join(folder, 'trusted.pub'), readPublicKey(signers.trusted));
  writeFileSync(join(folder, 'ca.pem'), vendors.ca);
  writeFileSync(
    join(folder, 'list'),
    `lab.local/cases/multi:${tag}\nlab.local/cases/unsigned:${tag} # nobody signed it\nlab.local/vendor/app:${tag}\n`,
  );
  writeFileSync(
    join(folder, 'config.yaml'),
    `
listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
cache: { path: ${folder}/var, maxSize: 1GiB }
upstreams:
  lab.local: { url: "http://${registry.host}", insecureHttp: true }
trustRoots:
  release-keys: { publicKeys: [ ./trusted.pub ] }
  vendor: { notation: { ca: [ ./ca.pem ] } }
policies:
  - name: ours
    match: lab.local/cases/**
    require: { key: { trustRoot: release-keys } }
  - name: theirs
    match: lab.local/vendor/**
    require: { notation: { trustRoot: vendor, identities: [ '${releaseIdentity}' ] } }
`,
  );
  const trust = { ca: vendors.ca, identities: [releaseIdentity] };
  const notation = notationTrusting(join(folder, 'notation'), trust);
  return { one, multi, vendor, signers, notation };
}

/** Names of images and of their signatures are what is copied by. */
async function skopeo(
  t: Test,
  to: Registry,
  source: string,
  { one, multi, signers }: Exported,
): Promise<void> {
  const signatureOf = ({ digest }: Pick<Image, 'digest'>): string =>
    `${digest.replace(':', '-')}.sig`;
  const copy = (repository: string, name: string): Promise<string> =>
    mustRun(toolPath('newer skopeo'), [
      ...['--insecure-policy', 'copy', '--all', '--preserve-digests', '--dest-tls-verify=false'],
      `${source}:lab.local/${repository}:${name}`,
      `docker://${to.host}/${repository}:${name}`,
    ]);
  await copy('cases/one', tag);
  await copy('cases/one', signatureOf(one));
  await copy('cases/multi', tag);
  // The list of bundles, by which cosign 3 finds them where a registry has no API for it.
  await copy('cases/multi', multi.digest.replace(':', '-'));
  for (const child of multi.children) await copy('cases/multi', signatureOf(child));
  await cosign(t, to, signers, 'cosign 2', `cases/one:${tag}`, one);
  await cosign(t, to, signers, 'cosign 3', `cases/one:${tag}`, one);
  await cosign(t, to, signers, 'cosign 3', `cases/multi:${tag}`, multi);
  for (const { digest } of multi.children) {
    await cosign(t, to, signers, 'cosign 2', `cases/multi@${digest}`, { digest });
  }
}

/** Everything that refers to an image is copied with it. */
async function oras(t: Test, to: Registry, layout: string, exported: Exported): Promise<void> {
  const { multi, vendor, signers, notation } = exported;
  for (const [repository, image] of [
    ['cases/multi', multi],
    ['vendor/app', vendor],
  ] as const) {
    await mustRun(toolPath('oras'), [
      ...['cp', '--recursive', '--from-oci-layout', '--to-plain-http'],
      ...[`${layout}@${image.digest}`, `${to.host}/${repository}:${tag}`],
    ]);
  }
  await cosign(t, to, signers, 'cosign 3', `cases/multi:${tag}`, multi);
  const { status, output } = await notation(
    ...['verify', '--insecure-registry', `${to.host}/vendor/app@${vendor.digest}`],
  );
  t.equal(status, 0, 'notation verify', { output });
  t.match(output, vendor.digest);
}

/** It takes a layout as a whole. */
async function crane(t: Test, to: Registry, { one, multi, vendor }: Exported): Promise<void> {
  const whole = `${to.host}/all:bundle`;
  await mustRun(toolPath('crane'), ['push', '--insecure', '--index', unpacked, whole]);
  for (const { digest, bytes } of [one, multi, vendor]) {
    const there = await fetchManifest(to, 'all', digest);
    t.ok(there.bytes.equals(bytes), 'the same bytes');
    const image = `${to.host}/all@${digest}`;
    await mustRun(toolPath('crane'), ['validate', '--insecure', '--remote', image]);
  }
}

async function cosign(
  t: Test,
  { host }: Registry,
  { trusted }: Signers,
  tool: 'cosign 2' | 'cosign 3',
  reference: string,
  { digest }: Pick<Image, 'digest'>,
): Promise<void> {
  const { status, output } = await run(toolPath(tool), [
    ...['verify', '--key', trusted.publicFile, '--insecure-ignore-tlog=true', '--offline=true'],
    ...['--allow-http-registry', `${host}/${reference}`],
  ]);
  t.equal(status, 0, `${tool} verify ${reference}`, { output });
  t.match(output, digest);
}
