/** A file that is there as a whole or not at all: written under another name beside its own, and then renamed. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Write } from './write-layout.ts';

/**
 * Replaces what had the name before. After a power cut it is there, and whole.
 * @throws what `work` throws, or the system; then nothing is left.
 */
export async function writeNewFile(
  path: string,
  work: (write: Write) => Promise<void>,
): Promise<void> {
  const folder = dirname(resolve(path));
  // Of the name no more than leaves room for the rest in the 255 bytes of a file system.
  const known = Buffer.from(basename(path)).subarray(0, 100).toString('latin1');
  const beside = join(
    folder,
    `.${known.replaceAll(/[^ -~]/g, '_')}-${randomBytes(8).toString('hex')}`,
  );
  try {
    {
      await using file = await open(beside, 'wx', 0o644);
      await work(async (bytes) => {
        for (let at = 0; at < bytes.length;) {
          at += (await file.write(bytes, at)).bytesWritten;
        }
      });
      await file.sync();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  await using entries = await open(folder, 'r');
  await entries.sync();
}
