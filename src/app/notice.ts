/** Waiting until a running proxy has noticed what a command wrote to its records. */
import { setTimeout as delay } from 'node:timers/promises';
import { isFolderInUse } from '../store/folder-lock.ts';
import type { LocalRecords } from '../store/local-records.ts';

/** `nobody`: no proxy runs on the cache. `late`: one does, and has not said that it noticed. */
export type Notice = 'noticed' | 'nobody' | 'late';

/** Milliseconds between two looks. */
const EVERY = 50;

/**
 * After `noticed` and `nobody` no request is answered by what was remembered before.
 * @param path the cache folder.
 * @param patience milliseconds; a proxy looks twice a second.
 */
export async function awaitNotice(
  local: Pick<LocalRecords, 'announced' | 'noticed'>,
  path: string,
  patience = 10_000,
): Promise<Notice> {
  const announced = await local.announced();
  for (let waited = 0; ; waited += EVERY) {
    if ((await local.noticed()) >= announced) return 'noticed';
    if (!(await isFolderInUse(path))) return 'nobody';
    if (waited >= patience) return 'late';
    await delay(EVERY);
  }
}
