/** `countersign export …` in front of a fake registry: what is in the bundle, and when there is none. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { openCarryDesk } from '../../src/app/carry-desk.ts';
import { inspectRules } from '../../src/app/rules.ts';
import { exportBundle } from '../../src/cli/export.ts';
import { findBundle, type Bundle } from '../../src/layout/bundle.ts';
import { checkContents, checkRecord } from '../../src/layout/check-bundle.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { openLayoutFiles } from '../../src/layout/open-files.ts';
import { formatReference } from '../../src/oci/reference.ts';
import { blobName, blobsFolder } from '../../src/store/disk-layout.ts';
import { findBrokenSeal } from '../../src/carry/seal.ts';
import { loadText } from '../helpers/config-file.ts';
import { putImage, putIndex } from '../helpers/image.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import { cosign2, cosign3, createSigner, rootOf } from '../helpers/signer.ts';

const TEAM = 'team/app';
const logger = pino({ level: 'silent' });
const NOW = Date.UTC(2026, 0, 2);

async function open(t: Test, rule = 'require: { key: { trustRoot: release } }') {
  const registry = await openFakeRegistry(t, { referrersApi: true });
  const signer = createSigner();
  const path = mkdtempSync(join(tmpdir(), 'countersign-export-'));
  t.teardown(() => {
    rmSync(path, { recursive: true, force: true });
  });
  const config = loadText(
    t,
    `
listen: { port: 0 }
admin: { port: 0 }
cache: { path: ${path}/cache, prefetch: 4 }
upstreams:
  lab.local:
    { url: "${registry.url}", insecureHttp: true, credentials: { username: u, password: "\${SECRET}" } }
trustRoots:
  release: { publicKeys: [./release.pub] }
  other: { publicKeys: [./other.pub] }
policies:
  - { name: releases, match: lab.local/**, ${rule} }
  - { name: others, match: other.local/**, require: { key: { trustRoot: other } } }
`,
    {
      inspect: inspectRules,
      env: { SECRET: 'hidden' },
      files: {
        'release.pub': signer.publicPem,
        'other.pub': createSigner().publicPem,
        'schema.json': '{"type":"object"}',
      },
    },
  );

  /** The command, as a process of its own would run it. */
  const run = async (...args: readonly string[]) => {
    const lines: string[] = [];
    const chunks: Buffer[] = [];
    const output = new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(Buffer.from(chunk));
        done();
      },
    });
    const say = (line: string): void => void lines.push(line);
    const { signal } = new AbortController();
    const clock = (): number => NOW;
    const code = await exportBundle(args, {
      openDesk: () =>
        openCarryDesk(config, { logger, signal, clock, output, env: { COSIGN_PASSWORD: '' } }),
      terminal: { isTty: false, columns: () => 80, rows: () => 24, write: () => undefined },
      readFile: async (name) => readFileSync(name, 'utf8'),
      settle: () => new Promise(setImmediate),
      ...{ signal, io: { out: say, err: say } },
    });
    return { code, text: lines.join('\n'), output: Buffer.concat(chunks) };
  };
  const signed = (name: string, tag: string) => {
    const image = putImage(registry, TEAM, name, { tag });
    cosign2(registry, TEAM, image.digest, signer);
    return image;
  };
  return { registry, signer, path, config, run, signed, file: join(path, 'bundle.tar') };
}

/** Reads a bundle as the other side does, which finds every edit. */
async function read(t: Test, file: string) {
  const layout = await openLayout(await openLayoutFiles(file));
  t.teardown(() => layout.close());
  const bundle = await findBundle(layout);
  if (bundle === undefined) throw new Error('expected a record');
  await checkContents(layout, () => undefined);
  await checkRecord(layout, bundle);
  const fileOf = async (path: string): Promise<string> => {
    const found = bundle.record.files.find((one) => one.path === path);
    if (found === undefined) throw new Error(`no ${path}`);
    return (await layout.read(found.digest, 1_000_000)).toString();
  };
  return { layout, bundle, fileOf };
}

const namesOf = ({ record }: Bundle) =>
  record.images.map(({ reference }) => formatReference(reference));

