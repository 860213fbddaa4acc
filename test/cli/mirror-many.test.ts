/** Two hundred tags over an upstream that fails all the time, by a process that is killed half-way and run again. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { isDigest, type Digest } from '../../src/oci/digest.ts';
import { blobName, blobsFolder } from '../../src/store/disk-layout.ts';
import type { FakeRequest, FaultAction } from '../helpers/fake-registry-reply.ts';
import { putImage } from '../helpers/image.ts';
import type { FakeRegistry } from '../helpers/fake-registry.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, createSigner } from '../helpers/signer.ts';

const TEAM = 'team/app';
const TAGS = 200;
/** Every so many tags there is one without a signature. */
const UNSIGNED = 20;
/** Larger than what a proxy holds back, so that a cut is seen by who asked it. */
const LAYER = 100_000;
const main = join(import.meta.dirname, '../../src/main.ts');

const digestIn = (url: string): Digest | undefined => {
  const last = url.slice(url.lastIndexOf('/') + 1);
  return isDigest(last) ? last : undefined;
};

t.test('mirror of two hundred tags over a flaky upstream', async (t) => {
  const registry = await openFakeRegistry(t);
  const signer = createSigner();
  const folder = mkdtempSync(join(tmpdir(), 'countersign-many-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const base = Buffer.alloc(3 * LAYER, 'base');
  const unsigned: string[] = [];
  for (let number = 0; number < TAGS; number++) {
    const tag = `v${number}`;
    const own = Buffer.alloc(LAYER, `layer ${number} `);
    const { digest } = putImage(registry, TEAM, tag, { tag, layers: [base, own] });
    if (number % UNSIGNED === 7) unsigned.push(tag);
    else cosign2(registry, TEAM, digest, signer);
  }
  writeFileSync(join(folder, 'release.pub'), signer.publicPem);
  const config = join(folder, 'countersign.yaml');
  writeFileSync(
    config,
    `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ${folder}/cache }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true } }
trustRoots: { release: { publicKeys: [./release.pub] } }
policies:
  - { name: releases, match: lab.local/**, require: { key: { trustRoot: release } } }
`,
  );

  const upstream = spoil(registry);
  const run = () =>
    spawn(process.execPath, [main, 'mirror', '--config', config, `lab.local/${TEAM}:*`], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  const first = run();
  const ended = once(first, 'exit');
  upstream.holdAfter(TAGS);
  await upstream.held;
  // What was sent as a whole arrives; what comes after it is stuck.
  const blobs = blobsFolder(join(folder, 'cache'));
  for (const digest of upstream.whole.keys()) {
    while (!existsSync(join(blobs, blobName(digest)))) await new Promise(setImmediate);
  }
  first.kill('SIGKILL');
  await ended;
  const half = upstream.whole.size;
  t.ok(half > 0 && half < 2 * TAGS, 'it was killed half-way');

  upstream.holdAfter(Number.POSITIVE_INFINITY);
  const second = run();
  const [table, progress, code] = await Promise.all([
    text(second.stdout),
    text(second.stderr),
    once(second, 'exit').then(([status]: unknown[]) => status),
  ]);
  t.equal(code, 1, progress);
  const lines = table.trimEnd().split('\n');
  t.equal(lines.length, TAGS + 2);
  t.match(
    lines.at(-1),
    `${TAGS} images, ${TAGS - unsigned.length} admitted, ${unsigned.length} refused, 0 failed`,
  );
  for (const tag of unsigned) {
    const line = lines.find((one) => one.startsWith(`lab.local/${TEAM}:${tag} `));
    t.match(line, /refused.*rule "releases"/);
  }
  const twice = [...upstream.whole].filter(([, times]) => times > 1);
  t.strictSame(twice, [], 'no blob was sent as a whole twice');
  // A config and a layer each, the base, two blobs of a signature each.
  const signatures = TAGS - unsigned.length;
  t.ok(upstream.whole.size <= 3 * signatures + 2, `${upstream.whole.size} blobs`);

  registry.clearRequests();
  const third = run();
  t.equal((await once(third, 'exit'))[0], 1);
  t.strictSame(registry.asked(/GET .*blobs/), [], 'the third time there is nothing to fetch');
});

interface Spoiled {
  /** How often each blob was sent as a whole, by one answer. */
  readonly whole: ReadonlyMap<Digest, number>;
  /** After so many good answers about blobs every further one gets stuck. */
  holdAfter(answers: number): void;
  /** When the first one is stuck. */
  readonly held: Promise<unknown>;
}

/** Each path fails in a way of its own the first times it is asked for. */
function spoil(registry: FakeRegistry): Spoiled {
  const cut: FaultAction = { kind: 'truncate', at: LAYER / 2 };
  const silent: FaultAction = { kind: 'truncate', at: 0 };
  const reset: FaultAction = { kind: 'reset' };
  const busy: FaultAction = { kind: 'status', status: 503 };
  const limited: FaultAction = { kind: 'status', status: 429, headers: { 'retry-after': '0' } };
  const stuck: FaultAction = { kind: 'stall', after: 10 };
  // More of them, and an upstream counts as one that fails, and is left alone for seconds at a time.
  const faults = [[cut], [reset], [silent, cut], [busy], [cut, cut, cut]];
  const ofBlobs = Array.from({ length: 120 }, (_, at): readonly FaultAction[] =>
    at === 60 ? [limited] : at % 6 === 1 ? (faults[((at - 1) / 6) % 5] ?? []) : [],
  );
  // A manifest that breaks off is no decision, and costs its image the seconds after which it may be asked for again.
  const ofOthers = Array.from({ length: 600 }, (_, at): readonly FaultAction[] =>
    at === 300 ? [silent] : at % 30 === 0 ? [reset] : at % 30 === 10 ? [busy] : [],
  );
  const planned = new Map<string, FaultAction[]>();
  const decided = new WeakMap<FakeRequest, FaultAction | 'none'>();
  const whole = new Map<Digest, number>();
  const held = Promise.withResolvers<undefined>();
  let left = Number.POSITIVE_INFINITY;

  function decide(request: FakeRequest): FaultAction | 'none' {
    const { method, url, headers } = request;
    const key = `${method} ${url}`;
    const plans = url.includes('/blobs/') ? ofBlobs : ofOthers;
    const plan = planned.get(key) ?? [...(plans[planned.size % plans.length] ?? [])];
    planned.set(key, plan);
    const fault = plan.shift();
    const digest = method === 'GET' && url.includes('/blobs/') ? digestIn(url) : undefined;
    if (digest === undefined || fault !== undefined) return fault ?? 'none';
    if (left-- <= 0) {
      held.resolve(undefined);
      return stuck;
    }
    if (headers.range === undefined) whole.set(digest, (whole.get(digest) ?? 0) + 1);
    return 'none';
  }

  for (const action of [cut, silent, reset, busy, limited, stuck]) {
    registry.fault((request) => {
      const known = decided.get(request) ?? decide(request);
      decided.set(request, known);
      return known === action;
    }, action);
  }
  return {
    whole,
    held: held.promise,
    holdAfter(answers) {
      left = answers;
    },
  };
}
