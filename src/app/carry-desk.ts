/** What `countersign mirror` and `export` work with: the proxy of the configuration, asked with patience. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { createPatience } from '../carry/patience.ts';
import { createProxyClient } from '../carry/proxy-client.ts';
import type { CarryDesk } from '../cli/carry-desk.ts';
import type { Config } from '../config/config.ts';
import { blobName, blobsFolder } from '../store/disk-layout.ts';
import { openOwnProxy, type OwnProxy } from './own-proxy.ts';

/** `connect` throws StoreError when the cache is in use and no proxy answers for it. */
export function openCarryDesk(config: Config, logger: Logger, signal: AbortSignal): CarryDesk {
  const names = new Set(config.upstreams.map(({ name }) => name));
  const blobs = blobsFolder(config.cache.path);
  const isRegistry = (name: string): boolean => names.has(name);
  let opened: OwnProxy | undefined;
  return {
    defaults: { registry: config.upstreams.find((upstream) => upstream.default)?.name, isRegistry },
    isRegistry,
    async connect() {
      opened = await openOwnProxy(config, logger);
      const { url, dispatcher, isRunning } = opened;
      const client = createProxyClient({
        ...{ url, dispatcher, signal },
        patiently: createPatience({ signal }),
        openKept: (digest) => createReadStream(join(blobs, blobName(digest))),
      });
      return { client, isRunning };
    },
    close: async () => opened?.close(),
  };
}
