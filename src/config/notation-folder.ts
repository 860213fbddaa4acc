/** Notation's folder of configuration as it lies on the disk, without following links; what it says is for others to read. */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import type { FolderEntry, NotationFolder } from './config.ts';
import type { NodePath } from './problem.ts';
import { describeFileError, type Section } from './section.ts';

/** notaryproject.dev "Directory structure"; the folder of stores is also known as the specification spells it. */
const POLICIES = ['trustpolicy.json', 'trustpolicy.oci.json'] as const;
const STORES = ['truststore', 'trust-store'] as const;
const KINDS = ['ca', 'signingAuthority', 'tsa'] as const;

const MAX_FILE_BYTES = 1024 * 1024;
/** Of the whole folder. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_ENTRIES = 4096;

type Entry = NotationFolder['entries'][number];

/** Reads the folder at once, so that what is checked is what is used; a folder that cannot be read is reported. */
export function readNotationFolder(section: Section, path: NodePath, name: string): NotationFolder {
  const folder = resolve(section.folder, name);
  const reason = whyNoFolder(folder);
  if (reason !== undefined) {
    section.report(path, `cannot read ${folder}: ${reason}`);
    return { path: folder, entries: [] };
  }
  const entries: Entry[] = [];
  let bytes = 0;
  for (const entry of walk(folder)) {
    entries.push(entry);
    if (entry.kind === 'file') bytes += entry.bytes.length;
    if (entries.length <= MAX_ENTRIES && bytes <= MAX_BYTES) continue;
    section.report(
      path,
      `${folder}: expected at most ${MAX_ENTRIES} files and folders of ${MAX_BYTES / 1024 / 1024}MiB in its trust stores`,
    );
    break;
  }
  return { path: folder, entries };
}

function whyNoFolder(folder: string): string | undefined {
  try {
    return statSync(folder).isDirectory() ? undefined : 'it is not a folder';
  } catch (error) {
    return describeFileError(error) === 'no such file'
      ? 'no such folder'
      : describeFileError(error);
  }
}

/** Policies, folders of stores, named stores and what is directly in them. */
function* walk(folder: string): Generator<Entry> {
  for (const name of POLICIES) yield* entryAt(folder, name);
  for (const stores of STORES) {
    if (whyNoFolder(join(folder, stores)) !== undefined) continue;
    yield { path: stores, kind: 'folder' };
    for (const kind of KINDS) {
      const parent = `${stores}/x509/${kind}`;
      for (const store of namesIn(folder, parent)) {
        for (const entry of entryAt(folder, `${parent}/${store}`)) {
          yield entry;
          if (entry.kind === 'folder') yield* contentOf(folder, entry.path);
        }
      }
    }
  }
}

function* contentOf(folder: string, path: string): Generator<Entry> {
  for (const name of namesIn(folder, path)) yield* entryAt(folder, `${path}/${name}`);
}

/** What is not there, or no folder, has nothing in it. */
function namesIn(folder: string, path: string): readonly string[] {
  try {
    return readdirSync(join(folder, path)).sort();
  } catch {
    return [];
  }
}

/** Nothing where nothing is. */
function entryAt(folder: string, path: string): readonly Entry[] {
  try {
    return [{ path, ...readEntry(join(folder, path)) }];
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return [];
    if (code === 'ELOOP') return [{ path, kind: 'link' }];
    return [{ path, kind: 'unreadable', reason: describeFileError(error) }];
  }
}

/** Never through a link, and never waiting for the other end of a pipe. */
function readEntry(path: string): FolderEntry {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (stats.isDirectory()) return { kind: 'folder' };
    if (!stats.isFile()) return { kind: 'unreadable', reason: 'it is not a regular file' };
    if (stats.size > MAX_FILE_BYTES)
      return { kind: 'unreadable', reason: 'it is larger than 1MiB' };
    return { kind: 'file', bytes: readFileSync(file) };
  } finally {
    closeSync(file);
  }
}
