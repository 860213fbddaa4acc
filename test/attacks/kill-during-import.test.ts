/**
 * An import is killed, `kill -9`, at any step of its work. What is servable afterwards is whole: of no manifest that is
 * served is a child, a config, a layer or a signature missing, since behind an air gap nobody can fetch it. The next import
 * goes on where the last one ended.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { times } from '../helpers/effort.ts';
import { entriesOf, makeExport, tarOfEntries } from '../helpers/export-bundle.ts';
import { importFile, openImportLab, TEAM, toExported, type Served } from '../helpers/import-lab.ts';
import { cosign3 } from '../helpers/signer.ts';
import { testdir } from '../helpers/testdir.ts';

/** `COUNTERSIGN_HISTORIES=10` kills ten times as many. */
const KILLS = times(40);
const RANDOM_KILLS = Math.ceil(KILLS / 2);
t.setTimeout(600_000 + 10_000 * KILLS);

const env = { PATH: process.env['PATH'], NODE_COMPILE_CACHE: testdir(t) };
const script = join(import.meta.dirname, '..', 'app', 'import-until-killed.ts');

interface Scene {
  readonly lab: ReturnType<typeof openImportLab>;
  readonly bundle: string;
  readonly digests: readonly Digest[];
  /** Manifests, and tags of images. */
  readonly all: number;
}

/** Two signed images that share a layer, and an index of two. */
function setUp(t: Test): Scene {
  const lab = openImportLab(t);
  const shared = Buffer.alloc(300_000, 'shared');
  const one = lab.signed('one', { tag: 'v1', layers: [shared, Buffer.from('one')] });
  cosign3(lab.content, TEAM, one, lab.signer);
  lab.signed('two', { tag: 'v2', layers: [shared, Buffer.from('two')] });
  lab.index('multi', ['amd', 'arm']);
  const made = makeExport(lab.content, ['v1', 'v2', 'multi'].map(toExported));
  const bundle = join(lab.path, '..', 'bundle.tar');
  writeFileSync(bundle, tarOfEntries(entriesOf(made)));
  const { images, attachments } = made.record;
  const children = 2;
  const all = 2 * images.length + children + attachments.length;
  return { lab, bundle, digests: [...made.blobs.keys()], all };
}

/** Asks for everything that the bundle holds; of what is served, all that it names must be too. */
async function checkServed(t: Test, { lab, digests }: Scene, what: string): Promise<number> {
  const served = await lab.serve();
  let whole = 0;
  for (const reference of ['v1', 'v2', 'multi', ...digests]) {
    const { status, body } = await served.get(`manifests/${reference}`);
    if (status !== 200) continue;
    whole++;
    await checkParts(t, served, body, `${what}: ${reference}`);
  }
  await served.close();
  return whole;
}

async function checkParts(t: Test, served: Served, bytes: Buffer, what: string): Promise<void> {
  const manifest = parseManifest(bytes, '');
  if (manifest.kind === 'index') {
    for (const { digest } of manifest.manifests) {
      const { status, body } = await served.get(`manifests/${digest}`);
      if (status === 200) await checkParts(t, served, body, what);
      else t.fail(`${what}: its child ${digest} is ${status}`);
    }
    return;
  }
  for (const { digest } of [manifest.config, ...manifest.layers]) {
    const { status, body } = await served.get(`blobs/${digest}`);
    if (status !== 200 || digestOf(body) !== digest) t.fail(`${what}: its ${digest} is ${status}`);
  }
}

async function finish(t: Test, { lab, bundle }: Scene, what: string): Promise<void> {
  const { code, out, err } = await importFile(bundle, [], lab.config);
  if (code !== 0) t.fail(`${what}: ${out}${err}`);
  const left = readdirSync(join(lab.path, 'v1', 'import', 'tmp'));
  if (left.length > 0) t.fail(`${what}: ${left.length} unfinished files`);
}

t.test('killed at any step of the disk, it leaves nothing half, and goes on', async (t) => {
  const scene = setUp(t);
  const { lab, bundle } = scene;
  const seen = new Set<number>();
  let steps = 0;
  const kill = async (step: number): Promise<boolean> => {
    const child = spawn(process.execPath, [script, lab.config.file, bundle, String(step)], {
      ...{ env, stdio: ['ignore', 'ignore', 'inherit'] as const },
    });
    await once(child, 'exit');
    return child.signalCode !== null;
  };
  rmSync(lab.path, { recursive: true, force: true });
  // How many steps there are, by halves: the work is the same each time.
  const stride = Math.max(1, Math.floor(200 / (KILLS - RANDOM_KILLS)));
  for (let step = 0; ; step += stride) {
    const isKilled = await kill(step);
    if (!isKilled) break;
    steps++;
    seen.add(await checkServed(t, scene, `killed at step ${step}`));
    await finish(t, scene, `after step ${step}`);
    t.equal(await checkServed(t, scene, `whole after step ${step}`), scene.all);
    rmSync(lab.path, { recursive: true, force: true });
  }
  t.ok(steps > 5, `${steps} kills, ${seen.size} states`);
  t.ok(seen.size > 2, `there was nothing, something and more: ${[...seen].join(', ')}`);
});

t.test('killed at random moments, one import after the other in one cache', async (t) => {
  const scene = setUp(t);
  const { lab, bundle } = scene;
  for (let kill = 0; kill < RANDOM_KILLS; kill++) {
    const child = spawn(process.execPath, [script, lab.config.file, bundle], {
      ...{ env, stdio: ['ignore', 'pipe', 'inherit'] as const },
    });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    await delay(Math.random() * 250);
    child.kill('SIGKILL');
    await exited;
    await checkServed(t, scene, `kill ${kill}`);
    // Each second one begins anew.
    if (kill % 2 === 1) rmSync(lab.path, { recursive: true, force: true });
  }
  await finish(t, scene, 'in the end');
  t.equal(await checkServed(t, scene, 'in the end'), scene.all);
});
