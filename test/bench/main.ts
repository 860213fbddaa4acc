/** `npm run bench`: the warm path beside docker-registry, in one run on one machine; only the ratios mean anything. */
import { load, median } from './load.ts';
import { BLOB_SIZE, setStage } from './stage.ts';

const ROUNDS = 3;
const SECONDS = 4;
const ACCEPT = { accept: 'application/vnd.oci.image.manifest.v1+json' };

interface Row {
  readonly what: string;
  readonly ours: number;
  readonly theirs: number;
  readonly aim: number;
  readonly show: (value: number) => string;
}

const stage = await setStage();
try {
  // Once through the proxy, so that everything is decided and kept.
  for (const path of ['/manifests/v1', `/blobs/${stage.layer}`]) {
    const response = await fetch(`${stage.proxy}${path}`, { headers: ACCEPT });
    const length = (await response.arrayBuffer()).byteLength;
    if (!response.ok) throw new Error(`warming ${path}: ${response.status}, ${length} bytes`);
  }

  const requests = (value: number): string =>
    `${Math.round(value).toLocaleString('en')} requests/s`;
  const gigabytes = (value: number): string => `${(value / 1e9).toFixed(2)} GB/s`;
  const rows: readonly Row[] = [
    {
      what: 'warm manifest GET by tag, 32 connections',
      ...(await compare('/manifests/v1', 32, (result) => result.requestsPerSecond)),
      aim: 15,
      show: requests,
    },
    {
      what: `warm blob GET, ${BLOB_SIZE / 2 ** 20} MiB, 4 connections`,
      ...(await compare(`/blobs/${stage.layer}`, 4, (result) => result.bytesPerSecond)),
      aim: 1,
      show: gigabytes,
    },
  ];
  console.log(
    `median of ${ROUNDS} rounds of ${SECONDS} s each, wrk with one thread, servers in turn\n`,
  );
  for (const { what, ours, theirs, aim, show } of rows) {
    const ratio = ours / theirs;
    console.log(what);
    console.log(`  countersign      ${show(ours)}`);
    console.log(`  docker-registry  ${show(theirs)}`);
    console.log(`  ratio            ${ratio.toFixed(2)} (aim: at least ${aim})\n`);
  }
} finally {
  await stage.close();
}

async function compare(
  path: string,
  connections: number,
  measure: (result: Awaited<ReturnType<typeof load>>) => number,
): Promise<{ ours: number; theirs: number }> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [base, into] of [
      [stage.registry, theirs],
      [stage.proxy, ours],
    ] as const) {
      into.push(
        measure(
          await load({ url: `${base}${path}`, connections, seconds: SECONDS, headers: ACCEPT }),
        ),
      );
    }
  }
  return { ours: median(ours), theirs: median(theirs) };
}
