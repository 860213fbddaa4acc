/** `countersign pins …` beside a proxy that runs, on one cache and one registry. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { startApp } from '../../src/app.ts';
import { openPinsDesk } from '../../src/app/pins-desk.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { pins } from '../../src/cli/pins.ts';
import { loadText } from '../helpers/config-file.ts';
import { putImage } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, createSigner } from '../helpers/signer.ts';

const TEAM = 'team/app';
const V1 = `lab.local/${TEAM}:v1`;

async function open(t: Test, tags = '{}') {
  const registry = await openFakeRegistry(t);
  const signer = createSigner();
  const config = loadText(
    t,
    `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ./cache }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true, default: true } }
trustRoots: { release: { publicKeys: [./release.pub] } }
policies:
  - { name: releases, match: lab.local/**, require: { key: { trustRoot: release } }, tags: ${tags} }
`,
    { inspect: inspectRules, cwd: t.testdirName, files: { 'release.pub': signer.publicPem } },
  );
  const logger = pino({ level: 'silent' });

  /** A command, as a process of its own would run it. */
  const run = async (...args: readonly string[]) => {
    const lines: string[] = [];
    const say = (line: string): void => void lines.push(line);
    const desk = openPinsDesk(config, logger);
    try {
      const code = await pins(args, desk, { json: args[0] === 'show' }, { out: say, err: say });
      return { code, text: lines.join('\n') };
    } finally {
      await desk.close();
    }
  };

  return {
    registry,
    run,
    file: join(t.testdirName, 'pins.lock'),
    put: (name: string, tag?: string) => {
      const image = putImage(registry, TEAM, name, tag === undefined ? {} : { tag });
      cosign2(registry, TEAM, image.digest, signer);
      return image;
    },
    start: async () => {
      const nothing = (): void => undefined;
      const observer = { pull: nothing, blobServed: nothing, digestMismatch: nothing };
      const app = await startApp(config, { logger, observer: { ...observer, request: nothing } });
      t.teardown(() => app.close());
      return async () => {
        const { statusCode, headers, body } = await request(`${app.url}/v2/${TEAM}/manifests/v1`);
        await body.dump();
        return headers['docker-content-digest'] ?? statusCode;
      };
    },
  };
}

t.test('the word of an operator is followed by a proxy that runs', async (t) => {
  const { put, run, start, registry } = await open(t);
  const pull = await start();
  const [old, one] = [put('old'), put('one', 'v1')];
  /** It looks by itself, every so often. */
  const becomes = async (answer: unknown) => {
    while ((await pull()) !== answer) await new Promise(setImmediate);
    t.equal(await pull(), answer);
  };
  t.equal(await pull(), one.digest);
  t.match(await run('move', V1, old.digest), { code: 0, text: /verified at the next pull/ });
  await becomes(old.digest);
  t.match(await run('unfreeze', V1), { code: 0 });
  await becomes(one.digest);
  const evil = putImage(registry, TEAM, 'evil');
  t.match(await run('move', V1, evil.digest), { code: 0 });
  await becomes(403);
  t.match(await run('freeze', V1), { code: 0, text: evil.digest });
  t.match((await run('list')).text, /team\/app:v1 {2}sha256:.*\(frozen, not pulled since\)/);
});

t.test('show tells the whole story', async (t) => {
  const { put, run, start } = await open(t);
  const pull = await start();
  t.match(await run('show', V1), { code: 1, text: /has no pin/ });
  const { digest } = put('one', 'v1');
  await pull();
  const shown = await run('show', 'team/app:v1');
  t.equal(shown.code, 0);
  t.match(JSON.parse(shown.text), {
    reference: V1,
    digest,
    frozen: false,
    history: [{ digest, evidence: /release\.pub of release/ }],
  });
  t.match((await run('list')).text, `${V1}  ${digest}  since `);
});

