/** The trusted root that was last fetched, on disk: one file, replaced as a whole, believed only when it is unharmed. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isJsonObject, parseJson } from '../oci/json.ts';
import { MAX_TRUSTED_ROOT } from './trusted-root.ts';

export interface LastKnownGood {
  /** Bytes of the trusted root; undefined where none was ever fetched. */
  readonly content: Buffer | undefined;
  /** When it was fetched; where nothing was, since when that is so. Milliseconds since the epoch. */
  readonly since: number;
}

const FILE = 'last-known-good.json';
const WORK = `.${FILE}-`;
const VERSION = 1;
const MAX_FILE = 2 * MAX_TRUSTED_ROOT;

/**
 * What was kept from this source; undefined where nothing was, or something from another source.
 * @throws {SyntaxError} for a damaged file; what the system says when it cannot be read.
 */
export async function findLastKnownGood(
  folder: string,
  sourceId: string,
): Promise<LastKnownGood | undefined> {
  const bytes = await findFile(join(folder, FILE));
  if (bytes === undefined) return undefined;
  const kept = parseJson(bytes);
  if (!isJsonObject(kept) || kept['version'] !== VERSION) {
    throw new SyntaxError(`expected a kept trusted root of version ${VERSION}`);
  }
  const { source, since, content } = kept;
  if (
    typeof source !== 'string' ||
    typeof since !== 'number' ||
    (typeof content !== 'string' && content !== null) ||
    kept['sha256'] !== checksum(source, since, content)
  ) {
    throw new SyntaxError('expected the checksum that goes with the content');
  }
  if (source !== sourceId) return undefined;
  return { content: content === null ? undefined : Buffer.from(content, 'base64'), since };
}

/** Replaces what was kept; after a crash there is the old or the new, whole. */
export async function keepLastKnownGood(
  folder: string,
  sourceId: string,
  { content, since }: LastKnownGood,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    if (name.startsWith(WORK)) await rm(join(folder, name), { force: true });
  }
  const text = content?.toString('base64') ?? null;
  const work = join(folder, WORK + randomBytes(8).toString('hex'));
  {
    await using file = await open(work, 'wx', 0o600);
    await file.writeFile(
      JSON.stringify({
        version: VERSION,
        source: sourceId,
        since,
        sha256: checksum(sourceId, since, text),
        content: text,
      }),
    );
    await file.sync();
  }
  await rename(work, join(folder, FILE));
  await using entries = await open(folder, 'r');
  await entries.sync();
}

/** Against damage, not against people: who may write here may write anything. */
function checksum(source: string, since: number, content: string | null): string {
  return createHash('sha256')
    .update(JSON.stringify([VERSION, source, since, content]))
    .digest('hex');
}

async function findFile(path: string): Promise<Buffer | undefined> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > MAX_FILE) throw new SyntaxError('expected a kept trusted root of at most 2 MiB');
    return await file.readFile();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
