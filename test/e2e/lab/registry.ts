/** Debian's docker-registry as the upstream, open or guarded, with its storage within reach. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun, startDaemon, type Daemon } from './process.ts';
import type { RegistryAccess } from './registry-client.ts';
import { basicAuthorization, startTokenServer, type Login } from './token-server.ts';
import { toolPath } from './tools.ts';

export type Guard = 'none' | 'basic' | 'token';

export interface Registry extends RegistryAccess {
  readonly guard: Guard;
  /** Who may pull and push, where somebody is asked. */
  readonly login: Login;
  /** A folder with a docker `config.json` that logs in here. */
  readonly dockerConfig: string;
  /** `host:port` of the token service it sends clients to, where there is one. */
  readonly tokenHost: string | undefined;
  /** Tokens handed out so far. */
  readonly tokens: () => number;
  /** Stops serving; {@link Registry.start} serves again on the same port. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Stops for good, with all that belongs to it. */
  close(): Promise<void>;
  /** Changes stored bytes behind the registry's back. */
  editStored(digest: string, edit: (bytes: Buffer) => Buffer): void;
}

interface Guarding {
  readonly tokenHost?: string;
  readonly config: readonly string[];
  readonly authorization: (repository: string) => string | undefined;
  readonly tokens: () => number;
  readonly close: () => Promise<void>;
}

/** In a network of its own the lab may name its port. */
const upstreamHost = '127.0.0.1:5000';

/** @param host where another one listens beside the upstream. */
export async function startRegistry(
  folder: string,
  guard: Guard,
  host = upstreamHost,
): Promise<Registry> {
  const storage = join(folder, 'registry');
  const dockerConfig = join(folder, 'publisher');
  mkdirSync(storage, { recursive: true });
  mkdirSync(dockerConfig, { recursive: true });
  const login = { username: 'publisher', password: 'throw-away' };
  const auth = Buffer.from(`${login.username}:${login.password}`).toString('base64');
  writeFileSync(
    join(dockerConfig, 'config.json'),
    JSON.stringify({ auths: guard === 'none' ? {} : { [host]: { auth } } }),
  );

  const guarding = await guardBy[guard](folder, login);
  const configFile = join(folder, 'registry.yml');
  const config = [
    'version: 0.1',
    'log: { level: warn, accesslog: { disabled: true } }',
    `storage: { filesystem: { rootdirectory: ${storage} }, delete: { enabled: true } }`,
    `http: { addr: "${host}" }`,
    ...guarding.config,
  ];
  writeFileSync(configFile, `${config.join('\n')}\n`);

  let daemon: Daemon | undefined;
  const registry: Registry = {
    host,
    guard,
    login,
    dockerConfig,
    authorization: guarding.authorization,
    tokenHost: guarding.tokenHost,
    tokens: guarding.tokens,
    start: async () => {
      daemon ??= await startDaemon(
        'docker-registry',
        toolPath('docker-registry'),
        ['serve', configFile],
        { ready: async () => (await fetch(`http://${host}/v2/`)).status < 500 },
      );
    },
    stop: async () => {
      await daemon?.stop();
      daemon = undefined;
    },
    close: async () => {
      await registry.stop();
      await guarding.close();
    },
    editStored: (digest, edit) => {
      const hex = digest.slice('sha256:'.length);
      const place = join('docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
      writeFileSync(join(storage, place), edit(readFileSync(join(storage, place))));
    },
  };
  await registry.start();
  return registry;
}

const close = () => Promise.resolve();

type GuardBuilder = (folder: string, login: Login) => Guarding | Promise<Guarding>;

const guardBy: Readonly<Record<Guard, GuardBuilder>> = {
  none: () => ({ config: [], authorization: () => undefined, tokens: () => 0, close }),

  basic: async (folder, login) => {
    const file = join(folder, 'htpasswd');
    const line = await mustRun(toolPath('htpasswd'), ['-nbB', login.username, login.password]);
    writeFileSync(file, line);
    return {
      config: [`auth: { htpasswd: { realm: lab, path: ${file} } }`],
      authorization: () => basicAuthorization(login),
      tokens: () => 0,
      close,
    };
  },

  token: async (folder, login) => {
    const server = await startTokenServer(folder, login);
    const { realm, service, issuer, certificateFile } = server;
    return {
      tokenHost: new URL(realm).host,
      config: [
        'auth:',
        `  token: { realm: "${realm}", service: ${service}, issuer: ${issuer}, ` +
          `rootcertbundle: ${certificateFile} }`,
      ],
      authorization: (repository) => `Bearer ${server.mint(repository, ['pull', 'push'])}`,
      tokens: server.exchanges,
      close: server.stop,
    };
  },
};
