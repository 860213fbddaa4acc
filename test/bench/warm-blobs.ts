/** Blobs that are kept already, beside docker-registry and static files: whole, plain and over TLS, and in ranges. */
import { inTurn, load, type Load } from './load.ts';
import { OURS, type Aim, type Row } from './report.ts';
import { hasNginx, startDistribution, type Certificate } from './servers.ts';
import { onStage, OUR_PATH, THEIR_PATH, type Stage } from './stage.ts';
import { fetchAll } from './warming.ts';
import type { PushedImage } from './images.ts';

const MB = 1_000_000;
/** zot's mix: of ten, two of 1 MB, seven of 10 MB, one of 100 MB; by their place among the sizes. */
const SIZES = [MB, 10 * MB, 100 * MB];
const MIX = [1, 0, 1, 1, 2, 1, 1, 0, 1, 1];
const CONNECTIONS = 16;
/** Of the largest blob, asked for side by side. */
const RANGES = 8;

interface Sides {
  readonly [OURS]: string;
  readonly distribution: string;
  readonly nginx?: string;
}

export function benchWarmBlobs(): Promise<readonly Row[]> {
  return onStage(async (stage) => {
    const image = await stage.push('mix', SIZES);
    const mix = MIX.map((index) => `/blobs/${image.layers[index] ?? ''}`);
    const what = `1, 10 and 100 MB (20, 70, 10 %), ${CONNECTIONS} connections`;
    const plain = await open(stage, image, undefined);
    const encrypted = await open(stage, image, await stage.certificate());
    return [
      await measure(plain, `plain, ${what}`, mix, [
        { beside: 'distribution', atLeast: 1.15 },
        { beside: 'nginx', atLeast: 1 },
      ]),
      await measure(encrypted, `TLS, ${what}`, mix, [{ beside: 'distribution', atLeast: 1.2 }]),
    ];
  });
}

export function benchRanges(): Promise<readonly Row[]> {
  return onStage(async (stage) => {
    const size = 100 * MB;
    const image = await stage.push('ranges', [size]);
    const part = Math.ceil(size / RANGES);
    const ranges = Array.from({ length: RANGES }, (_, index) => {
      const last = Math.min((index + 1) * part, size) - 1;
      return `/blobs/${image.layers[0] ?? ''} bytes=${index * part}-${last}`;
    });
    const what = `one blob of 100 MB in ${RANGES} ranges, ${RANGES} connections`;
    const sides = await open(stage, image, undefined);
    return [await measure(sides, what, ranges, [], RANGES)];
  });
}

/** Everybody with the image, warm. */
async function open(
  stage: Stage,
  image: PushedImage,
  tls: Certificate | undefined,
): Promise<Sides> {
  const proxy = await stage.countersign({ tls });
  const registry =
    tls === undefined
      ? stage.registry
      : stage.own(await startDistribution({ root: stage.root, tls }));
  const nginx = hasNginx() ? await stage.files([image], tls) : undefined;
  const ours = `${proxy.url}${OUR_PATH}`;
  await fetchAll([
    `${ours}/manifests/${image.tag}`,
    ...image.layers.map((layer) => `${ours}/blobs/${layer}`),
  ]);
  return {
    [OURS]: proxy.url,
    distribution: registry.url,
    ...(nginx && { nginx: nginx.url }),
  };
}

async function measure(
  sides: Sides,
  what: string,
  paths: readonly string[],
  aims: readonly Aim[],
  connections = CONNECTIONS,
): Promise<Row> {
  const rate = async (url: string, prefix: string): Promise<number> => {
    const wanted: Load = { url, paths: paths.map((path) => `${prefix}${path}`), connections };
    return (await load(wanted)).bytesPerSecond / 1e9;
  };
  const { nginx } = sides;
  const figures = await inTurn({
    [OURS]: () => rate(sides[OURS], OUR_PATH),
    distribution: () => rate(sides.distribution, THEIR_PATH),
    ...(nginx !== undefined && { nginx: () => rate(nginx, THEIR_PATH) }),
  });
  return { what, unit: 'GB/s', figures, aims };
}
