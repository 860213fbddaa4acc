/** Manifests that are verified and kept already, beside docker-registry and a static file. */
import { MANIFEST } from './images.ts';
import { inTurn, load, type Load } from './load.ts';
import { OURS, type Row } from './report.ts';
import { hasNginx } from './servers.ts';
import { onStage, OUR_PATH, THEIR_PATH } from './stage.ts';
import { fetchAll } from './warming.ts';

const CONNECTIONS = [1, 64, 500];
const METHODS = ['GET', 'HEAD'] as const;
const TAG = 'v1';

export function benchWarmManifests(): Promise<readonly Row[]> {
  return onStage(async (stage) => {
    const image = await stage.push(TAG, [2 ** 20]);
    const proxy = await stage.countersign();
    const nginx = hasNginx() ? await stage.files([image]) : undefined;
    const [ours, theirs] = [OUR_PATH, THEIR_PATH].map((path) => `${path}/manifests/${TAG}`);
    if (ours === undefined || theirs === undefined) throw new Error('expected two paths');
    await fetchAll([`${proxy.url}${ours}`]);

    const rows: Row[] = [];
    for (const method of METHODS) {
      for (const connections of CONNECTIONS) {
        const wanted = { connections, method, headers: { accept: MANIFEST } };
        const rate = async (rest: Pick<Load, 'url' | 'paths'>): Promise<number> =>
          (await load({ ...wanted, ...rest })).requestsPerSecond;
        const figures = await inTurn({
          [OURS]: () => rate({ url: proxy.url, paths: [ours] }),
          distribution: () => rate({ url: stage.registry.url, paths: [theirs] }),
          ...(nginx && { nginx: () => rate({ url: nginx.url, paths: [theirs] }) }),
        });
        rows.push({
          what: `${method} by tag, ${connections} connections`,
          unit: 'requests/s',
          figures,
          aims: [
            { beside: 'distribution', atLeast: 20 },
            { beside: 'nginx', atLeast: 0.8 },
          ],
        });
      }
    }
    return rows;
  });
}
