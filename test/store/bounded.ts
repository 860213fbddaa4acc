/** Bounded stores for tests: on a folder, with a clock to turn, and everything that they log. */
import { join } from 'node:path';
import { digestHex, type Digest } from '../../src/oci/digest.ts';
import type { BlobReader, BlobStore } from '../../src/store/blob-store.ts';
import { boundBlobStore, type BoundedBlobStore } from '../../src/store/bounded-blob-store.ts';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import { openSqliteUsage } from '../../src/store/sqlite-usage.ts';
import type { Usage } from '../../src/store/usage.ts';
import { filesBelow, hasty, readAndClose, someContent, sourceOf, type Content } from './sources.ts';

export interface LogLine {
  readonly level: 'info' | 'warn';
  readonly message: string;
  readonly details: object;
}

export interface Bounded {
  readonly store: BoundedBlobStore;
  readonly inner: BlobStore;
  readonly usage: Usage;
  readonly log: LogLine[];
  /** Milliseconds; tests turn it. */
  readonly time: { now: number };
}

export interface BoundedOptions {
  /** In place of the database in the folder. */
  readonly usage?: Usage;
  /** In place of the disk store's own. */
  readonly remove?: (digest: Digest, disk: BlobStore) => Promise<void>;
  readonly isKept?: (name: string) => boolean;
}

const now = (): Promise<void> => Promise.resolve();

export async function openBounded(
  path: string,
  maxBytes: number,
  options: BoundedOptions = {},
): Promise<Bounded> {
  const log: LogLine[] = [];
  const time = { now: 0 };
  const logger = {
    info: (details: object, message: string) => log.push({ level: 'info', message, details }),
    warn: (details: object, message: string) => log.push({ level: 'warn', message, details }),
  };
  const disk = await openDiskBlobStore({ path, delay: now, io: hasty });
  const { remove } = options;
  const inner: BlobStore = {
    stat: (digest) => disk.stat(digest),
    open: (digest, size) => disk.open(digest, size),
    fill: (digest, asked) => disk.fill(digest, asked),
    put: (digest, bytes) => disk.put(digest, bytes),
    get: (digest, maxBytes) => disk.get(digest, maxBytes),
    remove: (digest) => remove?.(digest, disk) ?? disk.remove(digest),
    close: () => disk.close(),
  };
  const file = join(path, 'usage.sqlite');
  const usage = options.usage ?? (await openSqliteUsage({ file, logger }));
  const clock = (): number => time.now;
  const { isKept } = options;
  const store = await boundBlobStore(inner, { maxBytes, usage, clock, logger, isKept });
  return { store, inner, usage, log, time };
}

/** Content of so many thousand bytes that no other number has. */
export function kilobytes(size: number, number = size): Content {
  return someContent(size * 1000, number);
}

/** Contents by the names that a test gives them. */
export type Named = Readonly<Record<string, Content>>;

/** Names of those contents of which there is a file. */
export function kept(folder: string, named: Named): string {
  const files = filesBelow(join(folder, 'v1', 'blobs'));
  const isThere = ({ digest }: Content): boolean =>
    files.some((file) => file.endsWith(digestHex(digest)));
  const there = Object.entries(named).filter(([, content]) => isThere(content));
  return there.map(([name]) => name).join(' ');
}

/** Begins a fill and waits until the blob is complete; its reader is left open. */
export async function arrive({ store }: Bounded, content: Content): Promise<BlobReader> {
  const { bytes, digest, size } = content;
  const ended = Promise.withResolvers<boolean>();
  const onEnd = ended.resolve;
  const reader = await store.fill(digest, { size, source: sourceOf(bytes), onEnd });
  await ended.promise;
  return reader;
}

/** Fills, reads to the end, and waits until room is made. */
export async function fill(bounded: Bounded, content: Content): Promise<void> {
  await readAndClose(await arrive(bounded, content));
  await bounded.store.settled();
}

/** Reads a complete blob to its end; false when it is not there. */
export async function use({ store }: Bounded, { digest, size }: Content): Promise<boolean> {
  const reader = await store.open(digest, size);
  if (reader !== undefined) await readAndClose(reader);
  return reader !== undefined;
}
