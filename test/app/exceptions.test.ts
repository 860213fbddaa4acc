/** Exceptions through the whole program: from the file to what is served, counted and shown, and taken back by a reload. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { openVerifier, startApp } from '../../src/app.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { verify } from '../../src/cli/verify.ts';
import type { Config } from '../../src/config/config.ts';
import { isJsonObject } from '../../src/oci/json.ts';
import { createObservation } from '../../src/observe/observation.ts';
import { loadText } from '../helpers/config-file.ts';
import { putImage } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { createSigner } from '../helpers/signer.ts';

const TEAM = 'team/app';
const END = '9000-01-01T12:00:00Z';

/** An unsigned image, and configurations on one cache. */
async function setUp(t: Test) {
  const registry = await openFakeRegistry(t);
  const signer = createSigner();
  const image = putImage(registry, TEAM, 'unsigned', { tag: 'v1' });
  // Not the test's own folder, which is emptied for each configuration.
  const path = mkdtempSync(join(tmpdir(), 'countersign-exceptions-'));
  t.teardown(() => {
    rmSync(path, { recursive: true, force: true });
  });
  const configure = (...ends: readonly string[]): Config => {
    const exceptions = ends.map((expires) => ({
      ...{ digest: image.digest, rule: 'releases', reason: 'the vendor signs soon', expires },
    }));
    return loadText(
      t,
      `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ${path} }
upstreams: { lab.local: { url: "${registry.url}", insecureHttp: true } }
trustRoots: { release: { publicKeys: [./release.pub] } }
policies: [{ name: releases, match: lab.local/**, require: { key: { trustRoot: release } } }]
exceptions: ${JSON.stringify(exceptions)}
`,
      { inspect: inspectRules, files: { 'release.pub': signer.publicPem } },
    );
  };
  return { image, configure };
}

t.test('what the file excepts is served and counted until the file says otherwise', async (t) => {
  const { image, configure } = await setUp(t);
  const lines: { msg: string; rule?: string }[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as { msg: string });
  const observation = createObservation({ level: 'info', destination: '/dev/null' });
  t.teardown(observation.close);
  const app = await startApp(configure('2020-02-29'), {
    logger: pino({ level: 'warn' }, { write }),
    observer: observation,
    clock: () => Date.UTC(2026, 0, 1),
  });
  t.teardown(() => app.close());
  const get = async (what: string) => {
    const { statusCode, headers, body } = await request(`${app.url}/v2/lab.local/${TEAM}/${what}`);
    await body.dump();
    return { status: statusCode, warning: headers['warning'] };
  };
  t.match(lines, [
    {
      level: 40,
      rule: 'releases',
      digest: image.digest,
      msg: 'an exception has no effect: an exception was over on 2020-03-01T00:00:00Z: the vendor signs soon',
    },
  ]);
  t.equal((await get('manifests/v1')).status, 403);
  await app.reload(configure(END));
  for (let pull = 0; pull < 3; pull++) {
    const { status, warning } = await get('manifests/v1');
    t.equal(status, 200);
    t.match(
      warning,
      /^299 - "exception until 9000-01-01T12:00:00Z: the vendor signs soon; without/,
    );
  }
  t.equal((await get(`blobs/${image.config}`)).status, 200);
  t.match(
    await observation.metrics.render(),
    /^countersign_exceptions_used_total\{rule="releases"\} 3$/m,
  );
  t.equal(lines.filter(({ msg }) => msg.startsWith('admitted by an exception: ')).length, 1);
  await app.reload(configure());
  t.equal((await get(`blobs/${image.config}`)).status, 403);
  t.equal((await get('manifests/v1')).status, 403);
});

t.test('countersign verify shows it', async (t) => {
  const { image, configure } = await setUp(t);
  const run = async (config: Config, json: boolean) => {
    const verifier = await openVerifier(config, pino({ level: 'silent' }));
    const out: string[] = [];
    const io = { out: (line: string) => out.push(line), err: (line: string) => out.push(line) };
    const code = await verify(`lab.local/${TEAM}:v1`, verifier, { json }, io);
    await verifier.close();
    return { code, text: out.join('\n') };
  };
  const { code, text } = await run(configure(END), false);
  t.equal(code, 0);
  t.match(
    text,
    /ADMITTED BY AN EXCEPTION: exception until 9000-01-01T12:00:00Z: the vendor signs soon; without it it would be refused: unsigned/,
  );
  t.match(text, /signatures {2}none found/);
  const told: unknown = JSON.parse((await run(configure(END), true)).text);
  t.ok(isJsonObject(told));
  t.match(told, {
    outcome: 'admitted',
    signers: [],
    exception: {
      digest: image.digest,
      reason: 'the vendor signs soon',
      expires: '9000-01-01T12:00:00.000Z',
    },
  });
  const over = await run(configure('2020-02-29'), false);
  t.equal(over.code, 1);
  t.match(over.text, /DENIED: unsigned: .*; an exception was over on 2020-03-01T00:00:00Z/);
});
