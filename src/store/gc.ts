/** Taking out of a cache what nobody will ask for: leftovers, and content that no decision knows any more. */
import { lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../oci/digest.ts';
import { openDatabase } from './database.ts';
import { blobsFolder, DiskLayout, importFolder, tempFolder } from './disk-layout.ts';
import { nodeDiskIo } from './disk-io.ts';
import { lockFolder, type FolderLock } from './folder-lock.ts';
import { entriesOf, shelvesOf } from './kept-files.ts';
import { RECORDS_STEPS } from './migrations.ts';
import { OldRecords } from './old-records.ts';
import { openKeptUsage } from './sqlite-usage.ts';
import { StoreError } from './store-error.ts';
import type { Candidate, NamedPull, Usage } from './usage.ts';

export interface GcOptions {
  /** The cache folder, which no other process may have. */
  readonly path: string;
  /** Of the rules and trust roots in force. */
  readonly policyKeys: ReadonlySet<string>;
  /**
   * Decisions under other rules are forgotten when they are older, and content that no decision names when it was
   * pulled no later; milliseconds since the epoch.
   */
  readonly before: number;
  /** Whether an image of this name is to stay. */
  readonly isKept: (name: string) => boolean;
  /** Only says what it would do. */
  readonly dryRun: boolean;
}

export interface Amount {
  readonly files: number;
  readonly bytes: number;
}

export interface GcReport {
  /** Half-written files of a killed process. */
  readonly unfinished: Amount;
  /** Content that no decision names. */
  readonly unneeded: Amount;
  /** Blobs that the books did not know, and know now. */
  readonly learned: Amount;
  /** Blobs in the books that were not there. */
  readonly missing: Amount;
  /** Verdicts and grants under rules or trust roots that are no more. */
  readonly decisions: number;
}

const BATCH = 1000;

/**
 * @throws {StoreError} `in-use` while a proxy works on the folder, or when a database cannot be used: without all that is
 * known, what is needed could go.
 */
export async function collectGarbage(options: GcOptions): Promise<GcReport> {
  const { path, dryRun } = options;
  if (!(await isThere(blobsFolder(path)))) {
    throw new StoreError('absent', `expected a cache at ${path}, got no ${blobsFolder(path)}`);
  }
  const lock = await lockFolder(path);
  let importing: FolderLock | undefined;
  try {
    // What an import has brought is named by a decision only when all of it is there.
    importing = await lockFolder(importFolder(path)).catch((error: unknown) => {
      if (!(error instanceof StoreError && error.code === 'in-use')) throw error;
      throw new StoreError('in-use', `an import works on ${path}: wait until it is done`, error);
    });
    const database = await openDatabase(join(path, 'records.sqlite'), RECORDS_STEPS);
    let usage: Usage | undefined;
    try {
      usage = await openKeptUsage(join(path, 'usage.sqlite'));
      const unfinished = await removeUnfinished(path, dryRun);
      const layout = await DiskLayout.open(nodeDiskIo, path, { sweep: !dryRun });
      const records = new OldRecords(database, { ...options, keep: dryRun });
      const learned = await learn(path, usage, dryRun);
      const missing = await forgetMissing(layout, usage, dryRun);
      const needed = (digest: Digest): boolean => records.names(digest);
      const unneeded = await removeUnneeded(layout, usage, needed, options);
      return { unfinished, unneeded, learned, missing, decisions: records.forgotten };
    } finally {
      usage?.close();
      database.close();
    }
  } finally {
    importing?.release();
    lock.release();
  }
}

async function removeUnfinished(path: string, dryRun: boolean): Promise<Amount> {
  const sum = { files: 0, bytes: 0 };
  for (const folder of [tempFolder(path), join(importFolder(path), 'tmp')]) {
    for (const { name } of await entriesOf(folder)) {
      const file = join(folder, name);
      add(sum, (await lstat(file)).size);
      if (!dryRun) await rm(file, { recursive: true, force: true });
    }
  }
  return sum;
}

async function learn(path: string, usage: Usage, dryRun: boolean): Promise<Amount> {
  const sum = { files: 0, bytes: 0 };
  for await (const { files } of shelvesOf(path)) {
    const unknown = files.flatMap(({ digest, size }) =>
      digest !== undefined && size > 0 && usage.sizeOf(digest) === 0
        ? [[digest, { kind: 'kept', size, use: 0 }] as const]
        : [],
    );
    for (const [, { size }] of unknown) add(sum, size);
    if (!dryRun) usage.write(new Map(unknown), Infinity);
  }
  return sum;
}

async function forgetMissing(layout: DiskLayout, usage: Usage, dryRun: boolean): Promise<Amount> {
  const sum = { files: 0, bytes: 0 };
  for (let after = ''; ;) {
    const batch = usage.list(after, BATCH);
    const last = batch.at(-1);
    if (last === undefined) return sum;
    after = last.digest;
    for (const { digest, size } of batch) {
      if (await isThere(layout.blobPath(digest))) continue;
      add(sum, size);
      if (!dryRun) usage.write(new Map([[digest, { kind: 'gone', size }]]), Infinity);
    }
  }
}

/** Images and single content of which nothing is named by a decision. */
async function removeUnneeded(
  layout: DiskLayout,
  usage: Usage,
  needed: (digest: Digest) => boolean,
  { isKept, before, dryRun }: GcOptions,
): Promise<Amount> {
  const sum = { files: 0, bytes: 0 };
  for (const small of [false, true]) {
    for (
      let next: Candidate | undefined = usage.oldest(small, undefined);
      next !== undefined;
      next = usage.oldest(small, next)
    ) {
      const { blobs, pulls } = usage.graph(next.digest);
      const stays = ({ name, at }: NamedPull): boolean => at >= before || isKept(name);
      if (blobs.some(({ digest }) => needed(digest)) || [...pulls].some(stays)) continue;
      for (const { digest, size } of blobs) {
        if (size > 0) add(sum, size);
        if (dryRun) continue;
        await rm(layout.blobPath(digest), { force: true });
        usage.write(new Map([[digest, { kind: 'gone', size }]]), Infinity);
      }
      if (!dryRun) usage.unlink(next.digest);
    }
  }
  return sum;
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

function add(sum: { files: number; bytes: number }, bytes: number): void {
  sum.files++;
  sum.bytes += bytes;
}
