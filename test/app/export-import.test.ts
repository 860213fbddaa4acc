/** Over the gap and back into a cache: what one side exports, with approvals of its own, the other decides by its own rules. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pino } from 'pino';
import t from 'tap';
import { startApp } from '../../src/app.ts';
import { openApprovalsDesk } from '../../src/app/approvals-desk.ts';
import { openCarryDesk } from '../../src/app/carry-desk.ts';
import { openImportDesk } from '../../src/app/import-desk.ts';
import { openKeyDesk } from '../../src/app/key-desk.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { approvals } from '../../src/cli/approvals.ts';
import { exportBundle } from '../../src/cli/export.ts';
import { importBundle } from '../../src/cli/import.ts';
import type { ExitCode } from '../../src/cli/io.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { putImage, putIndex } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, cosign3, createSigner } from '../helpers/signer.ts';

const TEAM = 'team/app';
const logger = pino({ level: 'silent' });

t.test(
  'images, signatures and approvals arrive, and only what the other side admits; also over a second gap',
  async (t) => {
    const registry = await openFakeRegistry(t, { referrersApi: true });
    const [vendor, ours, seal] = [createSigner(), createSigner(), createSigner()];
    const folder = mkdtempSync(join(tmpdir(), 'countersign-gap-'));
    t.teardown(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    const file = (name: string): string => join(folder, name);
    for (const [name, signer] of Object.entries({ vendor, ours, seal })) {
      writeFileSync(file(`${name}.pub`), signer.publicPem);
      writeFileSync(
        file(`${name}.key`),
        signer.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      );
    }
    const load = (side: string, upstream: string, more: string, team: string) => {
      const yaml = `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ${file(side)} }
upstreams: { lab.local: { ${upstream} } }
trustRoots:
  vendor: { publicKeys: [vendor.pub] }
  ours: { publicKeys: [ours.pub] }
  seals: { publicKeys: [seal.pub] }
${more}
policies:
  - { name: approved, match: lab.local/approved/**, require: { key: { trustRoot: ours } } }
  - { name: signed, match: lab.local/**, require: { key: { trustRoot: ${team} } } }
`;
      writeFileSync(file(`${side}.yaml`), yaml);
      return loadConfig(file(`${side}.yaml`), { env: {}, inspect: inspectRules });
    };
    const here = load('a', `url: "${registry.url}", insecureHttp: true`, '', 'vendor');
    const offline = 'offline: true, url: "http://127.0.0.1:9", insecureHttp: true';
    const sealed = 'imports: { require: { trustRoot: seals } }';
    const gap = load('b', offline, sealed, 'vendor');
    const there = load('c', offline, sealed, 'vendor');

    const children = ['amd64', 'arm64'].map((name) => putImage(registry, TEAM, name));
    const index = putIndex(registry, TEAM, children, { tag: 'v1' });
    cosign2(registry, TEAM, index.digest, vendor);
    const [child = index] = children;
    const referrer = cosign3(registry, TEAM, child, vendor);
    const approved = putImage(registry, 'approved/app', 'app', { tag: 'v2' });

    const lines: string[] = [];
    const say = (line: string): void => void lines.push(line);
    const io = { out: say, err: say };
    const { signal } = new AbortController();
    const terminal = { isTty: false, columns: () => 80, rows: () => 24, write: () => undefined };
    const expect = async (code: ExitCode, work: Promise<ExitCode>): Promise<void> => {
      t.equal(await work, code, lines.splice(0).join('\n'));
    };
    const exportingFrom = (config: Config, ...args: readonly string[]) =>
      exportBundle([`lab.local/${TEAM}:*`, 'lab.local/approved/app:v2', '-o', ...args], {
        openDesk: () => openCarryDesk(config, { logger, signal, env: {} }),
        ...{ terminal, signal, io },
        readFile: async (name) => readFileSync(name, 'utf8'),
      });
    const exporting = (...args: readonly string[]) => exportingFrom(here, ...args);
    const importing = (config: Config, bundle: string) =>
      importBundle([bundle], {
        openDesk: () => openImportDesk(config, { logger, input: Readable.from([]) }),
        ...{ terminal, io },
      });

    await expect(1, exporting(file('unapproved.tar')));
    const parts = { keys: openKeyDesk({}), open: () => openApprovalsDesk(here, logger) };
    const key = ['--key', file('ours.key'), '--yes'];
    await expect(0, approvals(['approve', 'lab.local/approved/app:v2', ...key], parts, io));
    await expect(0, exporting(file('open.tar')));
    await expect(0, exporting(file('sealed.tar'), '--key', file('seal.key')));
    await registry.close();

    await expect(1, importing(gap, file('open.tar')));
    await expect(0, importing(gap, file('sealed.tar')));
    // Where nobody may be asked there is nothing more than what came along, and nothing to wait for.
    await expect(0, exportingFrom(gap, file('further.tar'), '--key', file('seal.key')));
    await expect(0, importing(there, file('further.tar')));
    const nothing = (): void => undefined;
    const observer = {
      pull: nothing,
      blobServed: nothing,
      digestMismatch: nothing,
      request: nothing,
    };
    const app = await startApp(there, { logger, observer });
    t.teardown(() => app.close());
    const get = async (what: string) => {
      const answer = await fetch(`${app.url}/v2/lab.local/${what}`);
      return { status: answer.status, text: await answer.text() };
    };
    const wanted = [
      `${TEAM}/manifests/v1`,
      `${TEAM}/manifests/${referrer}`,
      `${TEAM}/manifests/${index.digest.replace(':', '-')}.sig`,
      ...children.flatMap(({ digest, config, layers }) => [
        `${TEAM}/manifests/${digest}`,
        ...[config, ...layers].map((blob) => `${TEAM}/blobs/${blob}`),
      ]),
      'approved/app/manifests/v2',
      ...approved.layers.map((blob) => `approved/app/blobs/${blob}`),
    ];
    for (const what of wanted) t.equal((await get(what)).status, 200, what);
    const { text } = await get(`approved/app/referrers/${approved.digest}`);
    t.match(text, 'application/vnd.dev.sigstore.bundle.v0.3+json', 'the approval came along');
    t.match((await get(`${TEAM}/referrers/${child.digest}`)).text, referrer);
  },
);
