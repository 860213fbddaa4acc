/** The one composition root: from a configuration to a running proxy, or to a verifier without one. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Logger } from 'pino';
import { createAdmission } from './admission/admission.ts';
import type { AdmissionParts } from './admission/parts.ts';
import type { Verifier } from './cli/verify.ts';
import type { Config, CredentialsConfig, UpstreamConfig } from './config/config.ts';
import type { Finding } from './config/problem.ts';
import { startRegistryServer } from './http/server.ts';
import type { Observer, Serving } from './http/serving.ts';
import type { Digest } from './oci/digest.ts';
import { describeAction, findRule, parsePolicy, type Policy } from './policy/rule.ts';
import type { BlobStore } from './store/blob-store.ts';
import { boundBlobStore } from './store/bounded-blob-store.ts';
import { openDiskBlobStore } from './store/disk-blob-store.ts';
import type { Records } from './store/records.ts';
import { openSqliteRecords } from './store/sqlite-records.ts';
import { openSqliteUsage } from './store/sqlite-usage.ts';
import { parsePublicKeys } from './trust/public-key.ts';
import { publicKeysRoot, type TrustRoot } from './trust/trust-root.ts';
import { literalPassword, passwordFile, type CredentialsSource } from './upstream/credentials.ts';
import { createRegistryUpstream, type RegistryUpstream } from './upstream/registry-upstream.ts';
import { rememberManifests } from './upstream/remembering-upstream.ts';
import type { FetchedManifest, Upstream } from './upstream/upstream.ts';

export interface AppOptions {
  readonly logger: Logger;
  readonly observer: Observer;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/** A running proxy. */
export interface App {
  /** Where the `/v2/` surface listens. */
  readonly url: string;
  /** Rejects with the reason when the records cannot be used. */
  readonly ready: () => Promise<void>;
  /**
   * Puts other rules, trust roots and upstreams in place; requests under way finish under the old ones.
   * What only a start can change (listening, cache) is left as it is and named in the answer.
   */
  reload(config: Config): readonly string[];
  close(): Promise<void>;
}

/** Rules with the trust roots they rest on. */
interface Rules {
  readonly policy: Policy;
  readonly trustRoots: ReadonlyMap<string, TrustRoot>;
}

/** @throws {StoreError} when another process has the cache; what the system says when it cannot listen. */
export async function startApp(config: Config, options: AppOptions): Promise<App> {
  const { logger, observer, clock = Date.now } = options;
  const rules = readRules(config);
  const { cert, key } = await readTls(config);
  const { blobs, records } = await openStore(config, { clock, logger });
  const parts = { blobs, records, clock, logger };
  let upstreams = createUpstreams(config, logger);
  let serving = createServing(config, rules, upstreams, parts);
  const closeStore = async (): Promise<void> => {
    await blobs.close();
    await records.close();
  };
  const server = await startRegistryServer({
    host: config.listen.host,
    port: config.listen.port,
    tls: cert === undefined || key === undefined ? undefined : { cert, key },
    current: () => serving,
    observer,
    logger,
  }).catch(async (error: unknown) => {
    await closeStore();
    throw error;
  });
  /** Upstreams of earlier configurations whose last requests may still be under way. */
  const retired: RegistryUpstream[] = [];

  return {
    url: server.url,
    ready: () => probe(records),
    reload(next) {
      const nextRules = readRules(next);
      const nextUpstreams = createUpstreams(next, logger);
      serving = createServing(next, nextRules, nextUpstreams, parts);
      retired.push(...upstreams.values());
      upstreams = nextUpstreams;
      return (['listen', 'admin', 'cache'] as const).filter(
        (name) => JSON.stringify(next[name]) !== JSON.stringify(config[name]),
      );
    },
    async close() {
      await server.close();
      await Promise.all([...retired, ...upstreams.values()].map((upstream) => upstream.close()));
      await closeStore();
    },
  };
}

