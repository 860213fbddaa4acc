/** Many clients that take their time: what they cost in memory, and what is left for one that hurries. */
import { setTimeout as sleep } from 'node:timers/promises';
import { peakMemory } from './memory.ts';
import { SLOW_CLIENTS } from './options.ts';
import { pullOurs, pullTheirs } from './pulls.ts';
import { OURS, type Row } from './report.ts';
import { hasNginx } from './servers.ts';
import { onStage } from './stage.ts';

const MiB = 2 ** 20;
const [LAYER, QUICK_LAYER] = [16 * MiB, 64 * MiB];
/** What each takes, and for how many seconds. */
const CROWD = { clients: SLOW_CLIENTS, bytesPerSecond: 64 * 1024, seconds: 15 };
/** Milliseconds until they are all there. */
const SETTLED = 5000;

export function benchSlowClients(): Promise<readonly Row[]> {
  return onStage(async (stage) => {
    const slow = await stage.push('slow', [LAYER]);
    const quick = await stage.push('quick', [QUICK_LAYER]);
    const proxy = await stage.countersign();
    const nginx = hasNginx() ? await stage.files([slow, quick]) : undefined;
    // The slow ones come while nobody has their image yet, so that they follow its way into the cache.
    await pullOurs(proxy, quick);
    const peaks: Record<string, number> = {};
    const walls: Record<string, number> = {};
    for (const [name, server, pull] of [
      [OURS, proxy, pullOurs] as const,
      ['distribution', stage.registry, pullTheirs] as const,
      ...(nginx === undefined ? [] : [['nginx', nginx, pullTheirs] as const]),
    ]) {
      const [, wall] = await Promise.all([
        pull(server, slow, CROWD),
        sleep(SETTLED).then(async () => (await pull(server, quick)).wall),
      ]);
      walls[name] = wall;
      peaks[name] = peakMemory(server.pid);
    }
    const who = `${CROWD.clients} clients at ${CROWD.bytesPerSecond / 1024} KiB/s`;
    return [
      { what: `${who}: peak memory`, unit: 'MiB', figures: peaks, aims: [{ atMost: 256 }] },
      { what: `${QUICK_LAYER / MiB} MiB beside ${who}`, unit: 's', figures: walls },
    ];
  });
}
