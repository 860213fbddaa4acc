/** Upstreams as the configuration has them. */
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Config, CredentialsConfig, PlaceConfig, UpstreamConfig } from '../config/config.ts';
import { literalPassword, passwordFile, type CredentialsSource } from '../upstream/credentials.ts';
import { mirrorUpstream } from '../upstream/mirrored-upstream.ts';
import { createRegistryUpstream, type RegistryUpstream } from '../upstream/registry-upstream.ts';

/** By canonical registry name. */
export function createUpstreams(
  config: Config,
  logger: Logger,
): ReadonlyMap<string, RegistryUpstream> {
  return new Map(
    config.upstreams.map((upstream) => [upstream.name, createUpstream(upstream, logger)]),
  );
}

function createUpstream(config: UpstreamConfig, logger: Logger): RegistryUpstream {
  const { name, mirrors } = config;
  const upstream = connect(name, config, logger);
  if (mirrors.length === 0) return upstream;
  // Under a name that no docker config.json knows: credentials of the upstream are not for its mirrors.
  const others = mirrors.map((mirror) => connect(`mirror of ${name}`, mirror, logger));
  return mirrorUpstream(upstream, others, logger);
}

function connect(name: string, config: PlaceConfig, logger: Logger): RegistryUpstream {
  const { url, insecureHttp, privateHosts, caFile, credentials } = config;
  return createRegistryUpstream({
    name,
    url: new URL(url),
    insecureHttp,
    privateHosts,
    logger,
    ca: caFile === undefined ? undefined : readFileSync(caFile, 'utf8'),
    credentials: credentials === undefined ? undefined : toSource(credentials),
  });
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
