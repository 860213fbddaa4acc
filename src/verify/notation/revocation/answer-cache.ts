/** Signed answers on disk, a file for each question. Nothing in it is believed: whoever finds bytes verifies them anew. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_LIST } from './bounds.ts';

export interface KeptAnswer {
  readonly bytes: Buffer;
  /** When it was kept. Milliseconds since the epoch. */
  readonly at: number;
}

export interface AnswerCache {
  /** Never rejects: what cannot be read was not kept. */
  find(question: string): Promise<KeptAnswer | undefined>;
  /** Never rejects: what cannot be kept is asked for again. */
  keep(question: string, answer: KeptAnswer): Promise<void>;
}

/** For who carries answers from one machine to another: by the names of their files, since questions are not kept. */
export interface AnswerFiles {
  find(name: string): Promise<KeptAnswer | undefined>;
  /** Never rejects: what cannot be kept is asked for again. */
  keep(name: string, answer: KeptAnswer): Promise<void>;
}

export interface AnswerCacheOptions {
  /** Files; 512 unless told. */
  readonly maxEntries?: number;
  /** Bytes of all files; 256 MiB unless told. */
  readonly maxBytes?: number;
}

const ENTRY = /^[0-9a-f]{64}$/;
const WORK = '.work-';

export function openAnswerCache(folder: string, options: AnswerCacheOptions = {}): AnswerCache {
  const files = openAnswerFiles(folder, options);
  return {
    find: (question) => files.find(nameOf(question)),
    keep: (question, answer) => files.keep(nameOf(question), answer),
  };
}

/** Whether a file of this name can be an answer. */
export function isAnswerName(name: string): boolean {
  return ENTRY.test(name);
}

/** The same files. */
export function openAnswerFiles(folder: string, options: AnswerCacheOptions = {}): AnswerFiles {
  const { maxEntries = 512, maxBytes = 256 * 1024 * 1024 } = options;
  let begun: Promise<void> | undefined;
  return {
    async find(name) {
      try {
        await using file = await open(join(folder, name), 'r');
        const { size, mtimeMs } = await file.stat();
        if (size > MAX_LIST) return undefined;
        return { bytes: await file.readFile(), at: Math.round(mtimeMs) };
      } catch {
        return undefined;
      }
    },
    async keep(name, answer) {
      try {
        await (begun ??= begin(folder));
        await replace(folder, name, answer);
        await prune(folder, maxEntries, maxBytes);
      } catch {
        // A full disk costs another question and nothing else.
        begun = undefined;
      }
    },
  };
}

function nameOf(question: string): string {
  return createHash('sha256').update(question).digest('hex');
}

/** Removes what a crash left behind, before this process writes. */
async function begin(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    if (name.startsWith(WORK)) await rm(join(folder, name), { force: true });
  }
}

/** The temporary file is in the same folder: a rename from elsewhere may be no rename (CVE-2024-51491). */
async function replace(folder: string, name: string, { bytes, at }: KeptAnswer): Promise<void> {
  const work = join(folder, WORK + randomBytes(8).toString('hex'));
  try {
    {
      await using file = await open(work, 'wx', 0o600);
      await file.writeFile(bytes);
      await file.utimes(new Date(at), new Date(at));
    }
    await rename(work, join(folder, name));
  } catch (error) {
    await rm(work, { force: true });
    throw error;
  }
}

/** The oldest go first. */
async function prune(folder: string, maxEntries: number, maxBytes: number): Promise<void> {
  const names = (await readdir(folder)).filter((name) => ENTRY.test(name));
  const entries = await Promise.all(
    names.map(async (name) => ({ name, ...(await sizeAndTime(join(folder, name))) })),
  );
  entries.sort((one, other) => other.at - one.at);
  let bytes = 0;
  for (const [index, { name, size }] of entries.entries()) {
    bytes += size;
    if (index >= maxEntries || bytes > maxBytes) await rm(join(folder, name), { force: true });
  }
}

async function sizeAndTime(path: string): Promise<{ readonly size: number; readonly at: number }> {
  const { size, mtimeMs } = await stat(path);
  return { size, at: mtimeMs };
}
