/** A proxy whose rules ask for the operator's own approvals, every kind of key to give them with, and clients. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { tag } from './cases.ts';
import type { Target } from './clients/client.ts';
import { oneOfEachFamily } from './clients/families.ts';
import type { Image } from './images.ts';
import { keepInKms, keepInVault, type KeptKey } from './key-keepers.ts';
import { labFolder } from './namespace.ts';
import { mustRun, type Finished } from './process.ts';
import { serveConfig, type Proxy } from './proxy.ts';
import { pushImage } from './registry-client.ts';
import { startRegistry, type Registry } from './registry.ts';
import { createSigners, readPublicKey, type Signers } from './signers.ts';
import { arrivesAt, isRefusedAt, startClient, type RefusalWords } from './tag-scene.ts';
import { toolPath } from './tools.ts';

export const approvalClients = oneOfEachFamily;

/** A key of the operator, whose public half the rules trust. */
export interface OwnKey extends KeptKey {
  readonly title: string;
  readonly publicFile: string;
}

export interface ApprovalScene {
  readonly registry: Registry;
  readonly signers: Signers;
  readonly proxy: Proxy;
  readonly keys: readonly OwnKey[];
  /** `lab.local/REPOSITORY:v1` */
  name(repository: string): string;
  publish(repository: string, image: Image): Promise<void>;
  approve(repository: string, key: OwnKey, ...more: readonly string[]): Promise<Finished>;
  command(...args: readonly string[]): Promise<Finished>;
  /** What the proxy answers to a HEAD now. */
  status(repository: string): Promise<number>;
  arrives(t: Test, target: Target, image: Image): Promise<void>;
  isRefused(t: Test, target: Target, words: RefusalWords): Promise<void>;
}

const PASSWORD = 'throw-away';

export async function openApprovalScene(t: Test): Promise<ApprovalScene> {
  const registry = await startRegistry(labFolder, 'none');
  t.teardown(() => registry.close());
  const signers = await createSigners(join(labFolder, 'signers'), registry);
  const folder = join(labFolder, 'proxy');
  mkdirSync(folder);
  const keys = await makeKeys(t, folder);
  writeFileSync(join(folder, 'vendor.pub'), readPublicKey(signers.trusted));
  // The first configuration trusts nobody: the keys are still to be shown.
  writeFileSync(join(folder, 'ours.pub'), readPublicKey(signers.stranger));
  const file = join(folder, 'countersign.yaml');
  let proxy = await serveConfig(folder, configFor(registry));
  const shown: string[] = [];
  for (const { name, env, publicFile } of keys) {
    const { status, stdout, output } = await proxy.commandWith(
      env,
      'approvals',
      'public-key',
      '--key',
      name,
    );
    if (status !== 0) throw new Error(output);
    writeFileSync(publicFile, stdout);
    shown.push(stdout);
  }
  await proxy.stop();
  writeFileSync(join(folder, 'ours.pub'), shown.join(''));
  proxy = await serveConfig(folder, configFor(registry));
  t.teardown(() => proxy.stop());
  const clients = await Promise.all(
    approvalClients.map((kind) => startClient(t, kind, proxy.host)),
  );

  return {
    ...{ registry, signers, proxy, keys },
    name: (repository) => `lab.local/${repository}:${tag}`,
    publish: (repository, image) => pushImage(registry, repository, tag, image),
    approve: (repository, { name, env }, ...more) =>
      proxy.commandWith(
        env,
        ...['approve', `lab.local/${repository}:${tag}`, '--key', name, '--yes', ...more],
        ...['--config', file],
      ),
    command: (...args) => proxy.command(...args, '--config', file),
    async status(repository) {
      const url = `http://${proxy.host}/v2/lab.local/${repository}/manifests/${tag}`;
      return (await fetch(url, { method: 'HEAD' })).status;
    },
    async arrives(t, target, image) {
      await Promise.all(clients.map((one) => arrivesAt(t, one, target, image)));
      await Promise.all(clients.map(({ client }) => client.fresh()));
    },
    async isRefused(t, target, words) {
      await Promise.all(clients.map((one) => isRefusedAt(t, one, target, words)));
    },
  };
}

async function makeKeys(t: Test, folder: string): Promise<readonly OwnKey[]> {
  const plain = join(folder, 'plain.key');
  const rsa = join(folder, 'rsa.key');
  const sealed = join(folder, 'sealed.key');
  const openssl = (...args: readonly string[]) => mustRun(toolPath('openssl'), args);
  await openssl('ecparam', '-genkey', '-name', 'prime256v1', '-out', plain);
  await openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072', '-out', rsa);
  await openssl(
    ...['genpkey', '-algorithm', 'ed25519', '-aes256', '-pass', `pass:${PASSWORD}`, '-out', sealed],
  );
  const env = { COSIGN_PASSWORD: PASSWORD };
  const byCosign = async (tool: 'cosign 2' | 'cosign 3'): Promise<string> => {
    const prefix = join(folder, tool.replace(' ', '-'));
    await mustRun(toolPath(tool), ['generate-key-pair', '--output-key-prefix', prefix], { env });
    return `${prefix}.key`;
  };
  const inFile = { env };
  const made: Readonly<Record<string, KeptKey>> = {
    'a key of openssl': { ...inFile, name: plain },
    'an RSA key': { ...inFile, name: rsa },
    'an encrypted Ed25519 key': { ...inFile, name: sealed },
    'a key of cosign 2': { ...inFile, name: await byCosign('cosign 2') },
    'a key of cosign 3': { ...inFile, name: await byCosign('cosign 3') },
    'a key in Vault': await keepInVault(t, folder, 'ecdsa-p256'),
    'a key in KMS': await keepInKms(t),
  };
  return Object.entries(made).map(([title, key], at) => ({
    ...key,
    title,
    publicFile: join(folder, `own-${at}.pub`),
  }));
}

function configFor(registry: Registry): string {
  return `
listen: { host: 127.0.0.1, port: 5050 }
admin: { host: 127.0.0.1, port: 0 }
cache: { path: ./var, maxSize: 1GiB }
upstreams: { lab.local: { url: "http://${registry.host}", insecureHttp: true } }
trustRoots:
  our-approvals: { publicKeys: [ ./ours.pub ] }
  vendor: { publicKeys: [ ./vendor.pub ] }
policies:
  - name: approved
    match: lab.local/ours/**
    require: { key: { trustRoot: our-approvals } }
    tags: { refresh: 0s }
  - name: approved and signed
    match: lab.local/both/**
    require: { allOf: [ { key: { trustRoot: vendor } }, { key: { trustRoot: our-approvals } } ] }
    tags: { refresh: 0s }
`;
}
