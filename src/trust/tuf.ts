/**
 * Trusted roots from a TUF repository. What the client keeps between two fetches lies in numbered folders, each made
 * whole under another name and then renamed: a killed process leaves the last one as it was.
 */
import { createHash, randomBytes } from 'node:crypto';
import { cp, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { initTUF } from '@sigstore/tuf';
import { isJsonObject, parseJson } from '../oci/json.ts';
import { asTrustSourceError, untilAborted } from './tuf-failure.ts';
import { TrustSourceError, type TrustSource } from './trust-source.ts';
import { MAX_TRUSTED_ROOT } from './trusted-root.ts';

export interface TufRepository {
  /** URL of the metadata; targets lie below it in `targets/`. */
  readonly mirror: string;
  /** The `root.json` that trust begins with; an expired one will do, it only vouches for the next. */
  readonly initialRoot: Uint8Array;
  /** `trusted_root.json` unless given. */
  readonly target?: string;
}

export interface TufOptions {
  /** For this source alone. */
  readonly folder: string;
  /** Milliseconds for one request. */
  readonly timeout?: number;
  /** Of one request that failed. */
  readonly retries?: number;
}

const MAX_ROOT = 512_000;
const TARGET = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;
const WORK = 'work-';

/** @throws {SyntaxError} unless the bytes look like the root metadata of a TUF repository. */
export function requireTufRoot(bytes: Uint8Array): void {
  if (bytes.length > MAX_ROOT) throw new SyntaxError(`expected at most ${MAX_ROOT} bytes`);
  const root = parseJson(bytes);
  const signed = isJsonObject(root) ? root['signed'] : undefined;
  if (!isJsonObject(signed) || signed['_type'] !== 'root') {
    throw new SyntaxError('expected the root.json of a TUF repository');
  }
}

/** @throws {SyntaxError} for an initial root or a target that cannot be one. */
export function createTufSource(repository: TufRepository, options: TufOptions): TrustSource {
  const { initialRoot, target = 'trusted_root.json' } = repository;
  const mirror = repository.mirror.replace(/\/+$/, '');
  requireTufRoot(initialRoot);
  if (!TARGET.test(target)) throw new SyntaxError('expected the name of a TUF target');
  const hash = createHash('sha256').update(initialRoot).digest('hex');
  const id = createHash('sha256')
    .update(JSON.stringify(['tuf', mirror, hash, target]))
    .digest('hex');
  // Another initial root is another beginning: what an earlier one led to must not outlive it.
  const folder = join(options.folder, id.slice(0, 16));
  const { timeout = 10_000, retries = 2 } = options;

  const download = async (): Promise<Buffer> => {
    const work = join(folder, WORK + randomBytes(8).toString('hex'));
    const last = await prepare(folder, work);
    const rootPath = join(work, 'initial-root.json');
    await writeFile(rootPath, initialRoot, { mode: 0o600 });
    const client = await initTUF({
      mirrorURL: mirror,
      rootPath,
      cachePath: work,
      timeout,
      retry: { retries, minTimeout: 500, maxTimeout: 5000 },
    });
    const content = Buffer.from(await client.getTarget(target));
    if (content.length > MAX_TRUSTED_ROOT) {
      throw new TrustSourceError('refused', 'expected a trusted root of at most 1 MiB');
    }
    await publish(folder, work, last + 1);
    return content;
  };

  /** The client knows no signal, so one that was given up may still be at work. */
  let running: Promise<unknown> = Promise.resolve();
  return {
    name: mirror,
    id,
    async fetch(signal) {
      try {
        await untilAborted(running, signal);
        const content = download();
        running = content.catch(() => undefined);
        return await untilAborted(content, signal);
      } catch (error) {
        throw asTrustSourceError(error, mirror, signal);
      }
    },
  };
}

/** Makes `work` a copy of the newest folder. @returns its number, 0 where there is none. */
async function prepare(folder: string, work: string): Promise<number> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const names = await readdir(folder);
  for (const name of names.filter((one) => one.startsWith(WORK))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
  const numbers = names.map(Number).filter((number) => Number.isSafeInteger(number) && number > 0);
  for (const number of numbers.toSorted((one, other) => other - one)) {
    if (!(await isWhole(join(folder, String(number))))) continue;
    await cp(join(folder, String(number)), work, { recursive: true });
    return Math.max(...numbers);
  }
  await mkdir(work, { mode: 0o700 });
  return Math.max(0, ...numbers);
}

/** Whether the root metadata there can be read; the client replaces all else that it cannot read. */
async function isWhole(folder: string): Promise<boolean> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    try {
      requireTufRoot(await readFile(join(folder, entry.name, 'root.json')));
      return true;
    } catch {
      // Not this one.
    }
  }
  return false;
}

async function publish(folder: string, work: string, number: number): Promise<void> {
  for (const entry of await readdir(work, { recursive: true, withFileTypes: true })) {
    await sync(join(entry.parentPath, entry.name));
  }
  await rename(work, join(folder, String(number)));
  await sync(folder);
  for (const name of await readdir(folder)) {
    if (name !== String(number)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}
