/** The few calls to the disk that a write needs, in one object so that tests can make each of them fail. */
import { close, fsync, open, writev } from 'node:fs';
import { mkdir, open as openHandle, rename, rm } from 'node:fs/promises';
import { FillError } from './blob-store.ts';

export interface DiskIo {
  /** A new file of mode 0600, open for reading and writing; fails where one exists. */
  create(path: string): Promise<number>;
  /** Bytes written, which may be fewer than given. */
  write(fd: number, buffers: readonly Buffer[], position: number): Promise<number>;
  /** Data and metadata of the file reach the device. */
  sync(fd: number): Promise<void>;
  /** The folder's entries reach the device. */
  syncFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A folder and its parents, of mode 0700; the outermost that was not there before. */
  makeFolder(path: string): Promise<string | undefined>;
  /** No error where there is no such file. */
  remove(path: string): Promise<void>;
}

export const nodeDiskIo: DiskIo = {
  create: (path) =>
    settle((done) => {
      open(path, 'wx+', 0o600, done);
    }),
  write: (fd, buffers, position) =>
    settle((done) => {
      writev(fd, buffers, position, done);
    }),
  sync: (fd) =>
    settle((done) => {
      fsync(fd, (error) => {
        done(error, undefined);
      });
    }),
  async syncFolder(path) {
    const folder = await openHandle(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  rename,
  makeFolder: (path) => mkdir(path, { recursive: true, mode: 0o700 }),
  remove: (path) => rm(path, { force: true }),
};

/** Closes a descriptor; what the kernel says about it changes nothing for us, the descriptor is gone either way. */
export function closeQuietly(fd: number): Promise<void> {
  return new Promise((resolve) => {
    close(fd, () => {
      resolve();
    });
  });
}

/** What a failed disk operation is called towards callers, e.g. `cannot write a blob: ENOSPC …`. */
export function storageFailed(operation: string, cause: unknown): FillError {
  if (cause instanceof FillError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new FillError('storage-failed', `cannot ${operation}: ${reason}`, cause);
}

/** Whether the error is the system's word for "no such file". */
export function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function settle<T>(start: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error) reject(error);
      else resolve(value);
    });
  });
}
