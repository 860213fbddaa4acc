/** Whether what an import brings fits: into the cache beside what has to stay, and on the disk. */
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Needed } from '../carry/import-layout.ts';
import { readKeptBytes } from '../store/usage-stats.ts';
import { readKeep } from './rules.ts';
import { freeBytesOf } from './spool.ts';
import { sizeWords } from './size-words.ts';

/** Of the cache's size, above which room is made; see the bounded store. */
const FULL = 0.9;
/** Bytes of the disk that are left free. */
const RESERVE = 64 * 1024 * 1024;

/** @returns why there is no room, and what to do; undefined where there is. */
export async function findObstacle(
  config: Config,
  { bytes }: Needed,
  freeBytes: (folder: string) => Promise<number> = freeBytesOf,
): Promise<string | undefined> {
  const { path, maxSize } = config.cache;
  const kept = readKeptBytes(join(path, 'usage.sqlite'), readKeep(config));
  const room = Math.floor(maxSize * FULL) - kept;
  if (bytes > room) {
    return `the cache has room for ${sizeWords(room)} beside what has to stay, and ${sizeWords(bytes)} are to come: raise cache.maxSize, which is ${sizeWords(maxSize)}`;
  }
  const free = (await freeBytes(path)) - RESERVE;
  if (bytes > free) {
    return `the disk of ${path} has ${sizeWords(Math.max(0, free))} left, and ${sizeWords(bytes)} are to come`;
  }
  return undefined;
}
