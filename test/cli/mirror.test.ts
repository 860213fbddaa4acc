/** `countersign mirror …` in front of a fake registry: what is admitted, refused and not to be had, and what it costs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import t from 'tap';
import { startApp } from '../../src/app.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { putImage, putIndex } from '../helpers/image.ts';
import { openMirror as open, TEAM } from '../helpers/mirror-lab.ts';
import { cosign2, cosign3 } from '../helpers/signer.ts';
import { makeAuthority } from '../verify/notation/revocation/made-revocation.ts';

const logger = pino({ level: 'silent' });

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

t.test(
  'a table tells what was refused and what could not be had, and the exit code too',
  async (t) => {
    const { registry, run, signed } = await open(t);
    const { digest } = signed('one', 'v1.10');
    signed('two', 'v1.9');
    putImage(registry, TEAM, 'unsigned', { tag: 'v1.11' });
    signed('other', 'v2.0');
    const all = await run([`${TEAM}:v1.*`, `${TEAM}:gone`, `${TEAM}:v3*`]);
    t.equal(all.code, 1, all.text);
    t.strictSame(
      all.lines.slice(0, -1).map((line) => line.split(/ {2,}/).slice(0, 3)),
      [
        ['REFERENCE', 'DIGEST', 'OUTCOME'],
        [`lab.local/${TEAM}:v1.9`, all.lines[1]?.split(/ +/)[1], 'admitted'],
        [`lab.local/${TEAM}:v1.10`, digest.slice(0, 19), 'admitted'],
        [`lab.local/${TEAM}:v1.11`, '-', 'refused'],
        [`lab.local/${TEAM}:gone`, '-', 'failed'],
        [`lab.local/${TEAM}:v3*`, '-', 'failed'],
      ],
      all.text,
    );
    t.match(all.lines[3], /rule "releases".*no signature/s);
    t.match(all.lines[5], /none of its \d+ tags matches/);
    t.match(all.text, /5 images, 2 admitted, 1 refused, 2 failed; [\d.]+ \S+ fetched$/);
    t.equal((await run([`${TEAM}:v1.9`, `${TEAM}:gone`])).code, 3, 'nothing was refused');
    t.equal((await run([`${TEAM}@${digest}`])).code, 0, 'by digest');
  },
);

t.test('what makes no sense is told before anything is asked', async (t) => {
  const { registry, run, file } = await open(t);
  const told = async (...args: readonly string[]) => {
    const { code, text } = await run(args);
    t.equal(code, 2);
    return text;
  };
  t.match(await told(), /expected references/);
  t.match(await told('UPPER'), /expected a repository name/);
  t.match(await told('lab.local/*/app:v1'), /expected \* in the tag only/);
  t.match(await told('lab.local/app:v*!'), /expected a tag in which/);
  t.match(await told('elsewhere.test/app:v1'), /no upstream named elsewhere.test is configured/);
  t.match(await told(TEAM, '--jobs', '0'), /--jobs: expected a number from 1 to 64/);
  t.match(await told(TEAM, '--platform', 'amd64'), /expected a platform such as/);
  t.match(await told('@/nowhere/list'), /cannot read the list \/nowhere\/list: no such file$/);
  t.match(await told('./app'), /there is no file \.\/app;/);
  t.match(await told('lists/all.yaml'), /there is no file lists\/all\.yaml; an image of that name/);
  t.match(await told(`@${file('huge', '#'.repeat(1024 * 1024 + 1))}`), /larger than 1MiB/);
  const lines = file('list', `${TEAM}:v1\n\nelsewhere.test/app linux/amd64\n${TEAM} linux x\n`);
  await t.rejects(run([lines]), {
    message: `${lines}:3:1 elsewhere.test/app:latest: no upstream named elsewhere.test is configured
${lines}:4:1 expected REFERENCE [PLATFORM,…] on a line`,
  });
  const yaml = file(
    'list.yaml',
    'images:\n  - a:v1\n  - { reference: b, platform: x }\nimage: []\n',
  );
  await t.rejects(run([yaml]), {
    message: `${yaml}:3:21 images[1].platform: unknown key "platform": expected reference or platforms
${yaml}:4:1 image: unknown key "image": expected images or platforms`,
  });
  t.strictSame(registry.requests, []);
});

