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

  // Each path fails in its own way the first times it is asked for, and no two paths in a row in the same way.
  const faults: readonly (readonly FaultAction[])[] = [
    [],
    [{ kind: 'truncate', at: LAYER / 2 }],
    [],
    [{ kind: 'reset' }],
    [],
    [{ kind: 'status', status: 503 }],
    [{ kind: 'truncate', at: 0 }],
    [{ kind: 'status', status: 429, headers: { 'retry-after': '0' } }],
    [],
    Array.from({ length: 3 }, (_, index) => ({ kind: 'truncate', at: index === 0 ? 10 : 0 })),
  ];
  const planned = new Map<string, FaultAction[]>();
  const whole = new Map<Digest, number>();
  let killing = Promise.withResolvers<undefined>();
  let left = TAGS;
  let fault: FaultAction | undefined;
  const isSpoiled = (request: FakeRequest): boolean => {
    const { method, url, headers } = request;
    const key = `${method} ${url}`;
    const plan = planned.get(key) ?? [...(faults[planned.size % faults.length] ?? [])];
    planned.set(key, plan);
    const blob = method === 'GET' && url.includes('/blobs/') ? digestIn(url) : undefined;
    fault = plan.shift();
    if (blob === undefined || fault !== undefined) return fault !== undefined;
    if (left-- === 0) killing.resolve(undefined);
    // From here on nothing more arrives until the process is gone.
    if (left < 0) fault = { kind: 'stall', after: 10 };
    else if (headers.range === undefined) whole.set(blob, (whole.get(blob) ?? 0) + 1);
    return fault !== undefined;
  };
  // The match decides, in the same turn, on what is done.
  registry.fault(isSpoiled, {
    get kind() {
      return fault?.kind;
    },
  } as FaultAction);
  t.fail('unfinished');
});
