/** From the start of the process to where it listens: with an empty cache, and with one that is full. */
import { run } from '../e2e/lab/process.ts';
import { fillCache } from './full-cache.ts';
import { inTurn } from './load.ts';
import { memoryNow } from './memory.ts';
import { KEPT_BLOBS, KEPT_IMAGES } from './options.ts';
import { OURS, type Row } from './report.ts';
import { startDistribution } from './servers.ts';
import { onStage, type Stage } from './stage.ts';

export function benchStartUp(): Promise<readonly Row[]> {
  return onStage(async (stage) => {
    const cache = stage.place('cache');
    await startOnce(stage, cache);
    fillCache(cache, KEPT_BLOBS, KEPT_IMAGES);
    const figures = await inTurn({
      [OURS]: () => startOnce(stage, cache),
      'an empty cache': () => startOnce(stage, stage.place('cache')),
      'node alone': startNode,
      distribution: () => startTheirs(stage),
    });
    const [blobs, images] = [KEPT_BLOBS, KEPT_IMAGES].map((count) => count.toLocaleString('en'));
    const what = `start with ${blobs ?? ''} blobs, ${images ?? ''} images`;
    return [{ what, unit: 's', figures, aims: [{ atMost: 2 }] }];
  });
}

/** Nothing was asked of anybody yet. */
export function benchAtRest(): Promise<readonly Row[]> {
  return onStage(async (stage) => {
    const proxy = await stage.countersign();
    const theirs = stage.own(await startDistribution({ root: stage.place('registry') }));
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const figures = { [OURS]: memoryNow(proxy.pid), distribution: memoryNow(theirs.pid) };
    return [{ what: 'at rest, just started', unit: 'MiB', figures }];
  });
}

async function startOnce(stage: Stage, cache: string): Promise<number> {
  const proxy = await stage.countersign({ cache });
  await stage.dismiss(proxy);
  return proxy.startedIn / 1000;
}

async function startTheirs(stage: Stage): Promise<number> {
  const begun = performance.now();
  const server = stage.own(await startDistribution({ root: stage.place('registry') }));
  const took = performance.now() - begun;
  await stage.dismiss(server);
  return took / 1000;
}

async function startNode(): Promise<number> {
  const begun = performance.now();
  await run(process.execPath, ['--eval', '0']);
  return (performance.now() - begun) / 1000;
}
