/** One very large layer: memory must not grow with it, neither while it arrives nor once it is kept. */
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startDaemon } from '../e2e/lab/process.ts';
import type { LargeUpstream } from './clients/large-upstream.ts';
import { peakMemory } from './memory.ts';
import { LARGE_LAYER_BYTES } from './options.ts';
import { startProxy } from './proxy.ts';
import { pull } from './pulls.ts';
import { OURS, type Row } from './report.ts';
import { startDistribution } from './servers.ts';
import { onStage, OUR_PATH, REPOSITORY, THEIR_PATH, type Stage } from './stage.ts';

const program = fileURLToPath(new URL('clients/large-upstream.ts', import.meta.url));

export function benchLargeLayer(): Promise<readonly Row[]> {
  return onStage(async (stage) => {
    const { port, publicPem } = await startUpstream(stage);
    const key = stage.place('key');
    writeFileSync(key, publicPem);
    const upstream = `http://127.0.0.1:${port}`;
    const task = { tag: 'large', clients: 1 };

    const cache = stage.place('cache');
    const rest = [
      `upstreams: { lab.local: { url: "${upstream}", insecureHttp: true } }`,
      `trustRoots: { bench: { publicKeys: [${key}] } }`,
      'policies: [{ name: bench, match: "lab.local/**", require: { key: { trustRoot: bench } } }]',
    ];
    const proxy = stage.own(await startProxy(stage.place('countersign'), rest, { cache }));
    const ours = { ...task, url: proxy.url, path: OUR_PATH };
    const cold = await pull(ours);
    const filled = peakMemory(proxy.pid);
    const warm = await pull(ours);
    const kept = peakMemory(proxy.pid);
    await stage.dismiss(proxy);
    rmSync(cache, { recursive: true });

    const root = stage.place('mirror');
    const mirror = stage.own(await startDistribution({ root, proxyOf: upstream }));
    const theirs = await pull({ ...task, url: mirror.url, path: THEIR_PATH });
    const peak = peakMemory(mirror.pid);
    await stage.dismiss(mirror);
    rmSync(root, { recursive: true });

    const what = `a layer of ${(LARGE_LAYER_BYTES / 2 ** 30).toFixed(2)} GiB`;
    return [
      {
        what: `${what}: peak memory while it arrives`,
        unit: 'MiB',
        figures: { [OURS]: filled, distribution: peak },
        aims: [{ atMost: 256 }],
      },
      {
        what: `${what}: peak memory after it was pulled again`,
        unit: 'MiB',
        figures: { [OURS]: kept },
        aims: [{ atMost: 256 }],
      },
      {
        what: `${what}: first pull`,
        unit: 's',
        figures: { [OURS]: cold.wall, distribution: theirs.wall },
      },
      { what: `${what}: second pull`, unit: 's', figures: { [OURS]: warm.wall } },
    ];
  });
}

/** It hashes the whole layer before it listens. */
async function startUpstream(stage: Stage): Promise<LargeUpstream> {
  const args = [program, REPOSITORY, String(LARGE_LAYER_BYTES)];
  const daemon = await startDaemon('upstream', process.execPath, args, {
    ready: (output) => output.includes('\n'),
    timeout: 300_000,
  });
  stage.own({
    async stop() {
      await daemon.stop();
    },
  });
  return JSON.parse(daemon.output()) as LargeUpstream;
}
