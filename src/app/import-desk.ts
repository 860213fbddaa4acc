/** What `countersign import` works with: this side's rules, over the layout in the place of every registry. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { createAdmission, type Admission } from '../admission/admission.ts';
import { openExceptions } from '../admission/exceptions.ts';
import type { AdmissionParts } from '../admission/parts.ts';
import { onlyBrought } from '../carry/brought-blobs.ts';
import { importLayout } from '../carry/import-layout.ts';
import { importPolicy } from '../carry/import-policy.ts';
import { withKept } from '../carry/kept-upstream.ts';
import { findBrokenSeal } from '../carry/seal.ts';
import { trialBlobs } from '../carry/trial-blobs.ts';
import { trialRecords } from '../carry/trial-records.ts';
import type { ImportDesk, ImportedReport, OnProgress, OpenedLayout } from '../cli/import-desk.ts';
import type { Config } from '../config/config.ts';
import { findBundle } from '../layout/bundle.ts';
import { checkContents, checkRecord } from '../layout/check-bundle.ts';
import { layoutUpstream } from '../layout/layout-upstream.ts';
import { openLayout, type Layout } from '../layout/layout.ts';
import { LayoutError } from '../layout/layout-error.ts';
import { findContents } from '../layout/listed-contents.ts';
import { openLayoutFiles } from '../layout/open-files.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { DiskIo } from '../store/disk-io.ts';
import { openDiskBlobStoreBeside } from '../store/disk-blob-store.ts';
import type { Records } from '../store/records.ts';
import { keptBlobs } from '../store/kept-blobs.ts';
import { StoreError } from '../store/store-error.ts';
import { openSqliteRecords } from '../store/sqlite-records.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import { openAnswerFiles } from '../verify/notation/revocation/answer-cache.ts';
import {
  authoritiesOf,
  describeFiles,
  extractFiles,
  keepRevocationLists,
} from './carried-files.ts';
import { findObstacle } from './import-room.ts';
import { readKnownTrustRoots } from './known-trust-roots.ts';
import { awaitNotice } from './notice.ts';
import { openRevocation } from './revocation.ts';
import { readRules, type Rules } from './rules.ts';
import { spool, type Spooled } from './spool.ts';

export interface ImportDeskOptions {
  readonly logger: Logger;
  /** What `-` is. */
  readonly input: AsyncIterable<Buffer>;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  /** Replaced in tests, to make the disk fail, or the process end. */
  readonly io?: DiskIo;
}

