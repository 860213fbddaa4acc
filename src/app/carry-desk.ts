/** What `countersign mirror` and `export` work with: the proxy of the configuration, asked with patience. */
import { constants, createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import type { Logger } from 'pino';
import { got } from '../carry/answer.ts';
import type { Seal } from '../carry/export-plan.ts';
import { createPatience } from '../carry/patience.ts';
import { createProxyClient, type ProxyClient } from '../carry/proxy-client.ts';
import type { ExportDesk } from '../cli/carry-desk.ts';
import type { Config } from '../config/config.ts';
import { describeFileError } from '../config/section.ts';
import { writeNewFile } from '../layout/new-file.ts';
import type { Write } from '../layout/write-layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { matchesRepository, parseMatch } from '../policy/pattern.ts';
import { BUNDLE_TYPE, signDigest } from '../signing/approval.ts';
import type { Signer } from '../signing/signer.ts';
import { blobName, blobsFolder } from '../store/disk-layout.ts';
import { collectExportFiles } from './export-files.ts';
import { openKeyDesk } from './key-desk.ts';
import { openOwnProxy, type OwnProxy } from './own-proxy.ts';

export interface CarryDeskOptions {
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** For keys. */
  readonly env: NodeJS.ProcessEnv;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  /** What `-` is. */
  readonly output?: Writable;
}

/** `connect` throws StoreError when the cache is in use and no proxy answers for it. */
export function openCarryDesk(config: Config, options: CarryDeskOptions): ExportDesk {
  const { logger, signal, env, clock = Date.now, output = process.stdout } = options;
  const names = new Set(config.upstreams.map(({ name }) => name));
  const blobs = blobsFolder(config.cache.path);
  const rules = config.policies.map(({ name, match }) => ({ name, match: parseMatch(match) }));
  const isRegistry = (name: string): boolean => names.has(name);
  const offline = new Set(
    config.upstreams.filter((one) => config.offline || one.offline).map(({ name }) => name),
  );
  let opened: OwnProxy | undefined;
  let sealer: Signer | undefined;
  return {
    defaults: { registry: config.upstreams.find((upstream) => upstream.default)?.name, isRegistry },
    isRegistry,
    clock,
    async connect() {
      opened = await openOwnProxy(config, logger);
      const { url, dispatcher, isRunning } = opened;
      const client = seenBy(
        createProxyClient({
          ...{ url, dispatcher, signal },
          patiently: createPatience({ signal }),
          isOffline: ({ registry }) => offline.has(registry),
          openKept: (digest) => createReadStream(join(blobs, blobName(digest))),
        }),
        blobs,
      );
      return { client, isRunning };
    },
    ruleOf: (repository) =>
      rules.find(({ match }) => matchesRepository(match, repository))?.name ?? 'none',
    collectFiles: (governing) => collectExportFiles(config, governing),
    async openSeal(key) {
      const signer = await openKeyDesk(env).openSigner(key);
      sealer = signer;
      return async (record: Descriptor): Promise<Seal> => {
        const { manifest, blobs: contents } = await signDigest(signer, record, {}, clock());
        return { manifest, artifactType: BUNDLE_TYPE, blobs: contents };
      };
    },
    async writeFile(file, work) {
      if (file === '-') await work(writerTo(output));
      else await writeNewFile(file, work);
    },
    findObstacle,
    async close() {
      await sealer?.close();
      await opened?.close();
    },
  };
}

/**
 * What answers at `listen` while the cache is in use may be the proxy of another one, with other rules: what it has counts
 * when it lies in this cache.
 */
function seenBy(client: ProxyClient, blobs: string): ProxyClient {
  return {
    ...client,
    async isKept(repository, blob) {
      const answer = await client.isKept(repository, blob);
      if (answer.outcome !== 'got' || !answer.value) return answer;
      const found = await stat(join(blobs, blobName(blob.digest))).catch(() => undefined);
      return got(found?.isFile() === true);
    },
  };
}

async function findObstacle(file: string): Promise<string | undefined> {
  if (file === '-') return undefined;
  if (file === '' || file.endsWith('/')) return 'expected the name of a file';
  try {
    await access(dirname(resolve(file)), constants.W_OK);
    const known = await stat(file).catch(() => undefined);
    return known === undefined || known.isFile() ? undefined : 'it is no regular file';
  } catch (error) {
    const why = describeFileError(error);
    return why === 'no such file' ? 'there is no such folder' : why;
  }
}

/** Waits until the system takes more. Who reads it may go away: that is told to who writes, and ends no process. */
function writerTo(output: Writable): Write {
  output.on('error', () => undefined);
  return (bytes) =>
    new Promise((done, fail) => {
      output.write(bytes, (error) => {
        if (error === null || error === undefined) done();
        else fail(error);
      });
    });
}
