/** `countersign cache …` on real folders. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { cacheGc, cacheScrub, cacheStats, sizeText } from '../../src/cli/cache.ts';
import { digestHex, type Digest } from '../../src/oci/digest.ts';
import type { BlobStore } from '../../src/store/blob-store.ts';
import { openDiskBlobStore } from '../../src/store/disk-blob-store.ts';
import type { GrantRecord } from '../../src/store/records.ts';
import { scrub, type ScrubFinding } from '../../src/store/scrub.ts';
import { openSqliteRecords } from '../../src/store/sqlite-records.ts';
import { kept, kilobytes, openBounded, type Named } from '../store/bounded.ts';
import { filesBelow, type Content } from '../store/sources.ts';
import { testdir } from '../helpers/testdir.ts';

const MAX = 100_000_000;
const NOW = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const [A, B, C] = [kilobytes(1), kilobytes(2), kilobytes(3)];
const [a, b, c] = [kilobytes(100), kilobytes(200), kilobytes(300)];
const NAMED: Named = { A, a, B, b, C, c };
const repository = { registry: 'lab.local', path: 'app' };

function blobPath(path: string, digest: Digest): string {
  const hex = digestHex(digest);
  return join(path, 'v1', 'blobs', 'sha256', hex.slice(0, 2), hex);
}

/** Three images, the first decided under a rule in force, the others under one of before. */
async function fillFolder(path: string): Promise<void> {
  const bounded = await openBounded(path, MAX);
  const records = await openSqliteRecords({ file: join(path, 'records.sqlite') });
  for (const [image, layer, name, policyKey, decidedAt] of [
    [A, a, 'lab.local/app:1', 'in force', NOW - 99 * DAY],
    [B, b, 'lab.local/app:2', 'of before', NOW - 99 * DAY],
    [C, c, 'lab.local/app:3', 'of before', NOW - DAY],
  ] as const) {
    await put(bounded.store, image, layer);
    bounded.store.link(image.digest, [layer.digest]);
    const members = () => [layer.digest];
    bounded.time.now += 60_000;
    bounded.store.pulled({ digest: image.digest, bytes: image.bytes, name, members });
    const key = { repository, policyKey };
    const grant: GrantRecord = {
      ...key,
      kind: 'blob',
      digest: layer.digest,
      because: image.digest,
      mediaType: '',
      size: layer.size,
    };
    const verdict = {
      ...key,
      digest: image.digest,
      mediaType: '',
      size: 1,
      verdict: '{}',
      decidedAt,
    };
    await records.record({ verdict, grants: [grant] });
  }
  await bounded.store.close();
  await records.close();
}

async function put(store: BlobStore, ...contents: readonly Content[]): Promise<void> {
  for (const { digest, bytes } of contents) await store.put(digest, bytes);
}

function terminal(path: string) {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line.replaceAll(path, 'PATH'));
  return { lines, io: { out: say, err: say } };
}

const cacheAt = (path: string) => ({ path, maxSize: MAX, keep: [], prefetch: 0 });

t.test('stats says how much there is and what was pulled last', async (t) => {
  const path = testdir(t);
  await fillFolder(path);
  const { lines, io } = terminal(path);
  t.equal(cacheStats(cacheAt(path), { json: false }, io), 0);
  t.strictSame(lines, [
    'PATH: 592 KiB of 95.4 MiB (1 %)',
    '3 images pulled, 6 blobs, 0 arriving',
    '  1970-01-01T00:03:00.000Z    296 KiB  lab.local/app:3',
    '  1970-01-01T00:02:00.000Z    197 KiB  lab.local/app:2',
    '  1970-01-01T00:01:00.000Z   98.6 KiB  lab.local/app:1',
  ]);
  const json = terminal(path);
  t.equal(cacheStats(cacheAt(path), { json: true }, json.io), 0);
  t.match(JSON.parse(json.lines.join('')), {
    path: 'PATH',
    maxBytes: MAX,
    bytes: 606_000,
    pulls: [{ digest: C.digest, bytes: 303_000 }, {}, {}],
  });
});

