/** What `countersign approve` and its kin work with: the records of a cache that a proxy may be using, and the upstreams. */
import { basename } from 'node:path';
import type { Logger } from 'pino';
import type { ApprovalsDesk, KeyMeaning } from '../cli/approvals-desk.ts';
import type { Config } from '../config/config.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import { matchesRepository, parseMatch } from '../policy/pattern.ts';
import { leavesOf, parseRequirement, signatureOf } from '../policy/requirement.ts';
import { keptBlobs } from '../store/kept-blobs.ts';
import type { Records } from '../store/records.ts';
import { parsePublicKeys } from '../trust/public-key.ts';
import { UpstreamError, type Upstream } from '../upstream/upstream.ts';
import { awaitNotice } from './notice.ts';
import { openCommandRecords } from './command-records.ts';
import { connectUpstreams } from './upstreams.ts';

/** Bytes of a manifest, as for pulls. */
const MAX_MANIFEST = 4 * 1024 * 1024;

/** @param now milliseconds since the epoch. */
export function openApprovalsDesk(
  config: Config,
  logger: Logger,
  now: () => number = Date.now,
): ApprovalsDesk {
  const { path } = config.cache;
  const upstreams = connectUpstreams(config, logger);
  let opened: Promise<Records> | undefined;
  const records = (purpose: 'read' | 'write'): Promise<Records> =>
    (opened ??= openCommandRecords(path, purpose));
  const upstreamOf = ({ registry }: Repository): Upstream => {
    const upstream = upstreams.get(registry);
    if (upstream === undefined) throw new Error(`no upstream named ${registry}`);
    return upstream;
  };

  return {
    defaultRegistry: config.upstreams.find((upstream) => upstream.default)?.name,
    isRegistry: (name) => upstreams.has(name),
    records: async (purpose) => (await records(purpose)).local,
    async resolve(repository, tag) {
      const upstream = upstreamOf(repository);
      const served = await servedFor(await records('write'), repository, tag);
      if (upstream.isOffline === true) {
        return served === undefined ? undefined : { digest: served, from: 'pin' };
      }
      const found = await orAbsent(() => upstream.resolve(repository.path, tag));
      return (
        found && {
          digest: found.digest,
          from: 'upstream',
          ...(served === undefined ? {} : { served }),
        }
      );
    },
    async findManifest(repository, digest) {
      // A proxy may be holding the cache; what is not for us to read may be had upstream.
      const kept = await keptBlobs(path)
        .get(digest, MAX_MANIFEST)
        .catch(() => undefined);
      if (kept !== undefined) return { digest, bytes: kept, contentType: '' };
      const upstream = upstreamOf(repository);
      const options = { maxBytes: MAX_MANIFEST };
      return orAbsent(() => upstream.fetchManifest(repository.path, digest, options));
    },
    meaningOf: (repository, fingerprint) => meaningOf(config, repository, fingerprint),
    awaitNotice: async () => awaitNotice((await records('write')).local, path),
    now,
    async close() {
      await Promise.all([...upstreams.values()].map((upstream) => upstream.close()));
      // Where it could not be opened, somebody was told.
      await opened?.then(
        (one) => one.close(),
        () => undefined,
      );
    },
  };
}

/** What the proxy answers for the tag: an operator's order comes before the pin. */
async function servedFor(
  records: Records,
  repository: Repository,
  tag: string,
): Promise<Digest | undefined> {
  const order = await records.findOrder(repository, tag);
  return order?.digest ?? (await records.findPin(repository, tag))?.digest;
}

async function orAbsent<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof UpstreamError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** Keys and rules as the configuration has them: what stands in it was read and checked with it. */
function meaningOf(config: Config, repository: Repository, fingerprint: Digest): KeyMeaning {
  const trustRoots = config.trustRoots
    .filter(
      (root) =>
        root.kind === 'public-keys' &&
        root.files
          .flatMap(({ path, text }) => parsePublicKeys(text, basename(path)))
          .some((key) => key.fingerprint === fingerprint),
    )
    .map(({ name }) => name);
  const rule = config.policies.find(({ match }) =>
    matchesRepository(parseMatch(match), repository),
  );
  if (rule === undefined) return { trustRoots };
  const signatures =
    rule.require === undefined ? [] : leavesOf(parseRequirement(rule.require)).map(signatureOf);
  const asksForIt = signatures.some(
    ({ kind, trustRoot }) => kind === 'key' && trustRoots.includes(trustRoot),
  );
  const bindsTag = rule.signatures?.reference === 'exact';
  return { trustRoots, rule: { name: rule.name, asksForIt, bindsTag } };
}
