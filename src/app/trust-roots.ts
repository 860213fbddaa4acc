/** Trust roots as the configuration has them: read once, or kept fresh in the background. */
import { basename, join } from 'node:path';
import type { Logger } from 'pino';
import type {
  BytesFile,
  NotationPolicyRootConfig,
  NotationRootConfig,
  SigstoreRootConfig,
  TrustRootConfig,
} from '../config/config.ts';
import { TrustKeeper } from '../trust/keeper.ts';
import { findLastKnownGood } from '../trust/last-known-good.ts';
import { assembleAuthorities } from '../trust/loose-parts.ts';
import { parseNotationConfigDir, type NotationPolicyRoot } from '../trust/notation-config-dir.ts';
import { notationRoot, type NotationRoot } from '../trust/notation-root.ts';
import { parseRevocationListFile, parseStoreFile } from '../trust/notation-store.ts';
import { parsePublicKeys } from '../trust/public-key.ts';
import { parseTrustedRoot } from '../trust/trusted-root.ts';
import {
  publicKeysRoot,
  sigstoreRoot,
  type SigstoreAuthorities,
  type TrustRoot,
} from '../trust/trust-root.ts';
import { createTufSource, requireTufRoot, type TufRepository } from '../trust/tuf.ts';
import { parseRevocationList } from '../verify/notation/revocation/revocation-list.ts';
import {
  githubTuf,
  publicGoodAuthorities,
  publicGoodTrustedRoot,
  publicGoodTuf,
} from '../trust/well-known.ts';

const NOTHING: SigstoreAuthorities = {
  certificateAuthorities: [],
  timestampAuthorities: [],
  transparencyLogs: [],
  certificateLogs: [],
};

/**
 * A trust root before anybody was asked: as its files say, as it was shipped, or still unavailable.
 * @throws {SyntaxError} for what cannot be trusted.
 */
export function readTrustRoot(config: TrustRootConfig): TrustRoot {
  const { name } = config;
  if (config.kind === 'public-keys') {
    const keys = config.files.flatMap(({ path, text }) => parsePublicKeys(text, basename(path)));
    return publicKeysRoot(name, keys);
  }
  if (config.kind === 'notation') return readNotationRoot(config);
  if (config.kind === 'notation-policy') return readNotationPolicy(config);
  const { source } = config;
  switch (source.kind) {
    case 'file': {
      const { path, text } = source.file;
      return sigstoreRoot(name, parseTrustedRoot(Buffer.from(text)), { source: basename(path) });
    }
    case 'parts':
      return sigstoreRoot(name, assembleAuthorities(looseParts(source)), { source: 'PEM files' });
    case 'tuf':
      requireTufRoot(Buffer.from(source.root.text));
      return sigstoreRoot(name, NOTHING, {
        source: source.mirror,
        unavailable: 'it was never fetched',
      });
    case 'instance':
      return source.instance === 'public-good'
        ? sigstoreRoot(name, publicGoodAuthorities(), { source: 'shipped with countersign' })
        : sigstoreRoot(name, NOTHING, {
            source: githubTuf().mirror,
            unavailable: 'it was never fetched, and refresh is never',
          });
  }
}

function readNotationRoot(config: NotationRootConfig): NotationRoot {
  const { name, ca, signingAuthority, tsa, revocationLists, privateHosts } = config;
  const store = (files: readonly BytesFile[] | undefined) =>
    files?.map(({ path, bytes }) => parseStoreFile(bytes, basename(path)));
  const stores = { ca: store(ca), signingAuthority: store(signingAuthority), tsa: store(tsa) };
  return notationRoot(name, withoutAbsent(stores), readLists(revocationLists), privateHosts);
}

function readNotationPolicy(config: NotationPolicyRootConfig): NotationPolicyRoot {
  const { name, folder, revocationLists, privateHosts } = config;
  return parseNotationConfigDir(name, folder, readLists(revocationLists), privateHosts);
}

/** Lists that nobody here understands are refused now: later they would fail every request that asks them. */
function readLists(files: readonly BytesFile[]): readonly Buffer[] {
  return files.flatMap(({ path, bytes }) => {
    const label = basename(path);
    const lists = parseRevocationListFile(bytes, label);
    try {
      for (const list of lists) parseRevocationList(list);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new SyntaxError(`${label}: ${error.message}`, { cause: error });
    }
    return lists;
  });
}

function withoutAbsent<T>(stores: Readonly<Record<string, T | undefined>>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(stores).flatMap(([kind, files]) => (files === undefined ? [] : [[kind, files]])),
  );
}

function looseParts(
  parts: Extract<SigstoreRootConfig['source'], { kind: 'parts' }>,
): Parameters<typeof assembleAuthorities>[0] {
  const file = ({ path, text }: { readonly path: string; readonly text: string }) => ({
    pem: text,
    label: basename(path),
  });
  const span = ({ validFrom, validUntil }: { validFrom?: unknown; validUntil?: unknown }) => ({
    ...(typeof validFrom === 'number' ? { validFrom } : {}),
    ...(typeof validUntil === 'number' ? { validUntil } : {}),
  });
  return {
    certificateAuthorities: parts.certificateAuthorities.map(file),
    timestampAuthorities: parts.timestampAuthorities.map(file),
    transparencyLogs: parts.transparencyLogs.map((log) => ({
      ...file(log.file),
      ...span(log),
      origin: log.origin,
    })),
    certificateLogs: parts.certificateLogs.map((log) => ({ ...file(log.file), ...span(log) })),
  };
}

