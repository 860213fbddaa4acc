/** Why the store could not be opened or its records not be read or written. */

export type StoreErrorCode =
  /** Another process holds the folder. */
  | 'in-use'
  /** There is no cache where one is expected. */
  | 'absent'
  /** The file is no database of ours. */
  | 'not-a-database'
  /** Written by a newer version of Countersign. */
  | 'newer-version'
  /** The database or the file system under it failed. */
  | 'storage-failed';

/** The message names the file or folder and what to do. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** SQLite's primary result code of an error that node:sqlite threw; undefined for any other error. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}
