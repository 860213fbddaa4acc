/** What `countersign pins` works with: the records of a cache that a proxy may be using, and the upstreams. */
import { readFile, writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Logger } from 'pino';
import type { PinsDesk } from '../cli/pins-desk.ts';
import type { Config } from '../config/config.ts';
import { matchesRepository, parseMatch } from '../policy/pattern.ts';
import type { Records } from '../store/records.ts';
import { UpstreamError } from '../upstream/upstream.ts';
import { openCommandRecords } from './command-records.ts';
import { connectUpstreams } from './upstreams.ts';

export function openPinsDesk(
  config: Config,
  logger: Logger,
): PinsDesk & { close(): Promise<void> } {
  let opened: Promise<Records> | undefined;
  const upstreams = connectUpstreams(config, logger);
  return {
    defaultRegistry: config.upstreams.find((upstream) => upstream.default)?.name,
    isRegistry: (name) => upstreams.has(name),
    records: (purpose) => (opened ??= openCommandRecords(config.cache.path, purpose)),
    frozenBy(repository) {
      const rule = config.policies.find(({ match }) =>
        matchesRepository(parseMatch(match), repository),
      );
      return rule?.tags.freeze === true ? rule.name : undefined;
    },
    async resolve(repository, tag) {
      const upstream = upstreams.get(repository.registry);
      if (upstream === undefined) throw new Error(`no upstream named ${repository.registry}`);
      try {
        return (await upstream.resolve(repository.path, tag)).digest;
      } catch (error) {
        if (error instanceof UpstreamError && error.code === 'not-found') return undefined;
        throw error;
      }
    },
    readFile: (file) => (file === '-' ? text(process.stdin) : readFile(file, 'utf8')),
    async writeFile(file, content) {
      if (file === '-') process.stdout.write(content);
      else await writeFile(file, content);
    },
    async close() {
      await Promise.all([...upstreams.values()].map((upstream) => upstream.close()));
      // Where it could not be opened, somebody was told.
      await opened?.then(
        (records) => records.close(),
        () => undefined,
      );
    },
  };
}
