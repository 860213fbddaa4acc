/**
 * The side of an air gap that has a way out, in a network of its own: a registry with images that the real cosign and
 * notation signed, and an export of them. `node exporting-side.ts FOLDER`; everything that is carried lies in the folder.
 */
import './namespace.ts';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildImage, buildIndex } from './images.ts';
import { createNotationSigners, releaseIdentity } from './notation-signers.ts';
import { mustRun, run } from './process.ts';
import { startRegistry } from './registry.ts';
import { pushImage } from './registry-client.ts';
import { createSigners, readPublicKey } from './signers.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const [folder = ''] = process.argv.slice(2);
const work = join(folder, 'work');
mkdirSync(work, { recursive: true });
const registry = await startRegistry(work, 'none');
const signers = await createSigners(join(work, 'signers'), registry);
const vendors = await createNotationSigners(join(work, 'vendors'), registry);
const [one, multi, vendor] = [buildImage('one'), buildIndex('multi'), buildImage('vendor')];
await pushImage(registry, 'cases/one', 'v1', one);
await signers.cosign2('cases/one', one.digest, signers.trusted);
await pushImage(registry, 'cases/multi', 'v1', multi);
await signers.cosign3('cases/multi', multi.digest, signers.trusted);
for (const { digest } of multi.children) {
  await signers.cosign2('cases/multi', digest, signers.trusted);
}
await pushImage(registry, 'vendor/app', 'v1', vendor);
await vendors.sign({ repository: 'vendor/app', digest: vendor.digest }, 'release');
const seal = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const write = (name: string, content: string): void => {
  writeFileSync(join(folder, name), content);
};
write('work/seal.key', seal.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
write('seal.pub', seal.publicKey.export({ type: 'spki', format: 'pem' }).toString());
write('trusted.pub', readPublicKey(signers.trusted));
write('ca.pem', vendors.ca);
write(
  'work/config.yaml',
  `
listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
cache: { path: ${work}/var, maxSize: 1GiB }
upstreams:
  lab.local: { url: "http://${registry.host}", insecureHttp: true }
trustRoots:
  release-keys: { publicKeys: [ ../trusted.pub ] }
  vendor: { notation: { ca: [ ../ca.pem ] } }
policies:
  - { name: ours, match: lab.local/cases/**, require: { key: { trustRoot: release-keys } } }
  - name: theirs
    match: lab.local/vendor/**
    require: { notation: { trustRoot: vendor, identities: [ '${releaseIdentity}' ] } }
`,
);
const images = ['cases/one', 'cases/multi', 'vendor/app'].map((name) => `lab.local/${name}:v1`);
const bundle = join(folder, 'bundle.tar');
const { status, output } = await run(
  process.execPath,
  [main, 'export', ...images, '-o', bundle, '--key', 'seal.key', '--config', 'config.yaml'],
  { cwd: work },
);
if (status !== 0) throw new Error(`the export ended with ${status}: ${output}`);
const told = ({ digest, greeting }: typeof one) => ({ digest, greeting });
write(
  'images.json',
  JSON.stringify({
    one: told(one),
    multi: { ...told(multi), children: multi.children.map(({ digest }) => digest) },
    vendor: told(vendor),
  }),
);
await vendors.stop();
await registry.close();
await mustRun('rm', ['-rf', work]);
