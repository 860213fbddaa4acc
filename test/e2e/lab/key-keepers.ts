/** Who keeps keys of the operator: OpenBao, which is Vault's free fork, and a server that speaks as AWS KMS does. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CreateAliasCommand, CreateKeyCommand, KMSClient, type KeySpec } from '@aws-sdk/client-kms';
import type { Test } from 'tap';
import { createSigner } from '../../helpers/signer.ts';
import { kms, kmsEnv, startKeyServer, transit, vaultEnv } from '../../signing/key-servers.ts';
import { startDaemon } from './process.ts';
import { findMissing, toolPath } from './tools.ts';

/** A key, and the variables with which a command finds it. */
export interface KeptKey {
  /** As `--key` names it. */
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

const hasVault = findMissing(['bao']).length === 0;
const hasKms = findMissing(['moto server']).length === 0;

/** For names of tests. */
export const keepersName = [
  hasVault ? 'OpenBao' : 'a stand-in for Vault',
  hasKms ? 'a server of KMS' : 'a stand-in for KMS',
].join(' and ');

const TOKEN = 'throw-away';

/** A key of the type in a transit engine. */
export async function keepInVault(t: Test, folder: string, type: string): Promise<KeptKey> {
  const name = 'hashivault://approvals';
  if (!hasVault) {
    const { url } = await startKeyServer(t, transit(createSigner()));
    return { name, env: vaultEnv(url) };
  }
  const url = `http://127.0.0.1:${await freePort()}`;
  const home = join(folder, 'vault');
  mkdirSync(home, { recursive: true });
  const daemon = await startDaemon(
    'bao',
    toolPath('bao'),
    [
      'server',
      '-dev',
      '-dev-no-store-token',
      `-dev-root-token-id=${TOKEN}`,
      `-dev-listen-address=${new URL(url).host}`,
    ],
    { cwd: home, ready: async () => (await fetch(`${url}/v1/sys/health`)).ok },
  );
  t.teardown(() => daemon.stop());
  await post(`${url}/v1/sys/mounts/transit`, { type: 'transit' });
  await post(`${url}/v1/transit/keys/approvals`, { type });
  return { name, env: { VAULT_ADDR: url, VAULT_TOKEN: TOKEN } };
}

async function post(url: string, body: object): Promise<void> {
  const headers = { 'x-vault-token': TOKEN, 'content-type': 'application/json' };
  const { ok, status } = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!ok) throw new Error(`POST ${url}: ${status}`);
}

/** A key on P-256 in KMS. */
export async function keepInKms(t: Test): Promise<KeptKey> {
  const name = 'awskms:///alias/approvals';
  if (!hasKms) {
    const { url } = await startKeyServer(t, kms(createSigner()));
    return { name, env: kmsEnv(url) };
  }
  const url = `http://127.0.0.1:${await freePort()}`;
  const daemon = await startDaemon(
    'moto',
    toolPath('moto server'),
    ['-H', '127.0.0.1', '-p', new URL(url).port],
    { ready: async () => (await fetch(`${url}/moto-api/`)).ok },
  );
  t.teardown(() => daemon.stop());
  const env = kmsEnv(url);
  await makeKmsKey(env, 'approvals', 'ECC_NIST_P256');
  return { name, env };
}

async function makeKmsKey(
  env: Readonly<Record<string, string>>,
  name: string,
  KeySpec: KeySpec,
): Promise<void> {
  const client = new KMSClient({
    endpoint: env['AWS_ENDPOINT_URL_KMS'] ?? '',
    region: env['AWS_REGION'] ?? '',
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
  });
  const made = await client.send(new CreateKeyCommand({ KeyUsage: 'SIGN_VERIFY', KeySpec }));
  const TargetKeyId = made.KeyMetadata?.KeyId;
  await client.send(new CreateAliasCommand({ AliasName: `alias/${name}`, TargetKeyId }));
  client.destroy();
}

/** A key of every kind that the real ones have, made beside those two; none where stand-ins keep them. */
export async function keepEveryKind(keys: readonly KeptKey[]): Promise<readonly KeptKey[]> {
  const made: KeptKey[] = [];
  for (const { name, env } of keys) {
    if (hasVault && name.startsWith('hashivault:')) {
      for (const type of [
        'ecdsa-p256',
        'ecdsa-p384',
        'ecdsa-p521',
        'rsa-2048',
        'rsa-4096',
        'ed25519',
      ]) {
        await post(`${env['VAULT_ADDR'] ?? ''}/v1/transit/keys/${type}`, { type });
        made.push({ name: `hashivault://${type}`, env });
      }
    }
    if (hasKms && name.startsWith('awskms:')) {
      for (const spec of ['ECC_NIST_P256', 'ECC_NIST_P384', 'ECC_NIST_P521', 'RSA_2048'] as const) {
        await makeKmsKey(env, spec, spec);
        made.push({ name: `awskms:///alias/${spec}`, env });
      }
    }
  }
  return made;
}

/** In a network of its own nobody else takes it meanwhile. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return address.port;
}
