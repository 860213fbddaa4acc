/** The one composition root: from a configuration to a running proxy, or to a verifier without one. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { createAdmission } from './admission/admission.ts';
import { openExceptions } from './admission/exceptions.ts';
import type { AdmissionParts } from './admission/parts.ts';
import type { ReverificationParts } from './admission/reverification.ts';
import { startAdopting } from './app/adopting.ts';
import { readKeep, readRules } from './app/rules.ts';
import { createCachedUpstream } from './app/cached-upstream.ts';
import { run, type Running } from './app/running.ts';
import { openRevocation } from './app/revocation.ts';
import { readKnownTrustRoots } from './app/known-trust-roots.ts';
import { watchRecords } from './app/records-watch.ts';
import { connectUpstreams } from './app/upstreams.ts';
import type { Verifier } from './cli/verify.ts';
import type { Config } from './config/config.ts';
import { startRegistryServer } from './http/server.ts';
import type { Observer } from './http/serving.ts';
import type { Digest } from './oci/digest.ts';
import { describeAction, findRule, type Policy } from './policy/rule.ts';
import { boundBlobStore, type BoundedBlobStore } from './store/bounded-blob-store.ts';
import { openDiskBlobStore } from './store/disk-blob-store.ts';
import { blobName } from './store/disk-layout.ts';
import type { Records } from './store/records.ts';
import { openSqliteRecords } from './store/sqlite-records.ts';
import { openSqliteUsage } from './store/sqlite-usage.ts';
import type { RegistryUpstream } from './upstream/registry-upstream.ts';
import type { PlaceStatus } from './upstream/spared-upstream.ts';
import { rememberManifests } from './upstream/remembering-upstream.ts';
import type { FetchedManifest, Upstream } from './upstream/upstream.ts';

export interface AppOptions {
  readonly logger: Logger;
  readonly observer: Observer;
  /** Told of each blob that the disk would not take and that is served without being kept. */
  readonly onUnkept?: () => void;
  /** Told of each move of a tag, and of what became of it. */
  readonly onTagMove?: AdmissionParts['onTagMove'];
  /** Told of each image that was admitted and is not any more. */
  readonly onWithdrawn?: AdmissionParts['onWithdrawn'];
  /** Told of each image that was verified again unasked. */
  readonly onReverified?: ReverificationParts['onReverified'];
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/** A running proxy. */
export interface App {
  /** Where the `/v2/` surface listens. */
  readonly url: string;
  /** How it stands with each place that may be asked, as the configuration in force has them. */
  readonly upstreamStatus: () => readonly PlaceStatus[];
  /** Rejects with the reason when the records cannot be used. */
  readonly ready: () => Promise<void>;
  /**
   * Puts other rules, trust roots and upstreams in place; requests under way finish under the old ones.
   * What only a start can change (listening, cache) is left as it is and named in the answer.
   */
  reload(config: Config): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** @throws {StoreError} when another process has the cache; what the system says when it cannot listen. */
export async function startApp(config: Config, options: AppOptions): Promise<App> {
  const { logger, observer, onUnkept, clock = Date.now } = options;
  const { cert, key } = await readTls(config);
  let isKept = readKeep(config);
  const { blobs, records } = await openStore(config, {
    clock,
    logger,
    onUnkept,
    isKept: (name) => isKept(name),
  });
  const { onTagMove, onReverified } = options;
  const onWithdrawn = (rule: string): void => {
    // It may have been decided by who was in force before.
    running.current().admission.forget();
    options.onWithdrawn?.(rule);
  };
  const told = { onTagMove, onWithdrawn, onReverified };
  const shared = { blobs, images: blobs, records, clock, logger, ...told };
  const closeStore = async (): Promise<void> => {
    await blobs.close();
    await records.close();
  };
  let running: Running;
  try {
    running = await run(config, shared);
  } catch (error) {
    await closeStore();
    throw error;
  }
  const server = await startRegistryServer({
    host: config.listen.host,
    port: config.listen.port,
    tls: cert === undefined || key === undefined ? undefined : { cert, key },
    locate: locatorFor(config),
    current: () => running.current(),
    observer,
    logger,
  }).catch(async (error: unknown) => {
    await running.retire();
    await closeStore();
    throw error;
  });
  const adopting = startAdopting({ blobs, records, logger });
  const watch = watchRecords(records, () => {
    running.current().admission.forget();
    adopting.look();
  });
  /** Upstreams of earlier configurations whose last requests may still be under way. */
  const retired: RegistryUpstream[] = [];
  /** One reload after the other: what was asked for last is what stays. */
  let reloading: Promise<unknown> = Promise.resolve();

  async function replace(next: Config): Promise<void> {
    const last = running;
    running = await run(next, shared);
    isKept = readKeep(next);
    await last.retire();
    retired.push(...last.upstreams.values());
  }

  return {
    url: server.url,
    upstreamStatus: () => running.upstreamStatus(),
    ready: () => probe(records),
    async reload(next) {
      const turn = reloading.then(() => replace(next));
      reloading = turn.catch(() => undefined);
      await turn;
      return (['listen', 'admin', 'cache'] as const).filter(
        (name) => JSON.stringify(atStart(next)[name]) !== JSON.stringify(atStart(config)[name]),
      );
    },
    async close() {
      await server.close();
      watch.close();
      await adopting.close();
      await reloading;
      await running.retire();
      await Promise.all(
        [...retired, ...running.upstreams.values()].map((upstream) => upstream.close()),
      );
      await closeStore();
    },
  };
}

/**
 * What `countersign verify` decides with: the same rules and checks, every signature looked at, and no cache, but for what
 * nobody may be asked for.
 */
export async function openVerifier(
  config: Config,
  logger: Logger,
): Promise<Verifier & { close(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-verify-'));
  const trustRoots = await readKnownTrustRoots(config, {
    folder: join(path, 'trust'),
    logger,
    fetchMissing: true,
  });
  const rules = readRules(config, trustRoots);
  const blobs = await openDiskBlobStore({ path });
  const records = await openSqliteRecords({ file: ':memory:' });
  const own = await openOwnRecords(config.cache.path);
  const connected = connectUpstreams(config, logger);
  const revocation = openRevocation(config);
  const seen = new Map<Digest, FetchedManifest>();
  const upstreams = new Map<string, Upstream>(
    [...connected].map(([name, upstream]) => {
      const isCached = upstream.isOffline === true && own !== undefined;
      const from = isCached
        ? createCachedUpstream(upstream, { records: own, path: config.cache.path })
        : upstream;
      return [name, rememberManifests(from, seen)];
    }),
  );
  const admission = createAdmission({
    ...rules,
    policy: withoutHistory(rules.policy),
    exceptions: openExceptions(config.exceptions, Date.now),
    upstreams,
    blobs,
    records,
    ...(own && { local: own.local }),
    clock: Date.now,
    logger,
    exhaustive: true,
    revocation: revocation.check,
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
      await revocation.close();
      await blobs.close();
      await records.close();
      await own?.close();
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** There is no history to judge moves by, and nothing was seen before: what is asked is what signatures say. */
function withoutHistory({ rules }: Policy): Policy {
  return { rules: rules.map((rule) => ({ ...rule, tags: { ...rule.tags, cooldown: 0 } })) };
}

async function readTls({
  listen,
}: Config): Promise<{ readonly cert?: string; readonly key?: string }> {
  if (listen.tls === undefined) return {};
  const { certFile, keyFile } = listen.tls;
  return { cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
}

/** What only a start can change. */
function atStart({ listen, admin, cache }: Config) {
  const { path, maxSize } = cache;
  return { listen, admin, cache: { path, maxSize } };
}

type StoreOptions = Pick<AdmissionParts, 'clock'> &
  Pick<AppOptions, 'logger'> & {
    readonly onUnkept: AppOptions['onUnkept'];
    readonly isKept: (name: string) => boolean;
  };

/** Where nginx finds a blob whose location is mapped to `v1/blobs` of the cache. */
function locatorFor({ listen }: Config): ((digest: Digest) => string) | undefined {
  const prefix = listen.accelRedirect;
  return prefix === undefined ? undefined : (digest) => `${prefix}${blobName(digest)}`;
}

/** Approvals are the operator's word, not the cache's: who decides without the cache heeds them too. */
async function openOwnRecords(path: string): Promise<Records | undefined> {
  const file = join(path, 'records.sqlite');
  return existsSync(file) ? openSqliteRecords({ file }) : undefined;
}

async function openStore(
  { cache }: Config,
  { clock, logger, onUnkept, isKept }: StoreOptions,
): Promise<{ readonly blobs: BoundedBlobStore; readonly records: Records }> {
  const disk = await openDiskBlobStore({ path: cache.path, logger, onUnkept });
  // Databases lie inside the folder that the blob store has locked for this process.
  const usage = await openSqliteUsage({ file: join(cache.path, 'usage.sqlite'), logger });
  const blobs = await boundBlobStore(disk, {
    maxBytes: cache.maxSize,
    usage,
    clock,
    logger,
    isKept,
  });
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

/** A look into the records, which fails when the disk or the database does. */
async function probe(records: Records): Promise<void> {
  await records.findPin({ registry: 'countersign.invalid', path: 'ready' }, 'ready');
}
