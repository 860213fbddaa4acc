/** The files of a layout, in a tar or in a folder. */
import { stat } from 'node:fs/promises';
import { openFolderFiles } from './folder-files.ts';
import { LayoutError } from './layout-error.ts';
import type { LayoutFiles } from './layout-files.ts';
import { openTarFiles, unreadable } from './tar-files.ts';

/** @throws {LayoutError} */
export async function openLayoutFiles(path: string): Promise<LayoutFiles> {
  const stats = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (stats.isDirectory()) return openFolderFiles(path);
  if (stats.isFile()) return openTarFiles(path);
  throw new LayoutError(
    'unreadable',
    `expected ${path} to be a file or folder; what comes through a pipe is read as "-"`,
  );
}
