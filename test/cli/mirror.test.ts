/** `countersign mirror …` in front of a fake registry: what is admitted, refused and not to be had, and what it costs. */
import { rmSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { startApp } from '../../src/app.ts';
import { openCarryDesk } from '../../src/app/carry-desk.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { mirror } from '../../src/cli/mirror.ts';
import type { Config } from '../../src/config/config.ts';
import { loadText } from '../helpers/config-file.ts';
import { putImage, putIndex } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, cosign3, createSigner } from '../helpers/signer.ts';

const TEAM = 'team/app';
const logger = pino({ level: 'silent' });

async function open(t: Test, port = 0) {
  const registry = await openFakeRegistry(t, { referrersApi: true });
  const signer = createSigner();
  const path = mkdtempSync(join(tmpdir(), 'countersign-mirror-'));
  t.teardown(() => {
    rmSync(path, { recursive: true, force: true });
  });
  const config = (more = `listen: { port: ${port} }`, files = {}): Config =>
    loadText(
      t,
      `
${more}
admin: { port: 0 }
cache: { path: ${path}/cache, prefetch: 4 }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true, default: true } }
trustRoots: { release: { publicKeys: [./release.pub] } }
policies:
  - { name: releases, match: lab.local/**, require: { key: { trustRoot: release } } }
`,
      { inspect: inspectRules, files: { 'release.pub': signer.publicPem, ...files } },
    );
  const file = (name: string, text: string): string => {
    writeFileSync(join(path, name), text);
    return join(path, name);
  };

  /** The command, as a process of its own would run it. */
  const run = async (
    args: readonly string[],
    options: { config?: Config; signal?: AbortSignal } = {},
  ) => {
    const lines: string[] = [];
    const say = (line: string): void => void lines.push(line);
    const { signal = new AbortController().signal, config: own = config() } = options;
    const shown: string[] = [];
    const code = await mirror(args, {
      openDesk: () => openCarryDesk(own, logger, signal),
      terminal: {
        isTty: false,
        columns: () => 80,
        rows: () => 24,
        write: (text) => void shown.push(text),
      },
      readFile: async (name) => readFileSync(name, 'utf8'),
      ...{ signal, io: { out: say, err: say } },
    });
    return { code, text: lines.join('\n'), lines, shown: shown.join('') };
  };
  const signed = (name: string, tag: string) => {
    const image = putImage(registry, TEAM, name, { tag });
    cosign2(registry, TEAM, image.digest, signer);
    return image;
  };
  return { registry, signer, path, config, run, signed, file };
}

t.test(
  'an image is fetched with all that is attached to it, and served without its upstream',
  async (t) => {
    const { registry, signer, run, config } = await open(t);
    const children = ['amd64', 'arm64'].map((name) => putImage(registry, TEAM, name));
    const index = putIndex(registry, TEAM, children, { tag: 'v1' });
    cosign2(registry, TEAM, index.digest, signer);
    const [child = index] = children;
    cosign3(registry, TEAM, { digest: child.digest, size: child.size }, signer);
    const { code, text } = await run([`lab.local/${TEAM}:v1`, '--json']);
    t.equal(code, 0, text);
    const report = JSON.parse(text) as { images: { digest: string; fetched: number }[] };
    t.match(report, {
      images: [{ reference: `lab.local/${TEAM}:v1`, outcome: 'admitted', reasons: [] }],
      totals: { admitted: 1, refused: 0, failed: 0, undone: 0 },
    });
    t.equal(report.images[0]?.digest, index.digest);
    const blobs = registry.asked(/^GET .*\/blobs\//).map(({ url }) => url);
    t.equal(new Set(blobs).size, blobs.length, 'each blob once');
    t.equal(blobs.length, 2 + 2 + 2 + 2, 'configs, layers, two signatures with their configs');

    registry.clearRequests();
    const again = await run([`lab.local/${TEAM}:v1`]);
    t.equal(again.code, 0, again.text);
    t.match(again.text, /1 image, 1 admitted, 0 refused, 0 failed; 0 B fetched/);
    t.strictSame(registry.asked(/blobs/), [], 'no blob is asked for again');

    await registry.close();
    const nothing = (): void => undefined;
    const observer = {
      pull: nothing,
      blobServed: nothing,
      digestMismatch: nothing,
      request: nothing,
    };
    const app = await startApp(config(), { logger, observer });
    t.teardown(() => app.close());
    for (const { layers, config: image } of children) {
      for (const digest of [...layers, image]) {
        const answer = await fetch(`${app.url}/v2/${TEAM}/blobs/${digest}`);
        t.equal(answer.status, 200);
        await answer.arrayBuffer();
      }
    }
  },
);