export interface TrustRootsOptions {
  /** Each refreshed root has a folder of its own below it. */
  readonly folder: string;
  readonly logger: Logger;
  readonly clock: () => number;
  /** Nobody is asked: roots are as they were kept, or shipped. */
  readonly isOffline: boolean;
  /** A root became another one: other content, or other words about its freshness. */
  readonly onChange: (root: TrustRoot, previous: TrustRoot) => void;
}

export interface TrustRoots {
  /** As of now, by configured name. */
  current(): ReadonlyMap<string, TrustRoot>;
  /** Takes up what the folder has and begins to refresh; waits for no server. */
  start(): Promise<void>;
  /** Fetches once the roots that nothing stands in for: for a command that cannot wait for the background. */
  fetchMissing(): Promise<void>;
  close(): Promise<void>;
}

/** @throws {SyntaxError} for what cannot be trusted. */
export function openTrustRoots(
  configs: readonly TrustRootConfig[],
  options: TrustRootsOptions,
): TrustRoots {
  const roots = new Map<string, () => TrustRoot>();
  const keepers: TrustKeeper[] = [];
  for (const config of configs) {
    const root = readTrustRoot(config);
    if (root.kind === 'notation-policy') tell(root, options.logger);
    const keeper = createKeeper(config, root, options);
    if (keeper === undefined) {
      roots.set(config.name, () => root);
    } else {
      keepers.push(keeper);
      roots.set(config.name, () => keeper.current());
    }
  }
  return {
    current: () => new Map([...roots].map(([name, get]) => [name, get()])),
    async start() {
      await Promise.all(keepers.map((keeper) => keeper.start()));
    },
    async fetchMissing() {
      const missing = keepers.filter((keeper) => keeper.current().unavailable !== undefined);
      await Promise.all(missing.map((keeper) => keeper.refresh()));
    },
    async close() {
      await Promise.all(keepers.map((keeper) => keeper.close()));
    },
  };
}

/** What a trust policy lets through without a look, and what of its folder was left unread. */
function tell({ name, document, warnings }: NotationPolicyRoot, logger: Logger): void {
  for (const warning of warnings) logger.warn({ trustRoot: name }, warning);
  for (const { name: statement, registryScopes, verification } of document.statements) {
    if (verification !== 'skip') continue;
    logger.warn(
      { trustRoot: name, statement, registryScopes },
      'the trust policy skips verification: what is in these repositories is accepted, signed or not',
    );
  }
}

function createKeeper(
  config: TrustRootConfig,
  root: TrustRoot,
  { folder: parent, logger, clock, isOffline, onChange }: TrustRootsOptions,
): TrustKeeper | undefined {
  if (config.kind !== 'sigstore' || config.refresh === undefined) return undefined;
  const repository = tufOf(config.source);
  if (repository === undefined || root.kind !== 'sigstore') return undefined;
  const folder = folderOf(parent, config.name);
  return new TrustKeeper({
    name: config.name,
    source: createTufSource(repository, { folder }),
    ...(root.unavailable === undefined ? { shipped: root.authorities } : {}),
    folder,
    refresh: config.refresh,
    isOffline,
    ...(config.maxStaleness === undefined ? {} : { maxStaleness: config.maxStaleness }),
    logger,
    clock,
    onChange,
  });
}

/** The prefix keeps a name such as ".." from being a way out. */
function folderOf(parent: string, name: string): string {
  return join(parent, `root-${encodeURIComponent(name)}`);
}

/**
 * The trusted root in force, as it was published: what was fetched last, else what was shipped; undefined where there is
 * none, and for roots that are no such file.
 * @param parent where the proxy keeps what it fetches.
 */
export async function findTrustedRoot(
  { name, source, refresh }: SigstoreRootConfig,
  parent: string,
): Promise<Buffer | undefined> {
  if (source.kind === 'file') return Buffer.from(source.file.text);
  const repository = tufOf(source);
  if (repository === undefined) return undefined;
  const folder = folderOf(parent, name);
  const { id } = createTufSource(repository, { folder });
  const kept = refresh === undefined ? undefined : await findLastKnownGood(folder, id);
  const isShipped = source.kind === 'instance' && source.instance === 'public-good';
  return kept?.content ?? (isShipped ? publicGoodTrustedRoot() : undefined);
}

function tufOf(source: SigstoreRootConfig['source']): TufRepository | undefined {
  switch (source.kind) {
    case 'tuf': {
      const { mirror, root, target } = source;
      return { mirror, initialRoot: Buffer.from(root.text), target };
    }
    case 'instance':
      return source.instance === 'public-good' ? publicGoodTuf() : githubTuf();
    default:
      return undefined;
  }
}
