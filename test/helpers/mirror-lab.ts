/** `countersign mirror …` in front of a fake registry, as a process of its own would run it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import { openCarryDesk } from '../../src/app/carry-desk.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { mirror } from '../../src/cli/mirror.ts';
import type { Config } from '../../src/config/config.ts';
import { loadText } from './config-file.ts';
import { putImage } from './image.ts';
import { openFakeRegistry } from './open-upstream.ts';
import { cosign2, createSigner } from './signer.ts';

export const TEAM = 'team/app';
const logger = pino({ level: 'silent' });

export async function openMirror(t: Test, port = 0) {
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
      openDesk: () => openCarryDesk(own, { logger, signal, env: {} }),
      terminal: {
        isTty: false,
        columns: () => 80,
        rows: () => 24,
        write: (text) => void shown.push(text),
      },
      readFile: async (name) => readFileSync(name, 'utf8'),
      settle: () => new Promise(setImmediate),
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