/** What `countersign verify` decides with: the same rules and checks, no cache, every signature looked at. */
export async function openVerifier(
  config: Config,
  logger: Logger,
): Promise<Verifier & { close(): Promise<void> }> {
  const rules = readRules(config);
  const path = await mkdtemp(join(tmpdir(), 'countersign-verify-'));
  const blobs = await openDiskBlobStore({ path });
  const records = await openSqliteRecords({ file: ':memory:' });
  const connected = createUpstreams(config, logger);
  const seen = new Map<Digest, FetchedManifest>();
  const upstreams = new Map<string, Upstream>(
    [...connected].map(([name, upstream]) => [name, rememberManifests(upstream, seen)]),
  );
  const admission = createAdmission({
    ...rules,
    upstreams,
    blobs,
    records,
    clock: Date.now,
    logger,
    exhaustive: true,
  });
  return {
    defaultRegistry: config.upstreams.find((upstream) => upstream.default)?.name,
    isRegistry: (name) => connected.has(name),
    async decide(reference) {
      const decision = await admission.admit(reference);
      const rule = findRule(rules.policy, reference.repository);
      return {
        decision,
        requires: rule === undefined ? undefined : describeAction(rule.action),
        manifest: decision.digest === undefined ? undefined : seen.get(decision.digest),
      };
    },
    async close() {
      await Promise.all([...connected.values()].map((upstream) => upstream.close()));
      await blobs.close();
      await records.close();
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** What the other rooms have against a configuration of the right shape: keys and rules, each with its place. */
export function inspectRules(config: Config): readonly Finding[] {
  const findings: Finding[] = [];
  const trustRoots = new Map<string, TrustRoot>();
  for (const { name, files } of config.trustRoots) {
    const keys = files.flatMap(({ path, text }, index) => {
      try {
        return parsePublicKeys(text, basename(path));
      } catch (error) {
        findings.push({ path: ['trustRoots', name, 'publicKeys', index], message: words(error) });
        return [];
      }
    });
    trustRoots.set(name, publicKeysRoot(name, keys));
  }
  for (const [index, rule] of config.policies.entries()) {
    try {
      parsePolicy([rule], trustRoots);
    } catch (error) {
      findings.push({ path: ['policies', index], message: words(error) });
    }
  }
  for (const { name, caFile } of config.upstreams) {
    if (caFile === undefined || readFileSync(caFile, 'utf8').includes('BEGIN CERTIFICATE'))
      continue;
    const message = 'expected PEM certificates';
    findings.push({ path: ['upstreams', name, 'tls', 'caFile'], message });
  }
  return findings;
}

function words(error: unknown): string {
  if (error instanceof SyntaxError) return error.message;
  throw error;
}

function readRules(config: Config): Rules {
  const trustRoots = new Map(
    config.trustRoots.map(({ name, files }) => [
      name,
      publicKeysRoot(
        name,
        files.flatMap(({ path, text }) => parsePublicKeys(text, basename(path))),
      ),
    ]),
  );
  return { policy: parsePolicy(config.policies, trustRoots), trustRoots };
}

async function readTls({
  listen,
}: Config): Promise<{ readonly cert?: string; readonly key?: string }> {
  if (listen.tls === undefined) return {};
  const { certFile, keyFile } = listen.tls;
  return { cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
}

async function openStore(
  { cache }: Config,
  { clock, logger }: Pick<AdmissionParts, 'clock'> & { readonly logger: Logger },
): Promise<{ readonly blobs: BlobStore; readonly records: Records }> {
  const disk = await openDiskBlobStore({ path: cache.path, logger });
  // Databases lie inside the folder that the blob store has locked for this process.
  const usage = await openSqliteUsage({ file: join(cache.path, 'usage.sqlite'), logger });
  const blobs = await boundBlobStore(disk, { maxBytes: cache.maxSize, usage, clock, logger });
  try {
    return {
      blobs,
      records: await openSqliteRecords({ file: join(cache.path, 'records.sqlite') }),
    };
  } catch (error) {
    await blobs.close();
    throw error;
  }
}

function createUpstreams(config: Config, logger: Logger): ReadonlyMap<string, RegistryUpstream> {
  return new Map(
    config.upstreams.map((upstream) => [upstream.name, createUpstream(upstream, logger)]),
  );
}

function createUpstream(config: UpstreamConfig, logger: Logger): RegistryUpstream {
  const { name, url, insecureHttp, privateHosts, caFile, credentials } = config;
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

function createServing(
  config: Config,
  rules: Rules,
  upstreams: ReadonlyMap<string, RegistryUpstream>,
  parts: Pick<AdmissionParts, 'blobs' | 'records' | 'clock' | 'logger'>,
): Serving {
  return {
    admission: createAdmission({ ...rules, upstreams, ...parts }),
    upstreams: {
      has: (name) => upstreams.has(name),
      default: config.upstreams.find((upstream) => upstream.default)?.name,
    },
    origins: upstreams,
  };
}

/** A look into the records, which fails when the disk or the database does. */
async function probe(records: Records): Promise<void> {
  await records.findPin({ registry: 'countersign.invalid', path: 'ready' }, 'ready');
}