t.test('a bundle is what the other side expects, and the same bytes each time', async (t) => {
  const { registry, signer, run, file, path } = await open(t);
  const children = ['amd64', 'arm64'].map((name) => putImage(registry, TEAM, name));
  const index = putIndex(registry, TEAM, children, { tag: 'v1' });
  cosign2(registry, TEAM, index.digest, signer);
  const [amd64 = index, arm64 = index] = children;
  const referrer = cosign3(registry, TEAM, arm64, signer);
  cosign2(registry, TEAM, amd64.digest, signer);
  const { code, text } = await run(
    `lab.local/${TEAM}:v1`,
    `lab.local/${TEAM}@${amd64.digest}`,
    '-o',
    file,
  );
  t.equal(code, 0, text);
  t.match(text, /bundle.tar: [\d.]+ KiB, 2 images$/);
  const { bundle, layout, fileOf } = await read(t, file);
  t.strictSame(namesOf(bundle), [`lab.local/${TEAM}:v1`, `lab.local/${TEAM}@${amd64.digest}`]);
  t.match(bundle.record, {
    createdAt: '2026-01-02T00:00:00.000Z',
    images: [{ digest: index.digest, rule: 'releases' }, { digest: amd64.digest }],
    attachments: [
      ...[index, amd64].map(({ digest }) => ({
        ...{ subject: digest, tag: `${digest.replace(':', '-')}.sig` },
      })),
      { subject: arm64.digest, digest: referrer },
    ].sort((one, other) => (one.subject < other.subject ? -1 : 1)),
    files: [{ path: 'rules.yaml' }, { path: 'trust/release/release.pub' }],
  });
  t.equal(await fileOf('trust/release/release.pub'), signer.publicPem);
  t.strictSame(parse(await fileOf('rules.yaml')), {
    trustRoots: { release: { publicKeys: ['trust/release/release.pub'] } },
    policies: [
      { name: 'releases', match: 'lab.local/**', require: { key: { trustRoot: 'release' } } },
    ],
  });
  t.equal(layout.index.at(-1)?.digest, bundle.digest);
  t.notMatch(readFileSync(file).toString('latin1'), 'hidden', 'no password of an upstream');
  const listed = execFileSync('tar', ['-tvf', file, '--full-time', '--utc'], { encoding: 'utf8' });
  for (const line of listed.trimEnd().split('\n')) {
    t.match(line, /^-rw-r--r-- 0\/0 +\d+ 1970-01-01 00:00:00 /);
  }
  t.match(listed, /^\S+ \S+ +\d+ \S+ \S+ oci-layout\n.* index\.json\n.* blobs\/sha256\//);

  const other = join(path, 'other.tar');
  await run(`lab.local/${TEAM}@${amd64.digest}`, `lab.local/${TEAM}:v*`, '-o', other);
  t.ok(readFileSync(other).equals(readFileSync(file)));
  const { output } = await run(
    `lab.local/${TEAM}@${amd64.digest}`,
    `lab.local/${TEAM}:v1`,
    '-o',
    '-',
  );
  t.ok(output.equals(readFileSync(file)), 'to the standard output too');
  t.strictSame(readdirSync(path).sort(), ['bundle.tar', 'cache', 'other.tar']);
});

t.test('platforms: the index and its manifests as they are, layers of those alone', async (t) => {
  const { registry, signer, run, file } = await open(t);
  const children = ['amd64', 'arm64', 's390x'].map((name) => putImage(registry, TEAM, name));
  const index = putIndex(registry, TEAM, children, { tag: 'v1' });
  cosign2(registry, TEAM, index.digest, signer);
  const ref = `lab.local/${TEAM}:v1`;
  const args = ['--platform', 'linux/arm64', '--platform', 'linux/s390x'];
  const { code, text } = await run(ref, ...args, '-o', file);
  t.equal(code, 0, text);
  const { bundle, layout } = await read(t, file);
  t.strictSame(bundle.record.images[0]?.platforms, ['linux/arm64', 'linux/s390x']);
  for (const [at, { digest, config, layers }] of children.entries()) {
    t.ok(layout.blobs.has(digest), 'every manifest');
    t.ok(layout.blobs.has(config), 'every config');
    for (const layer of layers) {
      t.equal(layout.blobs.has(layer), at > 0);
      t.equal(registry.asked(new RegExp(`blobs/${layer}`)).length > 0, at > 0, 'nor fetched');
    }
  }
});

t.test('what is refused is named and left out; of nothing there is no bundle', async (t) => {
  const { registry, run, file, signed } = await open(t);
  signed('good', 'v1');
  putImage(registry, TEAM, 'bad', { tag: 'v2' });
  const some = await run(`lab.local/${TEAM}:v*`, '-o', file);
  t.equal(some.code, 1, some.text);
  t.match(some.text, /v2 +- +refused .*rule "releases"/);
  t.strictSame(namesOf((await read(t, file)).bundle), [`lab.local/${TEAM}:v1`]);
  rmSync(file);
  const none = await run(`lab.local/${TEAM}:v2`, '-o', file);
  t.equal(none.code, 1);
  t.match(none.text, /nothing was written$/);
  t.notOk(existsSync(file));
  t.equal((await run(`lab.local/${TEAM}:v1`)).code, 2, 'no -o');
  const nowhere = await run(`lab.local/${TEAM}:v1`, '-o', '/nowhere/at/all.tar');
  t.equal(nowhere.code, 2);
  t.match(nowhere.text, /cannot write .*no such folder/);
});

t.test(
  'content that is not what it was any more fails the export, and leaves no file',
  async (t) => {
    const { run, file, signed, config, path } = await open(t);
    const { layers } = signed('good', 'v1');
    const ref = `lab.local/${TEAM}:v1`;
    t.equal((await run(ref, '-o', file)).code, 0);
    const before = readFileSync(file);
    const [layer] = layers;
    if (layer === undefined) throw new Error('expected a layer');
    const blob = join(blobsFolder(config.cache.path), blobName(layer));
    const bytes = readFileSync(blob);
    bytes[3] = (bytes[3] ?? 0) ^ 1;
    writeFileSync(blob, bytes);
    const { code, text } = await run(ref, '-o', file);
    t.equal(code, 3);
    t.match(text, `cannot export, nothing was written: expected content of ${layer}, got sha256:`);
    t.ok(readFileSync(file).equals(before), 'the last export stays');
    t.strictSame(readdirSync(path).sort(), ['bundle.tar', 'cache']);
  },
);

t.test('a seal is a signature over the record', async (t) => {
  const { run, file, signed, path } = await open(t);
  signed('good', 'v1');
  const sealing = createSigner();
  const key = join(path, 'seal.pem');
  writeFileSync(key, sealing.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const { code, text } = await run(`lab.local/${TEAM}:v1`, '-o', file, '--key', key);
  t.equal(code, 0, text);
  const { bundle, layout } = await read(t, file);
  t.equal(bundle.seals.length, 1);
  const brokenBy = (root: ReturnType<typeof rootOf>) => {
    const trustRoots = new Map([[root.name, root]]);
    return findBrokenSeal(layout, bundle, { sealedBy: root.name, trustRoots, now: NOW });
  };
  t.equal(await brokenBy(rootOf('seals', sealing)), undefined);
  t.match(await brokenBy(rootOf('seals', createSigner())), /does not count/);
});

t.test('rules are written as they are, with schemas in the place of their files', async (t) => {
  const attestation = `{ type: slsaprovenance1, by: { key: { trustRoot: other } }, schemaFile: schema.json }`;
  const rule = `tags: { refresh: 1h }, require: { anyOf: [{ key: { trustRoot: release } }, { attestation: ${attestation} }] }`;
  const { run, file, signed } = await open(t, rule);
  signed('good', 'v1');
  const { code, text } = await run(`lab.local/${TEAM}:v1`, '-o', file);
  t.equal(code, 0, text);
  const { fileOf } = await read(t, file);
  t.match(parse(await fileOf('rules.yaml')), {
    trustRoots: { release: {}, other: { publicKeys: ['trust/other/other.pub'] } },
    policies: [
      {
        name: 'releases',
        require: { anyOf: [{}, { attestation: { schema: { type: 'object' } } }] },
        tags: { refresh: '1h' },
      },
    ],
  });
});
