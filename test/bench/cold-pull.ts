/** The first pull of an image that nobody has yet: verified through us, unverified through others, and straight. */
import { rmSync } from 'node:fs';
import type { PushedImage } from './images.ts';
import { inTurn } from './load.ts';
import { DISTANT_BYTES_PER_SECOND, IMAGE_BYTES, LAYERS } from './options.ts';
import { pullOurs, pullTheirs } from './pulls.ts';
import { OURS, type Row } from './report.ts';
import {
  atADistance,
  hasNginx,
  hasZot,
  startDistribution,
  startNginx,
  startZot,
} from './servers.ts';
import { onStage, type Stage } from './stage.ts';

export function benchColdPull(): Promise<readonly Row[]> {
  return onStage(async (stage) => {
    const image = await stage.push('cold', Array<number>(LAYERS).fill(IMAGE_BYTES / LAYERS));
    const size = `${LAYERS} layers of ${IMAGE_BYTES / LAYERS / 2 ** 20} MiB`;
    const rows = [await measure(stage, image, stage.registry, `${size}, upstream on loopback`)];
    if (hasNginx()) {
      const rate = DISTANT_BYTES_PER_SECOND;
      const serves = atADistance(stage.registry.url, rate);
      const distant = stage.own(await startNginx({ folder: stage.folder, serves }));
      const what = `${size}, upstream of ${rate / 2 ** 20} MiB/s each`;
      rows.push(await measure(stage, image, distant, what));
    }
    return rows;
  });
}

async function measure(
  stage: Stage,
  image: PushedImage,
  upstream: { readonly url: string },
  what: string,
): Promise<Row> {
  async function ours(): Promise<number> {
    const cache = stage.place('cache');
    const proxy = await stage.countersign({ upstream: upstream.url, cache });
    const { wall } = await pullOurs(proxy, image);
    await stage.dismiss(proxy);
    rmSync(cache, { recursive: true });
    return wall;
  }

  async function theirs(start: typeof startThrough): Promise<number> {
    const root = stage.place('mirror');
    const proxy = stage.own(await start(root, upstream.url));
    const { wall } = await pullTheirs(proxy, image);
    await stage.dismiss(proxy);
    rmSync(root, { recursive: true });
    return wall;
  }

  const figures = await inTurn({
    [OURS]: ours,
    distribution: () => theirs(startThrough),
    ...(hasZot() && { zot: () => theirs(startZot) }),
    straight: async () => (await pullTheirs(upstream, image)).wall,
  });
  return {
    what,
    unit: 's',
    figures,
    aims: [
      { beside: 'distribution', atMost: 1.05 },
      { beside: 'straight', atMost: 1.15 },
    ],
  };
}

const startThrough = (root: string, proxyOf: string) => startDistribution({ root, proxyOf });