t.test('a lock file goes round, and is compared with upstream', async (t) => {
  const { put, run, start, file, registry } = await open(t);
  const pull = await start();
  const one = put('one', 'v1');
  await pull();
  t.equal((await run('export', file)).code, 0);
  const text = readFileSync(file, 'utf8');
  t.match(text, `${V1}: ${one.digest}`);
  t.strictSame(await run('diff', file), { code: 0, text: '' });
  const two = put('two', 'v1');
  t.strictSame(await run('diff', file), {
    code: 1,
    text: `- ${V1} ${one.digest}\n+ ${V1} ${two.digest}`,
  });
  registry.deleteTag(TEAM, 'v1');
  t.match(await run('diff', file), { code: 1, text: `+ ${V1} is gone` });
  writeFileSync(file, text.replace(one.digest, two.digest));
  t.match(await run('import', file), { code: 0, text: /1 tag frozen.* 1 of them somewhere else/ });
  t.equal((await run('export', file)).code, 0);
  t.match(readFileSync(file, 'utf8'), `${V1}: ${two.digest}`);
  await registry.close();
  t.match(await run('diff', file), { code: 3, text: /refused/ });
});

t.test('what upstream says is asked without a cache', async (t) => {
  const { put, run, file } = await open(t);
  const { digest } = put('one', 'v1');
  writeFileSync(file, `version: 1\npins: { "${V1}": "${digest}" }`);
  t.equal((await run('diff', file)).code, 0);
  t.notOk(existsSync(join(file, '../cache/records.sqlite')));
});

t.test('who only looks makes no cache', async (t) => {
  const { run, file } = await open(t);
  t.strictSame(await run('list'), { code: 0, text: '' });
  t.equal((await run('show', V1)).code, 1);
  t.equal((await run('export', file)).code, 0);
  const records = join(file, '../cache/records.sqlite');
  t.notOk(existsSync(records));
  t.equal((await run('freeze', V1)).code, 0);
  t.ok(existsSync(records));
});

t.test('a rollback is allowed to where it was held, or is told that it cannot be', async (t) => {
  const { put, run } = await open(t);
  const { digest } = put('one');
  t.match(await run('allow-rollback', V1), { code: 0, text: /whatever upstream says next/ });
  t.match(await run('allow-rollback', V1, digest), { code: 0, text: digest });
  t.match(await run('freeze', V1), { code: 0, text: /it has no pin yet/ });
  t.match(await run('allow-rollback', V1), { code: 1, text: /is frozen/ });
  t.match(await run('unfreeze', V1), { code: 0 });
  t.match(await run('unfreeze', V1), { code: 1, text: /is not frozen/ });
});

t.test('a tag that a rule freezes is let go by no command', async (t) => {
  const { run } = await open(t, '{ freeze: true }');
  t.match(await run('unfreeze', V1), { code: 1, text: /by rule "releases"/ });
  t.match(await run('allow-rollback', V1), { code: 1 });
});

t.test('what makes no sense is 2, and says what', async (t) => {
  const { run, file } = await open(t);
  writeFileSync(file, 'version: 1\npins: { "elsewhere.example/app:v1": "sha256:00" }');
  const mistakes = [
    [[], /expected pins list/],
    [['burn'], /expected pins list/],
    [['list', V1], /expected 0 arguments/],
    [['move', V1], /expected 2 arguments/],
    [['move', V1, 'v2'], /expected a digest/],
    [['freeze', 'UPPER CASE'], /expected/],
    [['freeze', 'elsewhere.example/app:v1'], /no upstream named elsewhere\.example/],
    [['freeze', `lab.local/app@sha256:${'0'.repeat(64)}`], /expected a tag/],
    [['import', file], /pins\.lock: no upstream named/],
    [['diff', 'missing.lock'], /missing\.lock: .*no such file/],
  ] as const;
  for (const [args, text] of mistakes)
    t.match(await run(...args), { code: 2, text }, args.join(' '));
});
