/** Starts Countersign itself, as an operator would, in front of the lab's registry. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, startDaemon, type Finished, type RunOptions } from './process.ts';
import type { Registry } from './registry.ts';
import { readPublicKey, type Signers } from './signers.ts';

/** What the proxy's configuration has to know of an upstream. */
export type ProxiedRegistry = Pick<Registry, 'host' | 'guard' | 'login' | 'tokenHost'>;

export interface Proxy {
  /** `127.0.0.1:PORT` of the registry surface. */
  readonly host: string;
  /** What it logged so far. */
  log(): string;
  readonly configFile: string;
  /** Runs the command line tool. */
  command(...args: readonly string[]): Promise<Finished>;
  /** The same, with variables of the environment. */
  commandWith(env: NonNullable<RunOptions['env']>, ...args: readonly string[]): Promise<Finished>;
  /** Gives the exit status. */
  stop(): Promise<number>;
  /** Ends it without a chance to tidy up. */
  kill(): Promise<void>;
}

/** The rules of the lab, by the names that refusals have to mention. */
export const ruleNames = { cases: 'lab releases', moving: 'moving tags' } as const;

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

export async function startProxy(
  folder: string,
  registry: ProxiedRegistry,
  signers: Signers,
): Promise<Proxy> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'trusted.pub'), readPublicKey(signers.trusted));
  writeFileSync(join(folder, 'password'), registry.login.password);
  return serveConfig(folder, configFor(folder, registry));
}

/** Starts it with a configuration of one's own, whose files are in that folder. */
export async function serveConfig(folder: string, config: string): Promise<Proxy> {
  mkdirSync(folder, { recursive: true });
  const configFile = join(folder, 'countersign.yaml');
  writeFileSync(configFile, config);
  const node = [...process.execArgv.filter((one) => one.startsWith('--max')), main];
  const daemon = await startDaemon(
    'countersign',
    process.execPath,
    [...node, 'serve', '--config', configFile],
    { cwd: folder, timeout: 120_000, ready: (output) => surfaceUrl(output) !== undefined },
  );
  const url = new URL(surfaceUrl(daemon.output()) ?? '');
  return {
    host: url.host,
    configFile,
    log: () => daemon.output(),
    command: (...args) => run(process.execPath, [...node, ...args], { cwd: folder }),
    commandWith: (env, ...args) => run(process.execPath, [...node, ...args], { cwd: folder, env }),
    stop: () => daemon.stop(),
    kill: () => daemon.kill(),
  };
}

function configFor(folder: string, registry: ProxiedRegistry): string {
  const { host, guard, login, tokenHost } = registry;
  const parts = [`url: "http://${host}"`, 'insecureHttp: true'];
  if (guard !== 'none') {
    parts.push(`credentials: { username: ${login.username}, passwordFile: ${folder}/password }`);
  }
  if (tokenHost !== undefined) parts.push(`privateHosts: [ '${tokenHost}' ]`);
  const upstream = parts.join(', ');
  return `
listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
cache: { path: ${folder}/var, maxSize: 1GiB }
upstreams:
  lab.local: { ${upstream} }
  docker.io: { ${upstream}, default: true }
trustRoots:
  release-keys: { publicKeys: [ ./trusted.pub ] }
policies:
  - name: ${ruleNames.moving}
    match: [ 'lab.local/moving/**', 'docker.io/moving/**' ]
    require: { key: { trustRoot: release-keys } }
    tags: { refresh: 0s }
  - name: ${ruleNames.cases}
    match: [ 'lab.local/cases/**', 'docker.io/cases/**' ]
    require: { key: { trustRoot: release-keys } }
    tags: { refresh: 1h }
`;
}

/** The address in the log line that announces the registry surface. */
function surfaceUrl(output: string): string | undefined {
  for (const line of output.split('\n')) {
    if (!line.startsWith('{')) continue;
    const entry = JSON.parse(line) as { msg?: unknown; surface?: unknown; url?: unknown };
    const announces = entry.msg === 'listening' && entry.surface === 'registry';
    if (announces && typeof entry.url === 'string') return entry.url;
  }
  return undefined;
}
