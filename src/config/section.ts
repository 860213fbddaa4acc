/** What every section of the configuration is read with: where it stands, and a place for its mistakes. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { NodePath } from './problem.ts';

export interface Section {
  /** Folder of the configuration file. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  report(path: NodePath, message: string, at?: 'key' | 'value'): void;
}

/** Bytes of a file of keys, certificates or credentials. */
const MAX_FILE_BYTES = 1024 * 1024;

/** The absolute path of a file that the configuration names; reported when it cannot be read. */
export function readableFile(section: Section, path: NodePath, name: string): string {
  const file = resolve(section.folder, name);
  const reason = whyUnreadable(file);
  if (reason !== undefined) section.report(path, `cannot read ${file}: ${reason}`);
  return file;
}

/** {@link readableFile} with its text; '' when it cannot be read. */
export function textFile(
  section: Section,
  path: NodePath,
  name: string,
): { readonly path: string; readonly text: string } {
  const file = resolve(section.folder, name);
  const reason = whyUnreadable(file);
  if (reason === undefined) return { path: file, text: readFileSync(file, 'utf8') };
  section.report(path, `cannot read ${file}: ${reason}`);
  return { path: file, text: '' };
}

/** {@link readableFile} with its bytes; none when it cannot be read. */
export function bytesFile(
  section: Section,
  path: NodePath,
  name: string,
  maxBytes: number = MAX_FILE_BYTES,
): { readonly path: string; readonly bytes: Buffer } {
  const file = resolve(section.folder, name);
  const reason = whyUnreadable(file, maxBytes);
  if (reason === undefined) return { path: file, bytes: readFileSync(file) };
  section.report(path, `cannot read ${file}: ${reason}`);
  return { path: file, bytes: Buffer.alloc(0) };
}

function whyUnreadable(file: string, maxBytes: number = MAX_FILE_BYTES): string | undefined {
  try {
    const stats = statSync(file);
    if (!stats.isFile()) return 'it is not a regular file';
    if (stats.size > maxBytes) return `it is larger than ${maxBytes / 1024 / 1024}MiB`;
    accessSync(file, constants.R_OK);
    return undefined;
  } catch (error) {
    return describeFileError(error);
  }
}

/** Why the system refused a file, without its own long sentence. */
export function describeFileError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EISDIR':
      return 'it is a folder';
    default:
      return typeof code === 'string' ? code : 'unreadable';
  }
}