t.test('stats of a cache that was never used, or is none', async (t) => {
  const path = testdir(t, { file: '', 'usage.sqlite': 'nothing of ours' });
  const { lines, io } = terminal(path);
  cacheStats(cacheAt(join(path, 'missing')), { json: false }, io);
  t.match(lines, ['PATH/missing: 0 B of 95.4 MiB (0 %)', '0 images pulled, 0 blobs, 0 arriving']);
  t.throws(() => cacheStats(cacheAt(path), { json: false }, io), { code: 'not-a-database' });
});

t.test('scrub takes out what is not what its name says, also beside a proxy', async (t) => {
  const path = testdir(t);
  await fillFolder(path);
  const store = await openDiskBlobStore({ path });
  t.teardown(() => store.close());
  const sound = terminal(path);
  t.equal(await cacheScrub(cacheAt(path), { rate: undefined }, sound.io), 0);
  t.strictSame(sound.lines, ['looked at 6 blobs, 592 KiB: all sound']);

  appendFileSync(blobPath(path, a.digest), 'x');
  writeFileSync(blobPath(path, B.digest), Buffer.alloc(B.size, 1));
  writeFileSync(join(path, 'v1', 'blobs', 'sha256', 'notes.txt'), '');
  mkdirSync(join(path, 'v1', 'blobs', 'sha256', 'zz'));
  writeFileSync(join(path, 'v1', 'blobs', 'sha256', 'zz', 'stray'), 'stray');
  // Nor is anything looked at that lies elsewhere.
  const elsewhere = join(path, 'elsewhere');
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, `aa${'0'.repeat(62)}`), 'stray');
  symlinkSync(elsewhere, join(path, 'v1', 'blobs', 'sha256', 'aa'));
  const { lines, io } = terminal(path);
  t.equal(await cacheScrub(cacheAt(path), { rate: undefined }, io), 1);
  t.strictSame(filesBelow(elsewhere), [`aa${'0'.repeat(62)}`]);
  const hex = ({ digest }: Content): string => digestHex(digest);
  for (const line of [
    `damaged: PATH/v1/blobs/sha256/${hex(a).slice(0, 2)}/${hex(a)} was not what its name says, and is removed`,
    `damaged: PATH/v1/blobs/sha256/${hex(B).slice(0, 2)}/${hex(B)} was not what its name says, and is removed`,
    'foreign: PATH/v1/blobs/sha256/zz/stray is no blob of ours, and is left',
    'looked at 6 blobs, 592 KiB: 3 not sound',
  ]) {
    t.ok(lines.includes(line), line);
  }
  t.equal(kept(path, NAMED), 'A b C c');
  t.equal(await store.open(a.digest, a.size), undefined, 'a proxy at work has it no more');
});

t.test('scrub leaves what took the place of damage', async (t) => {
  const path = testdir(t);
  const file = blobPath(path, c.digest);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, Buffer.alloc(c.size, 1));
  const fresh = join(path, 'fresh');
  writeFileSync(fresh, c.bytes);
  const findings: string[] = [];
  const onProgress = (): void => {
    // While the damaged file is being read.
    if (existsSync(fresh)) renameSync(fresh, file);
  };
  const onFinding = ({ kind }: ScrubFinding): void => void findings.push(kind);
  await scrub({ path, rate: undefined, onProgress, onFinding });
  t.strictSame(findings, ['damaged']);
  t.ok(readFileSync(file).equals(c.bytes));
});

t.test('scrub keeps to its rate, says how far it is, and can be broken off', async (t) => {
  const path = testdir(t);
  const store = await openDiskBlobStore({ path });
  const contents = Array.from({ length: 12 }, (_, index) => kilobytes(500, index));
  await put(store, ...contents);
  await store.close();
  const begun = performance.now();
  const { lines, io } = terminal(path);
  t.equal(await cacheScrub(cacheAt(path), { rate: 2_000_000 }, io), 0);
  t.ok(performance.now() - begun > 2400, 'six megabytes at two in a second');
  t.match(lines[0], /^\d+ blobs, .* MiB, 0 not sound$/);
  t.match(lines.at(-1), /looked at 12 blobs/);
  const signal = AbortSignal.abort();
  const broken = terminal(path);
  t.equal(await cacheScrub(cacheAt(path), { rate: undefined, signal }, broken.io), 0);
  t.match(broken.lines, [/^broken off after 0 blobs/]);
});

