/** Upstreams as the configuration has them. */
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { CredentialsConfig, PlaceConfig, UpstreamConfig } from '../config/upstream-config.ts';
import { rememberAbsences } from '../upstream/absence-memory.ts';
import {
  identityOf,
  literalPassword,
  openCredentials,
  passwordFile,
  type CredentialsSource,
} from '../upstream/credentials.ts';
import { mirrorUpstream } from '../upstream/mirrored-upstream.ts';
import { createOfflineUpstream } from '../upstream/offline-upstream.ts';
import {
  createRegistryUpstream,
  type RegistryUpstream,
  type RegistryUpstreamOptions,
} from '../upstream/registry-upstream.ts';
import { createSparedUpstream, type PlaceStatus } from '../upstream/spared-upstream.ts';

export interface UpstreamsOptions {
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

export interface Upstreams {
  /** By canonical registry name. */
  readonly byName: ReadonlyMap<string, RegistryUpstream>;
  /** How it stands with each place, of those that may be asked. */
  status(): readonly PlaceStatus[];
}

/** For the proxy: upstreams that are spared, and asked for what is not there only now and then. */
export function createUpstreams(config: Config, { logger, clock }: UpstreamsOptions): Upstreams {
  const statuses: (() => PlaceStatus)[] = [];
  const connect = (name: string, place: PlaceConfig): RegistryUpstream => {
    const spared = createSparedUpstream({ ...optionsOf(name, place), logger, clock });
    statuses.push(spared.status);
    return spared;
  };
  const byName = new Map(
    config.upstreams.map((upstream) => {
      const { name, url, credentials } = upstream;
      const created = createUpstream(config, upstream, logger, connect);
      if (created.isOffline === true) return [name, created];
      const known =
        credentials === undefined
          ? undefined
          : openCredentials(toSource(credentials), [name, new URL(url).host]);
      return [name, rememberAbsences(created, { clock, identity: identityOf(known) })];
    }),
  );
  return { byName, status: () => statuses.map((status) => status()) };
}

/** For a command, which asks once and wants to know how it is now: nothing is remembered, nobody is spared. */
export function connectUpstreams(
  config: Config,
  logger: Logger,
): ReadonlyMap<string, RegistryUpstream> {
  const connect = (name: string, place: PlaceConfig): RegistryUpstream =>
    createRegistryUpstream({ ...optionsOf(name, place), logger });
  return new Map(
    config.upstreams.map((upstream) => [
      upstream.name,
      createUpstream(config, upstream, logger, connect),
    ]),
  );
}

function createUpstream(
  { offline }: Config,
  config: UpstreamConfig,
  logger: Logger,
  connect: (name: string, place: PlaceConfig) => RegistryUpstream,
): RegistryUpstream {
  const { name, url, mirrors } = config;
  if (offline || config.offline) return createOfflineUpstream(name, new URL(url));
  const upstream = connect(name, config);
  if (mirrors.length === 0) return upstream;
  const others = mirrors.map((mirror) => ({
    // Under a name that no docker config.json knows: credentials of the upstream are not for its mirrors.
    place: connect(`mirror of ${name}`, mirror),
    isPreferred: mirror.preferred,
    knowsTags: mirror.tags,
  }));
  return mirrorUpstream(upstream, others, logger);
}

function optionsOf(
  name: string,
  config: PlaceConfig,
): Omit<RegistryUpstreamOptions, 'logger' | 'clock'> {
  const { url, insecureHttp, privateHosts, caFile, credentials } = config;
  return {
    name,
    url: new URL(url),
    insecureHttp,
    privateHosts,
    ca: caFile === undefined ? undefined : readFileSync(caFile, 'utf8'),
    credentials: credentials === undefined ? undefined : toSource(credentials),
  };
}

function toSource(credentials: CredentialsConfig): CredentialsSource {
  switch (credentials.kind) {
    case 'password': {
      const { username, password } = credentials;
      return { kind: 'basic', username, password: literalPassword(password) };
    }
    case 'password-file': {
      const { username } = credentials;
      return { kind: 'basic', username, password: passwordFile(credentials.passwordFile) };
    }
    case 'docker-config':
      return { kind: 'docker-config', path: credentials.dockerConfigFile };
  }
}
