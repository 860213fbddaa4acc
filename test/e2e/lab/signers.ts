/** The real signers: cosign 2 and 3 and skopeo, each with keys that live as long as the lab. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from './process.ts';
import type { Registry } from './registry.ts';
import { toolPath } from './tools.ts';

export interface KeyPair {
  readonly privateFile: string;
  readonly publicFile: string;
}

export interface Signers {
  /** The key the operator trusts. */
  readonly trusted: KeyPair;
  /** A good key, of somebody else. */
  readonly stranger: KeyPair;
  /** A simple-signing payload under the tag `sha256-<hex>.sig`. */
  cosign2(repository: string, digest: string, key: KeyPair): Promise<void>;
  /** A Sigstore bundle as a referrer, found through the fallback tag `sha256-<hex>`. */
  cosign3(repository: string, digest: string, key: KeyPair): Promise<void>;
  /** Statements about an image, by cosign 2 as `.att` and by cosign 3 as a bundle; no signatures. */
  attest(repository: string, digest: string, key: KeyPair): Promise<void>;
  /** Copies an image and signs the copy with its tag in the payload. */
  skopeo(from: string, to: string, key: KeyPair): Promise<void>;
}

const password = 'throw-away';

export async function createSigners(folder: string, registry: Registry): Promise<Signers> {
  mkdirSync(folder, { recursive: true });
  const env = {
    COSIGN_PASSWORD: password,
    DOCKER_CONFIG: registry.dockerConfig,
    TUF_ROOT: join(folder, 'tuf'),
  };
  const signingConfig = join(folder, 'signing-config.json');
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, password);
  const registriesFolder = join(folder, 'registries.d');
  mkdirSync(registriesFolder);
  writeFileSync(
    join(registriesFolder, 'lab.yaml'),
    `docker: { "${registry.host}": { use-sigstore-attachments: true } }\n`,
  );

  const predicate = join(folder, 'predicate.json');
  writeFileSync(predicate, '{"reviewed":true}');

  const makeKey = async (name: string): Promise<KeyPair> => {
    const prefix = join(folder, name);
    await mustRun(toolPath('cosign 2'), ['generate-key-pair', '--output-key-prefix', prefix], {
      env,
    });
    return { privateFile: `${prefix}.key`, publicFile: `${prefix}.pub` };
  };
  const trusted = await makeKey('trusted');
  const stranger = await makeKey('stranger');
  // A signing configuration that names no service: no transparency log, no timestamp.
  writeFileSync(signingConfig, await mustRun(toolPath('cosign 3'), ['signing-config', 'create']));
  const subject = (repository: string, digest: string) =>
    `${registry.host}/${repository}@${digest}`;

  return {
    trusted,
    stranger,
    cosign2: async (repository, digest, key) => {
      const args = ['--key', key.privateFile, '--tlog-upload=false', '--allow-http-registry', '-y'];
      await mustRun(toolPath('cosign 2'), ['sign', ...args, subject(repository, digest)], { env });
    },
    cosign3: async (repository, digest, key) => {
      const args = ['--key', key.privateFile, '--signing-config', signingConfig];
      await mustRun(
        toolPath('cosign 3'),
        ['sign', ...args, '--allow-http-registry', '-y', subject(repository, digest)],
        { env },
      );
    },
    attest: async (repository, digest, key) => {
      const args = ['attest', '--key', key.privateFile, '--predicate', predicate, '-y'];
      const rest = ['--type', 'custom', '--allow-http-registry', subject(repository, digest)];
      await mustRun(toolPath('cosign 2'), [...args, '--tlog-upload=false', ...rest], { env });
      const services = ['--signing-config', signingConfig];
      await mustRun(toolPath('cosign 3'), [...args, ...services, ...rest], { env });
    },
    skopeo: async (from, to, key) => {
      const auth = join(registry.dockerConfig, 'config.json');
      await mustRun(toolPath('newer skopeo'), [
        ...['--registries.d', registriesFolder, '--insecure-policy', 'copy', '--all'],
        ...['--preserve-digests', '--authfile', auth],
        ...['--src-tls-verify=false', '--dest-tls-verify=false'],
        ...['--sign-by-sigstore-private-key', key.privateFile],
        ...['--sign-passphrase-file', passwordFile],
        ...[`docker://${registry.host}/${from}`, `docker://${registry.host}/${to}`],
      ]);
    },
  };
}

/** The PEM of a public key. */
export function readPublicKey(key: KeyPair): string {
  return readFileSync(key.publicFile, 'utf8');
}
