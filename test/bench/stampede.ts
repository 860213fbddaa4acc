/** Everybody pulls one image that we do not have yet, at the same moment. */
import { peakMemory } from './memory.ts';
import { IMAGE_BYTES, LAYERS, STAMPEDE_CLIENTS } from './options.ts';
import { pullOurs, pullTheirs } from './pulls.ts';
import { OURS, type Row } from './report.ts';
import { bytesSent, startDistribution } from './servers.ts';
import { onStage } from './stage.ts';

export function benchStampede(): Promise<readonly Row[]> {
  return onStage(async (stage) => {
    const image = await stage.push('stampede', Array<number>(LAYERS).fill(IMAGE_BYTES / LAYERS));
    const clients = STAMPEDE_CLIENTS;
    const what = `${clients} clients, ${LAYERS} layers of ${IMAGE_BYTES / LAYERS / 2 ** 20} MiB`;
    const { root, registry } = stage;
    const upstream = stage.own(await startDistribution({ root, counts: true }));
    const proxy = await stage.countersign({ upstream: upstream.url });

    const cold = await pullOurs(proxy, image, { clients });
    const fetched = bytesSent(upstream);
    const peak = peakMemory(proxy.pid);
    const warm = await pullOurs(proxy, image, { clients });
    const theirs = await pullTheirs(registry, image, { clients });
    return [
      {
        what: `${what}: ours cold, theirs warm`,
        unit: 's',
        figures: { [OURS]: cold.wall, distribution: theirs.wall },
        aims: [{ beside: 'distribution', atMost: 2 }],
      },
      {
        what: `${what}: both warm`,
        unit: 's',
        figures: { [OURS]: warm.wall, distribution: theirs.wall },
      },
      {
        what: `${what}: from the upstream`,
        unit: 'MiB',
        figures: { [OURS]: fetched / 2 ** 20, 'the image': IMAGE_BYTES / 2 ** 20 },
        aims: [{ beside: 'the image', atMost: 1.01 }],
      },
      {
        what: `${what}: peak memory`,
        unit: 'MiB',
        figures: { [OURS]: peak, distribution: peakMemory(registry.pid) },
        aims: [{ atMost: 256 }],
      },
    ];
  });
}
