/** `countersign mirror …` where something is in the way: lists that are none, a cache in use, output that nobody takes. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import t from 'tap';
import { readText } from '../../src/cli/carry-context.ts';
import { startApp } from '../../src/app.ts';
import type { Config } from '../../src/config/config.ts';
import { lockFolder } from '../../src/store/folder-lock.ts';
import { pino } from 'pino';
import { putImage } from '../helpers/image.ts';
import { openMirror, TEAM } from '../helpers/mirror-lab.ts';
import { makeAuthority } from '../verify/notation/revocation/made-revocation.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const nothing = (): void => undefined;
const observer = { pull: nothing, blobServed: nothing, digestMismatch: nothing, request: nothing };

/** The configuration and its keys on the disk, for a process of its own. */
function onDisk({ registry, path, signer }: Awaited<ReturnType<typeof openMirror>>): string {
  writeFileSync(join(path, 'release.pub'), signer.publicPem);
  writeFileSync(
    join(path, 'config.yaml'),
    `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ${path}/cache }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true } }
trustRoots: { release: { publicKeys: [./release.pub] } }
policies: [{ name: releases, match: lab.local/**, require: { key: { trustRoot: release } } }]
`,
  );
  return join(path, 'config.yaml');
}

t.test('lists of every size and beginning are lists, or are told', async (t) => {
  const { run, file, signed, path } = await openMirror(t);
  signed('one', 'v1');
  const name = `lab.local/${TEAM}:v1`;
  for (const [kind, content] of [
    ['with the mark of Windows', `\uFEFFimages:\r\n  - ${name}\r\n`],
    ['of lines with that mark', `\uFEFF${name}\tlinux/amd64 # one\r\n\r\n`],
    ['that names one image half a million times', `${name}\n`.repeat(47_000)],
  ] as const) {
    const { code, text } = await run([file('list', content)]);
    t.equal(code, 0, kind);
    t.match(text, /1 image, 1 admitted/, kind);
  }
  t.match(await run([file('empty', '# nothing\n')]), { code: 2, text: /names no image/ });
  t.match(await run([file('empty.yaml', 'images: []\n')]), { code: 2, text: /names no image/ });
  t.match(await run([`${name}:*`]), { code: 2, text: /expected one tag, got/ });
  const many = Array.from({ length: 20_001 }, (_, at) => `lab.local/${TEAM}:t${at}\n`).join('');
  t.match(await run([file('many', many)]), { code: 2, text: /at most 20000 images/ });

  mkdirSync(join(path, 'lab.local', 'team'), { recursive: true });
  const here = process.cwd();
  t.teardown(() => {
    process.chdir(here);
  });
  process.chdir(path);
  mkdirSync(join(path, 'redis'));
  t.match(await run(['redis']), { code: 3, text: /lab\.local\/redis:latest/ }, 'no list');
  t.match(await run(['@redis']), { code: 2, text: /cannot read the list redis: it is a folder/ });
});

t.test('what comes through a pipe is bounded, and text', async (t) => {
  async function* endless() {
    for (;;) yield await Promise.resolve(Buffer.alloc(65_536));
  }
  await t.rejects(readText(endless(), 1_000_000), /expected at most 1000000 bytes, got more/);
  const utf16 = (async function* () {
    yield await Promise.resolve(Buffer.from('\uFEFFlab.local/a:1', 'utf16le'));
  })();
  await t.rejects(readText(utf16, 1000), /expected UTF-8 text/);
});

t.test('a proxy that cannot be asked is no refusal', async (t) => {
  const { config, run, signed } = await openMirror(t);
  signed('one', 'v1');
  const app = await startApp(config(), { logger: pino({ level: 'silent' }), observer });
  try {
    const { code, text } = await run([`lab.local/${TEAM}:v1`]);
    t.equal(code, 3);
    t.match(text, /is in use, and listen\.port is 0/);
  } finally {
    await app.close();
  }
});

t.test('a certificate that was renewed on the disk alone is told', async (t) => {
  const { config, run } = await openMirror(t);
  const fixture = (name: string): string =>
    readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8');
  const files = {
    'c.pem': fixture('test-only-certificate.pem'),
    'k.pem': fixture('test-only-key.pem'),
  };
  const tls = 'tls: { certFile: c.pem, keyFile: k.pem }';
  const started = config(`listen: { port: 0, ${tls} }`, files);
  const app = await startApp(started, { logger: pino({ level: 'silent' }), observer });
  try {
    const renewed = makeAuthority('proxy.example').pem;
    const { port } = new URL(app.url);
    const own = config(`listen: { port: ${port}, ${tls} }`, { ...files, 'c.pem': renewed });
    const { code, text } = await run([`lab.local/${TEAM}:v1`], { config: own });
    t.equal(code, 3);
    t.match(text, /shows another certificate than listen\.tls names/);
  } finally {
    await app.close();
  }
});

t.test('the proxy of another cache is not believed', async (t) => {
  const { config, run, registry, path } = await openMirror(t);
  putImage(registry, TEAM, 'unsigned', { tag: 'bad' });
  const own = config();
  const [rule] = own.policies;
  if (rule === undefined) throw new Error('expected a rule');
  const other: Config = {
    ...own,
    cache: { ...own.cache, path: join(path, 'other') },
    policies: [{ ...rule, require: undefined, insecureAcceptAnything: true }],
  };
  const app = await startApp(other, { logger: pino({ level: 'silent' }), observer });
  const lock = await lockFolder(own.cache.path);
  try {
    const listen = `listen: { port: ${new URL(app.url).port} }`;
    const { code, text } = await run([`lab.local/${TEAM}:bad`], { config: config(listen) });
    t.equal(code, 3);
    t.match(text, /2 of its 2 blobs did not stay in the cache: .*another proxy/);
  } finally {
    lock.release();
    await app.close();
  }
});

t.test('a reader that had enough does not change how it ends', async (t) => {
  const lab = await openMirror(t);
  lab.signed('one', 'v1');
  const config = onDisk(lab);
  putImage(lab.registry, TEAM, 'unsigned', { tag: 'bad' });
  const run = async (...args: readonly string[]) => {
    const child = spawn(process.execPath, [MAIN, ...args, '--config', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    const [error, [code]] = await Promise.all([
      text(child.stderr),
      once(child, 'exit') as Promise<[number]>,
    ]);
    return { code, error };
  };
  t.match(await run('mirror', `lab.local/${TEAM}:v1`), { code: 0, error: '' });
  t.match(await run('mirror', `lab.local/${TEAM}:bad`), { code: 1, error: '' });
  const exported = await run('export', `lab.local/${TEAM}:v1`, '-o', '-');
  t.equal(exported.code, 3);
  t.match(
    exported.error,
    /1 image, 1 admitted[\s\S]*cannot export, what was sent is not whole: .*EPIPE/,
  );
  t.notMatch(exported.error, /node:events/);
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'mirror', '--help']);
  t.match(stdout, /countersign mirror REF_OR_LIST/);
});