t.test('lists name images with their platforms, and only those are fetched', async (t) => {
  const { registry, signer, run, signed, file } = await open(t);
  const children = ['a', 'b'].map((name) => putImage(registry, TEAM, name));
  const index = putIndex(registry, TEAM, children, { tag: 'multi' });
  cosign2(registry, TEAM, index.digest, signer);
  signed('one', 'v1');
  const [amd64, arm64] = children;
  const lists = [
    file('list', `# ours\n${TEAM}:multi linux/arm64,linux/arm # only\n${TEAM}:v1\n`),
    file(
      'list.json',
      `{ "images": [{ "reference": "${TEAM}:multi", "platforms": ["linux/arm64"] }] }`,
    ),
    file('also', `platforms: [linux/arm64]\nimages:\n  - ${TEAM}:multi\n  - ${TEAM}:v1\n`),
  ];
  for (const list of lists) {
    const { code, text } = await run([list]);
    t.equal(code, 0, text);
    t.match(text, `lab.local/${TEAM}:multi`);
  }
  const asked = registry.asked(/blobs/).map(({ url }) => url.replace(/.*\//, ''));
  t.ok(arm64?.layers.every((layer) => asked.includes(layer)));
  t.notOk(
    amd64?.layers.some((layer) => asked.includes(layer)),
    'nobody asked for these',
  );
  t.strictSame(registry.asked(new RegExp(`manifests/${amd64?.digest ?? ''}`)), []);
  const { code, text } = await run([`${TEAM}:multi`, '--platform', 'windows/amd64']);
  t.equal(code, 3);
  t.match(text, /it has nothing for windows\/amd64: it has linux\/amd64, linux\/arm64/);
});

t.test('a proxy that runs is asked, by its own certificate', async (t) => {
  const { config, run, signed, registry } = await open(t);
  signed('one', 'v1');
  const fixture = (name: string): string =>
    readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8');
  const files = {
    'c.pem': fixture('test-only-certificate.pem'),
    'k.pem': fixture('test-only-key.pem'),
  };
  const tls = 'tls: { certFile: c.pem, keyFile: k.pem }';
  const nothing = (): void => undefined;
  const observer = {
    pull: nothing,
    blobServed: nothing,
    digestMismatch: nothing,
    request: nothing,
  };
  for (const more of ['', `, ${tls}`]) {
    const app = await startApp(config(`listen: { port: 0${more} }`, files), { logger, observer });
    const { port } = new URL(app.url);
    const beside = config(`listen: { host: 0.0.0.0, port: ${port}${more} }`, files);
    const { code, text } = await run([`${TEAM}:v1`], { config: beside });
    t.equal(code, 0, text);
    if (more !== '') {
      // The certificate of the configuration is its file's first: who listens has the second.
      const others = { ...files, 'c.pem': `${makeAuthority('another').pem}${files['c.pem']}` };
      const another = config(`listen: { port: ${port}${more} }`, others);
      t.match(await run([TEAM], { config: another }), {
        code: 3,
        text: /what answers at .* shows another certificate than listen.tls names/,
      });
    }
    const unknown = config(`listen: { port: 0${more} }`, files);
    t.match(await run([TEAM], { config: unknown }), {
      code: 3,
      text: /is in use, and listen.port is 0/,
    });
    await app.close();
  }
  t.equal(registry.asked(/GET .*blobs/).length, 4, 'one cache for all');
});

t.test('what cannot be attached is noted, and the image stands', async (t) => {
  const { registry, run, signed } = await open(t);
  const { digest, size } = signed('one', 'v1');
  const subject = { mediaType: OCI_MANIFEST, digest, size };
  const runnable = putImage(registry, TEAM, 'evil', { changes: { subject } });
  const other = signed('other', 'v2');
  const manifests = [runnable, other].map((one) => ({
    ...subject,
    digest: one.digest,
    size: one.size,
  }));
  const body = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  registry.fault(new RegExp(`referrers/${digest}`), { kind: 'replace', body });
  const { code, text } = await run([`${TEAM}:v1`]);
  t.equal(code, 0, text);
  t.match(text, `without referrer ${runnable.digest}: `);
  t.match(text, `without referrer ${other.digest}: it is about something else`);
});

t.test('an image of which the cache does not keep everything is not there', async (t) => {
  const { config, run, signed, registry } = await open(t);
  for (const tag of ['v1', 'v2', 'v3']) signed(tag, tag);
  const small = config();
  const tiny = { ...small, cache: { ...small.cache, maxSize: 1500 } };
  const { code, text } = await run([`${TEAM}:v*`, '--jobs', '1'], { config: tiny });
  t.equal(code, 3, text);
  t.match(
    text,
    /blobs did not stay in the cache: its disk may be full, or cache.maxSize too small/,
  );
  t.ok(registry.asked(/blobs/).length > 0);
});

t.test('an interruption ends it with what was done', async (t) => {
  const { registry, run, signed } = await open(t);
  for (const tag of ['v1', 'v2', 'v3']) signed(tag, tag);
  const { layers } = signed('v2', 'v2');
  const interrupted = new AbortController();
  registry.fault(
    ({ url }) => {
      const isIt = url.endsWith(layers[0] ?? '?');
      if (isIt) interrupted.abort();
      return isIt;
    },
    { kind: 'stall' },
  );
  const { signal } = interrupted;
  const { code, text } = await run([`${TEAM}:v*`, '--jobs', '1'], { signal });
  t.equal(code, 130, text);
  t.match(text, /3 images, 1 admitted, 0 refused, 0 failed, 2 not done: interrupted/);
});

t.test('Ctrl-C ends the process with the table so far', async (t) => {
  const { registry, config, signed } = await open(t);
  signed('v1', 'v1');
  const { layers } = signed('v2', 'v2');
  const stuck = Promise.withResolvers<undefined>();
  registry.fault(
    ({ url }) => {
      const isIt = url.endsWith(layers[0] ?? '?');
      if (isIt) stuck.resolve(undefined);
      return isIt;
    },
    { kind: 'stall' },
  );
  const args = ['mirror', `${TEAM}:v*`, '--jobs', '1', '--config', config().file];
  const main = join(import.meta.dirname, '../../src/main.ts');
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = once(child, 'exit');
  const table = text(child.stdout);
  const said = text(child.stderr);
  await stuck.promise;
  child.kill('SIGINT');
  const [code, signal] = (await end) as unknown[];
  t.strictSame([code, signal], [130, null], await said);
  t.match(await table, /2 images, 1 admitted, 0 refused, 0 failed, 1 not done: interrupted/);
});
