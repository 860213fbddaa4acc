/** Starts the clients that pull, in a process of their own, and reads what they print. */
import { fileURLToPath } from 'node:url';
import { mustRun } from '../e2e/lab/process.ts';
import type { PullResult, PullTask } from './clients/pull.ts';
import type { PushedImage } from './images.ts';
import { OUR_PATH, THEIR_PATH } from './stage.ts';

const program = fileURLToPath(new URL('clients/pull.ts', import.meta.url));
const TIMEOUT = 1_200_000;

/** Through ours. */
export function pullOurs(
  { url }: { readonly url: string },
  image: PushedImage,
  rest: Partial<PullTask> = {},
): Promise<PullResult> {
  return pull({ url, path: OUR_PATH, tag: image.tag, clients: 1, ...rest });
}

/** Where the repository has its own name. */
export function pullTheirs(
  { url }: { readonly url: string },
  image: PushedImage,
  rest: Partial<PullTask> = {},
): Promise<PullResult> {
  return pull({ url, path: THEIR_PATH, tag: image.tag, clients: 1, ...rest });
}

export async function pull(task: PullTask): Promise<PullResult> {
  const args = [program, JSON.stringify(task)];
  const output = await mustRun(process.execPath, args, { timeout: TIMEOUT });
  return JSON.parse(output) as PullResult;
}
