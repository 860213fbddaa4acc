/** An upstream in trouble and a warm cache: nobody's pull fails, and what it costs beside one that is well. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { mustRun } from '../e2e/lab/process.ts';
import type { SteadyResult, SteadyTask } from './clients/steady.ts';
import { ACCEPT, type PushedImage } from './images.ts';
import { median } from './load.ts';
import { ROUNDS, SECONDS } from './options.ts';
import type { BenchProxy } from './proxy.ts';
import { OURS, type Row } from './report.ts';
import { onStage, OUR_PATH, type Stage } from './stage.ts';
import { startTroubledFront, type Trouble, type TroubledFront } from './troubled-front.ts';
import { fetchAll } from './warming.ts';

const CONNECTIONS = 16;
const WELL = 'upstream well';
const program = fileURLToPath(new URL('clients/steady.ts', import.meta.url));

/** Seconds for which a tag answers by itself here, and as long again while upstream is asked. */
const REFRESH = 2;
const STALE = `{ refresh: ${REFRESH}s, maxStale: 24h, onDelete: keep }`;

const TROUBLES: Readonly<Record<string, Trouble>> = {
  'is killed': { kind: 'killed' },
  'is firewalled': { kind: 'firewalled' },
  'says nothing': { kind: 'silent' },
  'is a second late': { kind: 'slow', delay: 1000 },
  'answers 401': { kind: 'status', status: 401 },
  'answers 404': { kind: 'status', status: 404 },
  'answers 429': { kind: 'status', status: 429, headers: { 'retry-after': '60' } },
  'answers 500': { kind: 'status', status: 500 },
  'answers 503': { kind: 'status', status: 503 },
};

/** What is asked of two proxies, of which one has an upstream that is well. */
interface Kind {
  readonly what: string;
  readonly proxy: keyof Warm;
  readonly references: (image: PushedImage) => readonly string[];
  /** Milliseconds that nobody waits longer than. */
  readonly longest?: number;
}

const KINDS: readonly Kind[] = [
  {
    what: 'by digest and a fresh tag',
    proxy: 'fresh',
    references: ({ digest, config, tag }) => [
      `manifests/${digest}`,
      `blobs/${config}`,
      `manifests/${tag}`,
    ],
  },
  {
    what: 'a tag that is due',
    proxy: 'stale',
    references: ({ tag }) => [`manifests/${tag}`],
    longest: 2500,
  },
];

export function benchUpstreamTrouble(): Promise<readonly Row[]> {
  return onStage(async (stage) => {
    const image = await stage.push('v1', [2 ** 10]);
    const front = stage.own(await startTroubledFront(stage.registry.url));
    const well = await startWarm(stage, image, stage.registry.url);
    const rows: Row[] = [];
    for (const [name, trouble] of Object.entries(TROUBLES)) {
      await front.begin({ kind: 'none' });
      rows.push(...(await benchTrouble(stage, image, well, { name, trouble, front })));
    }
    return rows;
  });
}

interface Warm {
  /** Its tags are fresh all the time. */
  readonly fresh: BenchProxy;
  readonly stale: BenchProxy;
}

async function startWarm(stage: Stage, image: PushedImage, upstream: string): Promise<Warm> {
  const warm = {
    fresh: await stage.countersign({ upstream }),
    stale: await stage.countersign({ upstream, tags: STALE }),
  };
  for (const kind of KINDS) await fetchAll(urlsOf(warm[kind.proxy], image, kind));
  return warm;
}

async function benchTrouble(
  stage: Stage,
  image: PushedImage,
  well: Warm,
  { name, trouble, front }: { name: string; trouble: Trouble; front: TroubledFront },
): Promise<readonly Row[]> {
  const unwell = await startWarm(stage, image, front.url);
  await front.begin(trouble);
  // Until the tags are so old that somebody has to wait for the upstream.
  await sleep(2 * REFRESH * 1000);
  const rows: Row[] = [];
  let failed = 0;
  for (const kind of KINDS) {
    const seen: Seen[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      seen.push({
        ours: await ask(urlsOf(unwell[kind.proxy], image, kind)),
        well: await ask(urlsOf(well[kind.proxy], image, kind)),
      });
    }
    rows.push(...rowsOf(`${kind.what}, the upstream ${name}`, seen, kind));
    failed += sum(seen.map(({ ours }) => ours.failed));
    if (seen.some(({ well }) => well.failed > 0)) throw new Error('pulls failed without trouble');
  }
  for (const proxy of [unwell.fresh, unwell.stale]) await stage.dismiss(proxy);
  const figures = { [OURS]: failed };
  return [
    ...rows,
    { what: `failed, the upstream ${name}`, unit: 'pulls', figures, aims: [{ atMost: 0 }] },
  ];
}

interface Seen {
  readonly ours: SteadyResult;
  readonly well: SteadyResult;
}

function rowsOf(what: string, seen: readonly Seen[], { longest }: Kind): readonly Row[] {
  const row = (
    figure: 'median' | 'percentile99' | 'longest',
    words: string,
    pick: (values: readonly number[]) => number = median,
  ): Row => ({
    what: `${what}: ${words}`,
    unit: 'ms',
    figures: {
      [OURS]: pick(seen.map(({ ours }) => ours[figure])),
      [WELL]: pick(seen.map(({ well }) => well[figure])),
    },
  });
  return [
    { ...row('median', 'median'), aims: [{ beside: WELL, atMost: 1.25 }] },
    row('percentile99', '99th percentile'),
    {
      ...row('longest', 'longest', (values) => Math.max(...values)),
      aims: longest === undefined ? [] : [{ atMost: longest }],
    },
  ];
}

function urlsOf({ url }: BenchProxy, image: PushedImage, kind: Kind): readonly string[] {
  return kind.references(image).map((reference) => `${url}${OUR_PATH}/${reference}`);
}

async function ask(urls: readonly string[]): Promise<SteadyResult> {
  const seconds = SECONDS / 2;
  const task: SteadyTask = { urls, connections: CONNECTIONS, seconds, headers: ACCEPT };
  const output = await mustRun(process.execPath, [program, JSON.stringify(task)]);
  return JSON.parse(output) as SteadyResult;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
