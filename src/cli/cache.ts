/** `countersign cache stats | scrub | gc`: the cache from outside. */
import { join } from 'node:path';
import type { CacheConfig } from '../config/config.ts';
import { collectGarbage, type Amount, type GcOptions } from '../store/gc.ts';
import { scrub, type ScrubFinding, type ScrubProgress } from '../store/scrub.ts';
import { StoreError } from '../store/store-error.ts';
import { readUsageStats } from '../store/usage-stats.ts';
import { EXIT, type CommandIo, type ExitCode } from './io.ts';

/** Bytes that a scrub reads in a second unless told. */
export const SCRUB_RATE = '64MiB';
const MAX_TOLD = 20;
/** Milliseconds between two lines of progress. */
const INTERVAL = 2000;

/** What is in the cache, also while a proxy works on it. */
export function cacheStats(
  { path, maxSize }: CacheConfig,
  { json }: { readonly json: boolean },
  io: CommandIo,
): ExitCode {
  const stats = readUsageStats(join(path, 'usage.sqlite'), MAX_TOLD);
  if (json) {
    io.out(JSON.stringify({ path, maxBytes: maxSize, ...stats }));
    return EXIT.ok;
  }
  const share = maxSize === 0 ? 0 : Math.round((stats.bytes / maxSize) * 100);
  io.out(`${path}: ${sizeText(stats.bytes)} of ${sizeText(maxSize)} (${share} %)`);
  io.out(`${stats.images} images pulled, ${stats.blobs} blobs, ${stats.arriving} arriving`);
  for (const { name, pulledAt, bytes } of stats.pulls) {
    io.out(`  ${new Date(pulledAt).toISOString()}  ${sizeText(bytes).padStart(9)}  ${name}`);
  }
  return EXIT.ok;
}

export interface ScrubCommand {
  /** Bytes a second; undefined for as fast as it goes. */
  readonly rate: number | undefined;
  readonly signal?: AbortSignal;
}

/** @returns 1 when something was not what its name says. */
export async function cacheScrub(
  { path }: CacheConfig,
  { rate, signal }: ScrubCommand,
  io: CommandIo,
): Promise<ExitCode> {
  const total = knownBytes(path);
  let told = performance.now();
  const done = await scrub({
    path,
    rate,
    onProgress(progress) {
      if (performance.now() - told < INTERVAL) return;
      told = performance.now();
      io.err(describeProgress(progress, total));
    },
    onFinding: (finding) => {
      io.out(describeFinding(finding));
    },
    ...(signal === undefined ? {} : { signal }),
  });
  const end = signal?.aborted === true ? 'broken off after' : 'looked at';
  io.out(
    `${end} ${done.blobs} blobs, ${sizeText(done.bytes)}: ${done.findings === 0 ? 'all sound' : `${done.findings} not sound`}`,
  );
  return done.findings === 0 ? EXIT.ok : EXIT.denied;
}

/** @returns 1 while a proxy has the cache. */
export async function cacheGc(
  options: GcOptions,
  io: CommandIo,
  prepare: () => Promise<void> = () => Promise.resolve(),
): Promise<ExitCode> {
  try {
    await prepare();
    const report = await collectGarbage(options);
    const verb = options.dryRun ? 'would remove' : 'removed';
    io.out(`${verb} ${amountText(report.unneeded)} that no decision names`);
    io.out(`${verb} ${amountText(report.unfinished)} left unfinished`);
    io.out(`${verb} ${report.decisions} decisions under rules and trust roots that are no more`);
    io.out(`books: ${amountText(report.learned)} unknown, ${amountText(report.missing)} missing`);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'in-use')) throw error;
    io.err(`${error.message}. A running proxy makes room by itself.`);
    return EXIT.denied;
  }
}

/** Only for the progress: damaged books are no reason not to look at the blobs. */
function knownBytes(path: string): number {
  try {
    return readUsageStats(join(path, 'usage.sqlite'), 0).bytes;
  } catch {
    return 0;
  }
}

function describeProgress({ blobs, bytes, findings }: ScrubProgress, total: number): string {
  const share = total === 0 ? '' : ` (${Math.min(100, Math.floor((bytes / total) * 100))} %)`;
  return `${blobs} blobs, ${sizeText(bytes)}${share}, ${findings} not sound`;
}

function describeFinding({ path, kind, reason }: ScrubFinding): string {
  switch (kind) {
    case 'damaged':
      return `damaged: ${path} was not what its name says, and is removed`;
    case 'unreadable':
      return `unreadable: ${path}: ${reason ?? 'failed'}`;
    case 'foreign':
      return `foreign: ${path} is no blob of ours, and is left`;
  }
}

function amountText({ files, bytes }: Amount): string {
  return `${files} ${files === 1 ? 'file' : 'files'} (${sizeText(bytes)})`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Three digits or more, as `1.50 GiB`. */
export function sizeText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  const digits = power === 0 ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[power] ?? 'B'}`;
}