/** @throws {SyntaxError} for rules that cannot be used. */
export async function openImportDesk(
  config: Config,
  { logger, input, clock = Date.now, io }: ImportDeskOptions,
): Promise<ImportDesk> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-import-'));
  const trustRoots = await readTrustRoots(config, folder, logger);
  const rules = readRules(config, trustRoots);
  const names = new Set(config.upstreams.map(({ name }) => name));
  const { path } = config.cache;
  let spooled: Spooled | undefined;
  let opened: Layout | undefined;

  async function openFile(file: string): Promise<Layout> {
    if (file === '-') spooled = await spool(input, join(path, 'v1', 'spool'));
    return openLayout(await openLayoutFiles(spooled?.path ?? file));
  }

  return {
    defaultRegistry: config.upstreams.find((upstream) => upstream.default)?.name,
    isRegistry: (name) => names.has(name),
    async open(file, naming, onProgress) {
      const layout = (opened = await openFile(file));
      const total = [...layout.blobs.values()].reduce((sum, size) => sum + size, 0);
      const bundle = await findBundle(layout);
      if (bundle !== undefined && naming !== undefined) {
        throw new LayoutError('unnamed', 'an export of Countersign has its names: leave --as away');
      }
      const contents =
        bundle === undefined
          ? await findContents(layout, naming)
          : await checkRecord(layout, bundle);
      let done = 0;
      await checkContents(layout, (bytes) => {
        done += bytes;
        onProgress('checked', done, total);
      });
      const { sealedBy } = config.imports;
      const brokenSeal =
        sealedBy === undefined
          ? undefined
          : await findBrokenSeal(layout, bundle, { sealedBy, trustRoots, now: clock() });
      return { layout, bundle, contents, brokenSeal };
    },
    async import(given, { dryRun, onProgress }) {
      requireSeal(given);
      if (dryRun) return lookAt(given, onProgress);
      // Who writes has the work folder alone.
      const blobs = await openDiskBlobStoreBeside({ path, ...(io && { io }) });
      try {
        const known = await openSqliteRecords({ file: join(path, 'records.sqlite') });
        try {
          const report = await importInto(given, { blobs, known, store: blobs }, onProgress);
          return { ...report, notes: [...report.notes, ...(await announce(known))] };
        } finally {
          await known.close();
        }
      } finally {
        await blobs.close();
      }
    },
    describeFiles: async ({ layout, bundle }) =>
      bundle === undefined ? [] : describeFiles(layout, bundle, trustRoots),
    async extract(given, target) {
      requireSeal(given);
      const { layout, bundle } = given;
      return bundle === undefined ? [] : extractFiles(layout, bundle, target);
    },
    async close() {
      await opened?.close();
      await spooled?.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };

  /** Who only looks may not be the user whom the proxy runs as, so nothing is made. */
  async function lookAt(opened: OpenedLayout, onProgress: OnProgress): Promise<ImportedReport> {
    const file = join(path, 'records.sqlite');
    const known = await openSqliteRecords({ file: existsSync(file) ? file : ':memory:' });
    try {
      return await importInto(opened, { blobs: keptBlobs(path), known }, onProgress);
    } finally {
      await known.close();
    }
  }

  /** @param place where it goes; without a store nothing is written. */
  async function importInto(
    { layout, bundle, contents }: OpenedLayout,
    place: {
      readonly blobs: Pick<BlobStore, 'stat' | 'get'>;
      readonly known: Records;
      readonly store?: BlobStore;
    },
    onProgress: OnProgress,
  ): Promise<ImportedReport> {
    const { blobs, known, store } = place;
    const notes = [...contents.notes];
    if (bundle !== undefined && store !== undefined) {
      const answers = openAnswerFiles(join(path, 'revocation'));
      const issuers = authoritiesOf(trustRoots.values());
      notes.push(...(await keepRevocationLists(layout, bundle, answers, clock(), issuers)));
    }
    const revocation = openRevocation(config);
    const own = await openSqliteRecords({ file: ':memory:' });
    const upstreams = new Map(
      [...names].map((name) => [name, withKept(layoutUpstream(name, layout, contents), blobs)]),
    );
    const shared = {
      ...{ policy: importPolicy(rules.policy), trustRoots, upstreams, clock },
      exceptions: openExceptions(config.exceptions, clock),
    };
    const decider = (
      parts: Pick<AdmissionParts, 'records' | 'blobs'>,
      heeded: AdmissionParts['logger'] = logger,
    ): Pick<Admission, 'admit'> =>
      createAdmission({ ...shared, ...parts, revocation: revocation.check, logger: heeded });
    const trial = decider({
      records: trialRecords({ known, own, remembers: store !== undefined }),
      blobs: trialBlobs(blobs),
    });
    const target = store && {
      ...heeding(logger, (heeded) =>
        decider({ records: known, blobs: onlyBrought(store) }, heeded),
      ),
      fill: store.fill.bind(store),
      local: known.local,
    };
    const progress = { done: 0, total: 0 };
    try {
      const report = await importLayout(
        {
          ...{ layout, blobs, clock },
          decide: (reference) => trial.admit(reference),
          target,
          onBlob(bytes, isNew) {
            if (isNew) progress.done += bytes;
            onProgress('imported', progress.done, progress.total);
          },
        },
        contents,
        {
          findObstacle: (needed) => findObstacle(config, needed),
          onPlanned(_images, bytes) {
            progress.total = bytes;
          },
        },
      );
      const { strays } = report;
      if (strays > 0) notes.push(`attachments of nothing that is whole in it, left out: ${strays}`);
      return { ...report, notes };
    } finally {
      await own.close();
      await revocation.close();
    }
  }

  /** A proxy that runs on the cache serves it from now on. */
  async function announce(known: Records): Promise<readonly string[]> {
    await known.local.announce();
    return (await awaitNotice(known.local, path)) === 'late'
      ? ['the running proxy has not said yet that it noticed']
      : [];
  }
}

/**
 * A proxy that cannot write down what it decided serves all the same; here that it is written down is all that counts.
 * @throws {StoreError} from its `admit`, where something could not be.
 */
function heeding(
  logger: AdmissionParts['logger'],
  create: (heeded: AdmissionParts['logger']) => Pick<Admission, 'admit'>,
): Pick<Admission, 'admit'> {
  const failures: string[] = [];
  const admission = create({
    warn: logger.warn.bind(logger),
    error(details: unknown, message?: string) {
      failures.push(message ?? String(details));
    },
  });
  return {
    async admit(reference) {
      const decision = await admission.admit(reference);
      const [failure] = failures.splice(0);
      if (failure === undefined) return decision;
      throw new StoreError('storage-failed', `${failure}: see to the disk of the cache`);
    },
  };
}

function requireSeal({ brokenSeal }: OpenedLayout): void {
  if (brokenSeal !== undefined) throw new LayoutError('edited', brokenSeal);
}

/** As a proxy on this cache knows them: other roots would be other keys for what is decided. */
async function readTrustRoots(
  config: Config,
  folder: string,
  logger: Logger,
): Promise<Rules['trustRoots']> {
  const roots: ReadonlyMap<string, TrustRoot> = await readKnownTrustRoots(config, {
    folder: join(folder, 'trust'),
    logger,
    fetchMissing: true,
  });
  return roots;
}
