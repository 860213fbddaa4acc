/** A configuration that changes on disk, and what becomes of it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Reloader } from '../../src/app/reloader.ts';
import { inspectRules } from '../../src/app/rules.ts';
import type { Config } from '../../src/config/config.ts';
import { filesOf } from '../../src/config/files.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createSigner } from '../helpers/signer.ts';
import { testdir } from '../helpers/testdir.ts';

const MAIN = `
include: [./rules/*.yaml]
cache: { path: ./cache }
upstreams: { lab.local: { url: "https://lab.local", tls: { caFile: ./ca.pem } } }
trustRoots: { release: { publicKeys: [./release.pub] } }
policies: [{ name: main, match: lab.local/**, require: { key: { trustRoot: release } } }]
`;
const RULE = (name: string): string =>
  `policies: [{ name: ${name}, match: lab.local/${name}/**, reject: gone }]\n`;

function open(t: Test) {
  const folder = testdir(t, {
    'main.yaml': MAIN,
    'ca.pem': '-----BEGIN CERTIFICATE-----',
    'release.pub': createSigner().publicPem,
    rules: { 'a.yaml': RULE('a') },
  });
  const file = join(folder, 'main.yaml');
  const read = (): Config => loadConfig(file, { env: {}, inspect: inspectRules, cwd: folder });
  const first = read();
  const running: Config[] = [first];
  const lines: string[] = [];
  const log = (level: string) => (about: unknown, message?: string) =>
    lines.push(`${level}: ${message ?? String(about)}`);
  const logger = { info: log('info'), warn: log('warn'), error: log('error') } as never;
  const reloader = new Reloader(first, read, logger);
  const app = {
    async reload(config: Config): Promise<readonly string[]> {
      running.push(config);
      return config.listen.port === 7777 ? ['listen'] : [];
    },
  };
  const write = (name: string, text: string): void => {
    writeFileSync(join(folder, name), text);
  };
  const names = (): unknown => running.at(-1)?.policies.map(({ name }) => name);
  return { folder, first, running, lines, reloader, app, write, names };
}

t.test('every file that was read is watched, and every folder of included ones', async (t) => {
  const { folder, first } = open(t);
  t.strictSame(
    new Set(filesOf(first)),
    new Set([
      folder,
      ...['main.yaml', 'ca.pem', 'release.pub', 'rules', 'rules/a.yaml'].map((name) =>
        join(folder, name),
      ),
    ]),
  );
});

t.test('a change is put in place, nothing is put in place of itself', async (t) => {
  const { reloader, app, write, lines, running, names } = open(t);
  await reloader.reloadIfChanged(app);
  t.equal(running.length, 1);
  t.strictSame(lines, []);
  write('rules/b.yaml', RULE('b'));
  await reloader.reloadIfChanged(app);
  t.strictSame(names(), ['main', 'a', 'b']);
  t.strictSame(lines, ['info: configuration reloaded']);
  write('release.pub', createSigner().publicPem);
  await reloader.reloadIfChanged(app);
  t.equal(running.length, 3, 'another key is another configuration');
  await reloader.reloadIfChanged(app);
  t.equal(running.length, 3);
  await reloader.reload(app);
  t.equal(running.length, 4, 'whoever asks for it gets it');
});

t.test('a broken file keeps the running one, and is watched', async (t) => {
  const { folder, reloader, app, write, lines, names } = open(t);
  write('rules/b.yaml', 'policies: [{ name: b, oops: 1 }]\n');
  await reloader.reloadIfChanged(app);
  t.strictSame(names(), ['main', 'a']);
  t.strictSame(lines, ['error: the configuration is broken, the running one stays']);
  t.ok(reloader.files.includes(join(folder, 'rules/b.yaml')));
  t.ok(reloader.files.includes(join(folder, 'main.yaml')));
  write('rules/b.yaml', RULE('b'));
  await reloader.reloadIfChanged(app);
  t.strictSame(names(), ['main', 'a', 'b']);
});

t.test('what needs a start is named, and a reload that fails keeps the running one', async (t) => {
  const { reloader, app, write, lines } = open(t);
  write('main.yaml', `${MAIN}listen: { port: 7777 }\n`);
  await reloader.reload(app);
  t.strictSame(lines.splice(0), [
    'info: configuration reloaded',
    'warn: these changes take effect at the next start',
  ]);
  const failing = { reload: () => Promise.reject(new Error('no')) };
  await reloader.reload(failing);
  t.strictSame(lines.splice(0), ['error: the reload failed, the running configuration stays']);
  write('main.yaml', MAIN);
  await reloader.reloadIfChanged(failing);
  t.strictSame(lines.splice(0), ['error: the reload failed, the running configuration stays']);
  await reloader.reloadIfChanged(app);
  t.strictSame(lines, ['info: configuration reloaded'], 'it is tried again');
});
