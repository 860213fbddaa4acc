/** Clients that ask for what is refused, again and again: how many are answered, and what it costs everybody else. */
import { ACCEPT } from './images.ts';
import { inTurn, load, type Load, type Throughput } from './load.ts';
import { peakMemory } from './memory.ts';
import { SECONDS } from './options.ts';
import { OURS, type Row } from './report.ts';
import { hasNginx, startDistribution, type Server } from './servers.ts';
import { onStage, OUR_PATH, THEIR_PATH } from './stage.ts';
import { fetchAll } from './warming.ts';

const CONNECTIONS = 64;
/** Images that nobody signed. */
const UNSIGNED = 200;

export function benchDenialStorm(): Promise<readonly Row[]> {
  return onStage(async (stage) => {
    const signed = await stage.push('signed', [2 ** 10]);
    const unsigned: string[] = [];
    for (let index = 0; index < UNSIGNED; index += 1) {
      unsigned.push((await stage.push(`unsigned-${index}`, [2 ** 10], false)).tag);
    }
    const upstream = stage.own(await startDistribution({ root: stage.root, counts: true }));
    const proxy = await stage.countersign({ upstream: upstream.url });
    const nginx = hasNginx() ? await stage.files([signed]) : undefined;
    const common = { connections: CONNECTIONS, headers: ACCEPT };
    const ours = (tags: readonly string[], rest: Partial<Load> = {}): Promise<Throughput> =>
      load({ ...common, url: proxy.url, paths: pathsOf(OUR_PATH, tags), ...rest });
    const absent = ({ url }: Pick<Server, 'url'>): Promise<number> =>
      load({ ...common, url, paths: pathsOf(THEIR_PATH, ['absent']), refused: true }).then(rate);

    const one = await inTurn({
      [OURS]: async () => rate(await ours(unsigned.slice(0, 1), { refused: true })),
      'distribution, absent': () => absent(stage.registry),
      ...(nginx && { 'nginx, absent': () => absent(nginx) }),
    });

    const before = requestsIn(upstream);
    const many = await ours(unsigned, { refused: true });
    const asked = (requestsIn(upstream) - before) / (UNSIGNED * Math.ceil(SECONDS / 5));

    await fetchAll(pathsOf(OUR_PATH, [signed.tag]).map((path) => `${proxy.url}${path}`));
    const quiet = await ours([signed.tag], { connections: 8 });
    const [during] = await Promise.all([
      ours([signed.tag], { connections: 8 }),
      ours(unsigned, { refused: true }),
    ]);

    const images = `${UNSIGNED} unsigned images`;
    return [
      {
        what: `one unsigned image, ${CONNECTIONS} connections`,
        unit: 'refusals/s',
        figures: one,
      },
      {
        what: `${images}, ${CONNECTIONS} connections`,
        unit: 'refusals/s',
        figures: { [OURS]: rate(many) },
      },
      {
        what: `${images}: asked of the upstream for each, in 5 s`,
        unit: 'requests',
        figures: { [OURS]: asked },
      },
      {
        what: `a signed image, 8 connections, in a storm of ${CONNECTIONS}`,
        unit: 'requests/s',
        figures: { [OURS]: rate(during), 'without the storm': rate(quiet) },
      },
      {
        what: `${images}: peak memory`,
        unit: 'MiB',
        figures: { [OURS]: peakMemory(proxy.pid) },
        aims: [{ atMost: 256 }],
      },
    ];
  });
}

const pathsOf = (prefix: string, tags: readonly string[]): readonly string[] =>
  tags.map((tag) => `${prefix}/manifests/${tag}`);

const rate = ({ requestsPerSecond }: Throughput): number => requestsPerSecond;

function requestsIn({ output }: Server): number {
  return [...output().matchAll(/"response completed/g)].length;
}
