/** A first verification, with nothing kept from before: the first pull through Countersign beside `cosign verify`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMissing } from '../e2e/lab/tools.ts';
import { createSigstore } from '../helpers/sigstore/sigstore.ts';
import { createSigner } from '../helpers/signer.ts';
import { createCosign, type Cosign, type CosignTool } from './cosign.ts';
import { startCountingRegistry, type CountingRegistry } from './counting-registry.ts';
import { median } from './load.ts';
import { startProxy, type BenchProxy } from './proxy.ts';
import { verifyInMemory } from './pure-verification.ts';
import {
  FORMS,
  putSignedImages,
  requirementOf,
  TITLES,
  type Form,
  type SignedImage,
} from './signed-images.ts';
import { OURS, type Row } from './report.ts';
import { showFoot, showForm, showHead, showRow, type Row as Cells } from './table.ts';

/** Odd, so that one is in the middle. */
const OUR_IMAGES = 21;
const COSIGN_IMAGES = 5;
/** Milliseconds. */
const DELAY = 20;
const TOOLS: readonly CosignTool[] = ['cosign 3', 'cosign 2'];
const ACCEPT = { accept: 'application/vnd.oci.image.manifest.v1+json' };

/** What one verification took. */
interface Cost {
  /** Milliseconds. */
  readonly wall: number;
  readonly cpu: number;
  readonly requests: number;
  readonly roundTrips: number;
}

/** @returns what it also shows by itself, with more beside it. */
export async function benchFirstVerification(): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const now = Date.now();
  const signers = { signer: createSigner(), sigstore: createSigstore({ clock: () => now }) };
  const registry = await startCountingRegistry(DELAY);
  const cosign = createCosign(folder, signers);
  let proxy: BenchProxy | undefined;
  try {
    const tools = TOOLS.filter((tool) => findMissing([tool]).length === 0);
    await explain(cosign, tools);
    proxy = await startWith(folder, registry);
    const rows: Row[] = [];
    showHead();
    for (const form of FORMS) {
      const images = putSignedImages(registry, form, OUR_IMAGES, signers);
      const costs = await measureOurs(proxy, registry, images);
      const ours = medians(costs);
      showForm(TITLES[form]);
      showRow({ who: 'countersign', ...ours });
      showRow({ who: '  its very first', wall: costs[0]?.wall });
      const figures: Record<string, number> = { [OURS]: ours.wall };
      for (const tool of tools) {
        const cells = await measureCosign(cosign, tool, registry, form, images);
        showRow(cells, ours.wall);
        if (cells.wall !== undefined) figures[tool] = cells.wall;
      }
      const aims = tools.map((beside) => ({ beside, atMost: 0.1 }));
      rows.push({ what: TITLES[form], unit: 'ms', figures, aims });
      showRow({ who: 'verification alone', cpu: await verifyInMemory(form, signers) });
    }
    showFoot();
    return rows;
  } finally {
    await proxy?.stop();
    await registry.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function explain(cosign: Cosign, tools: readonly CosignTool[]): Promise<void> {
  const lines = [
    `The registry is a stand-in: on loopback, without TLS or tokens, with the Referrers API, and ${DELAY} ms late with`,
    'every answer. Certificates, log entries and timestamps are made by a stand-in for Sigstore; keys are plain keys.',
    `countersign: one process with an empty cache; of each form ${OUR_IMAGES} images by tag, each pulled for the first time,`,
    `one after the other. cosign: one process for each of ${COSIGN_IMAGES} of the same images, by tag, all trust in files.`,
    'Medians; a round trip is a request that waited for the answer to another. "verification alone" has its',
    'signatures in memory: no HTTP, no store.',
  ];
  console.log(lines.join('\n'));
  for (const tool of tools) {
    const starts: number[] = [];
    for (let i = 0; i < COSIGN_IMAGES; i += 1) starts.push((await cosign.start(tool)).wall);
    const version = await cosign.version(tool);
    console.log(
      `${tool} is ${version}; starting it takes ${Math.round(median(starts))} ms of its wall time.`,
    );
  }
  for (const tool of findMissing(TOOLS)) console.log(`${tool} is not on this machine.`);
  const [load = 0] = loadavg();
  console.log(
    `node ${process.version}; load ${load.toFixed(1)} on ${availableParallelism()} processors`,
  );
  if (load > availableParallelism()) {
    console.log(
      'The machine is busy with other work: requests and round trips hold, times are too long.',
    );
  }
  console.log('');
}

function startWith(folder: string, registry: CountingRegistry): Promise<BenchProxy> {
  return startProxy(folder, [
    `upstreams: { lab.local: { url: "http://${registry.host}", insecureHttp: true } }`,
    'trustRoots:',
    '  key: { publicKeys: [./key.pub] }',
    '  instance: { sigstore: { trustedRootFile: ./trusted_root.json } }',
    'policies:',
    ...FORMS.map((form) => {
      const require = JSON.stringify(requirementOf(form));
      return `  - { name: ${form}, match: "lab.local/${form}/**", require: ${require}, tags: { refresh: 1h } }`;
    }),
  ]);
}

async function measureOurs(
  proxy: BenchProxy,
  registry: CountingRegistry,
  images: readonly SignedImage[],
): Promise<readonly Cost[]> {
  const costs: Cost[] = [];
  for (const { repository, tag, digest } of images) {
    registry.asked();
    const [start, cpu] = [performance.now(), proxy.cpu()];
    const url = `${proxy.url}/v2/lab.local/${repository}/manifests/${tag}`;
    const response = await fetch(url, { headers: ACCEPT });
    const text = await response.text();
    const wall = performance.now() - start;
    costs.push({ wall, cpu: proxy.cpu() - cpu, ...registry.asked() });
    if (response.headers.get('docker-content-digest') !== digest) {
      throw new Error(`${url}: ${response.status} ${text}`);
    }
  }
  return costs;
}

async function measureCosign(
  cosign: Cosign,
  tool: CosignTool,
  registry: CountingRegistry,
  form: Form,
  images: readonly SignedImage[],
): Promise<Cells> {
  const costs: Cost[] = [];
  for (const { repository, tag } of images.slice(0, COSIGN_IMAGES)) {
    registry.asked();
    const { wall, cpu, refusal } = await cosign.verify(
      tool,
      form,
      `${registry.host}/${repository}:${tag}`,
    );
    if (refusal !== undefined) return { who: tool, note: `does not take it: ${refusal}` };
    costs.push({ wall, cpu, ...registry.asked() });
  }
  return { who: tool, ...medians(costs) };
}

function medians(costs: readonly Cost[]): Cost {
  const of = (member: keyof Cost): number => median(costs.map((cost) => cost[member]));
  return {
    wall: of('wall'),
    cpu: of('cpu'),
    requests: of('requests'),
    roundTrips: of('roundTrips'),
  };
}