async function gc(path: string, change: { keep?: string; dryRun?: boolean } = {}) {
  const { lines, io } = terminal(path);
  const { keep, dryRun = false } = change;
  const policyKeys = new Set(['in force']);
  const isKept = (name: string): boolean => name === keep;
  const options = { path, policyKeys, before: NOW - 30 * DAY, isKept, dryRun };
  const code = await cacheGc(options, io);
  return { code, lines };
}

t.test('gc removes what no decision names, and old decisions under old rules', async (t) => {
  const path = testdir(t);
  await fillFolder(path);
  writeFileSync(join(path, 'v1', 'tmp', 'cut'), 'half');
  const stray = kilobytes(7);
  const unknown = blobPath(path, stray.digest);
  mkdirSync(join(unknown, '..'), { recursive: true });
  writeFileSync(unknown, stray.bytes);
  rmSync(blobPath(path, C.digest));

  const words = (verb: string) => [
    `${verb} 3 files (204 KiB) that no decision names`,
    `${verb} 1 file (4 B) left unfinished`,
    `${verb} 2 decisions under rules and trust roots that are no more`,
    'books: 1 file (6.84 KiB) unknown, 1 file (2.93 KiB) missing',
  ];
  const before = filesBelow(path).sort();
  const dry = await gc(path, { dryRun: true });
  // What it would learn, it does not know yet.
  t.strictSame(dry.lines.slice(1), words('would remove').slice(1));
  t.match(dry.lines[0], /^would remove 2 files \(197 KiB\)/);
  const isBlob = (file: string): boolean => file.startsWith('v1');
  t.strictSame(filesBelow(path).sort().filter(isBlob), before.filter(isBlob));

  t.strictSame(await gc(path), { code: 0, lines: words('removed') });
  t.equal(kept(path, { ...NAMED, stray }), 'A a c');
  t.match((await gc(path)).lines[0], 'removed 0 files (0 B) that no decision names');
});

t.test('gc leaves what was pulled of late, whatever rule it was decided under', async (t) => {
  const path = testdir(t);
  await fillFolder(path);
  const database = new DatabaseSync(join(path, 'usage.sqlite'));
  database.exec(`UPDATE names SET at = ${NOW - DAY} WHERE name = 'lab.local/app:2'`);
  database.close();
  await gc(path);
  t.equal(kept(path, NAMED), 'A a B b C c');
});

t.test('gc touches nothing where there is no cache, or damaged books', async (t) => {
  const path = testdir(t, { empty: {} });
  await t.rejects(gc(join(path, 'empty')), { code: 'absent', message: /expected a cache at/ });
  t.strictSame(filesBelow(join(path, 'empty')), []);
  await fillFolder(path);
  for (const suffix of ['', '-wal', '-shm'])
    rmSync(join(path, `usage.sqlite${suffix}`), { force: true });
  writeFileSync(join(path, 'usage.sqlite'), 'nothing of ours');
  await t.rejects(gc(path), { code: 'not-a-database' });
  t.equal(kept(path, NAMED), 'A a B b C c');
});

t.test('gc leaves what the operator keeps', async (t) => {
  const path = testdir(t);
  await fillFolder(path);
  await gc(path, { keep: 'lab.local/app:2' });
  t.equal(kept(path, NAMED), 'A a B b C c');
});

t.test('gc leaves everything where the decisions were lost', async (t) => {
  const path = testdir(t);
  await fillFolder(path);
  rmSync(join(path, 'records.sqlite'));
  t.match((await gc(path)).lines[0], 'removed 0 files (0 B)');
  t.equal(kept(path, NAMED), 'A a B b C c');
});

t.test('gc leaves the cache of a running proxy alone', async (t) => {
  const path = testdir(t);
  await fillFolder(path);
  const store = await openDiskBlobStore({ path });
  t.teardown(() => store.close());
  const { code, lines } = await gc(path);
  t.equal(code, 1);
  t.match(lines, [/in use by another Countersign process.*makes room by itself/]);
  t.equal(kept(path, NAMED), 'A a B b C c');
});

t.test('sizes are told with three digits', (t) => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [15 * 2 ** 20, '15.0 MiB'],
    [20 * 2 ** 40 * 1000, '20000 TiB'],
  ] as const) {
    t.equal(sizeText(bytes), text);
  }
  t.end();
});
