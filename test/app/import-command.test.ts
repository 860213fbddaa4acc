/** What `countersign import` does beside a proxy, again, at once, with other people's layouts, and what it says. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { collectGarbage } from '../../src/store/gc.ts';
import { openDiskBlobStoreBeside } from '../../src/store/disk-blob-store.ts';
import { nodeDiskIo } from '../../src/store/disk-io.ts';
import { openSqliteRecords } from '../../src/store/sqlite-records.ts';
import { readUsageStats } from '../../src/store/usage-stats.ts';
import { putApproval } from '../helpers/approval.ts';
import { entriesOf, layoutEntries, makeExport, tarOfEntries } from '../helpers/export-bundle.ts';
import { importFile, openImportLab, TEAM, toExported } from '../helpers/import-lab.ts';
import { cosign2, cosign3, createSigner } from '../helpers/signer.ts';

const KEY = 'application/x-pem-file';

t.test(
  'a running proxy serves what was imported beside it, at once, and has it in its books',
  async (t) => {
    const lab = openImportLab(t);
    const image = lab.signed('one', { tag: 'v1' });
    const { get, close } = await lab.serve();
    t.equal((await get('manifests/v1')).status, 503, 'it is not here');
    t.equal((await lab.import(lab.export(['v1']))).code, 0);
    t.equal((await get('manifests/v1')).status, 200);
    t.equal((await get(`blobs/${image.layers[0] ?? ''}`)).status, 200);
    await close();
    const { pulls, blobs } = readUsageStats(join(lab.path, 'usage.sqlite'), 10);
    t.strictSame(
      pulls.map(({ name, digest }) => [name, digest]),
      [['lab.local/team/app:v1', image.digest]],
    );
    // The image's three, and manifest, config and layer of its signature.
    t.equal(blobs, 6);
    const records = await openSqliteRecords({ file: join(lab.path, 'records.sqlite') });
    t.strictSame(await records.local.listUnadopted(10), []);
    await records.close();
  },
);

t.test(
  'what nobody adopted yet is adopted at the start of a proxy, indexes with their children',
  async (t) => {
    const lab = openImportLab(t);
    lab.index('multi', ['amd', 'arm']);
    t.equal((await lab.import(lab.export(['multi']))).code, 0);
    const { get, close } = await lab.serve();
    t.equal((await get('manifests/multi')).status, 200);
    await close();
    const { blobs, arriving } = readUsageStats(join(lab.path, 'usage.sqlite'), 10);
    t.same({ blobs, arriving }, { blobs: 1 + 2 * 3 + 3, arriving: 0 });
  },
);

t.test('nobody removes what was imported: not to make room, not to tidy up', async (t) => {
  const lab = openImportLab(t);
  lab.index('multi', ['amd', 'arm']);
  t.equal((await lab.import(lab.export(['multi']))).code, 0);
  const { readPolicyKeys } = await import('../../src/app/policy-keys.ts');
  const { readKeep } = await import('../../src/app/rules.ts');
  const { pino } = await import('pino');
  const gc = async () =>
    collectGarbage({
      path: lab.path,
      policyKeys: await readPolicyKeys(lab.config, pino({ level: 'silent' })),
      before: Date.now() + 1000,
      isKept: readKeep(lab.config),
      dryRun: false,
    });
  t.equal((await gc()).unneeded.files, 0, 'before a proxy knows of it');
  const first = await lab.serve();
  await first.close();
  t.equal((await gc()).unneeded.files, 0, 'and after');
  const { get } = await lab.serve();
  const { text } = await get('manifests/multi');
  for (const { digest } of (JSON.parse(text) as { manifests: { digest: string }[] }).manifests) {
    const child = await get(`manifests/${digest}`);
    t.equal(child.status, 200);
    const { layers } = JSON.parse(child.text) as { layers: { digest: string }[] };
    t.equal((await get(`blobs/${layers[0]?.digest ?? ''}`)).status, 200);
  }
});

t.test(
  'imported again, it says that nothing is new; what is new of the next is told',
  async (t) => {
    const lab = openImportLab(t);
    lab.signed('one', { tag: 'v1' });
    const bundle = lab.export(['v1']);
    t.match((await lab.import(bundle)).out, /1 image imported \([1-9][0-9.]+ K?i?B new\), 0 not/);
    const again = await lab.import(bundle);
    t.equal(again.code, 0);
    t.match(again.out, /v1 +sha256:\w+ +admitted +\S+ \S+ +none$/m);
    t.match(again.out, /1 image imported \(0 B new\)/);
    lab.signed('two', { tag: 'v2' });
    const both = await lab.import(lab.export(['v1', 'v2']));
    t.match(both.out, /v1 .* none$/m);
    t.notMatch(both.out, /v2 .* none$/m);
  },
);

t.test('a dry run says the same, and makes nothing', async (t) => {
  const lab = openImportLab(t);
  lab.signed('one', { tag: 'v1' });
  lab.image('plain', { tag: 'plain' });
  const { code, out } = await lab.import(lab.export(['v1', 'plain']), ['--dry-run']);
  t.equal(code, 1);
  t.match(out, /v1 .* admitted/);
  t.match(out, /plain .* refused .*unsigned/);
  t.match(out, /1 image would be imported/);
  t.notOk(existsSync(lab.path));
});

t.test('one import at a time, and no tidying up meanwhile', async (t) => {
  const lab = openImportLab(t);
  lab.signed('one', { tag: 'v1' });
  const bundle = lab.export(['v1']);
  t.equal((await lab.import(bundle)).code, 0);
  const other = await openDiskBlobStoreBeside({ path: lab.path });
  const second = await lab.import(bundle);
  t.equal(second.code, 3);
  t.match(second.err, /another import, or cache gc, works on .*: wait until it is done/);
  const gc = collectGarbage({
    ...{ path: lab.path, policyKeys: new Set<string>(), before: 0, dryRun: true },
    isKept: () => false,
  });
  await t.rejects(gc, { code: 'in-use', message: /an import works on/ });
  await other.close();
  t.equal((await lab.import(bundle)).code, 0);
});

t.test('where there is no room nothing is written, and it is said how to make some', async (t) => {
  const lab = openImportLab(t);
  lab.signed('one', { tag: 'v1', layers: [Buffer.alloc(2 * 1024 * 1024, 'x')] });
  const small = lab.configure();
  const config = { ...small, cache: { ...small.cache, maxSize: 1024 * 1024 } };
  const { code, out } = await lab.import(lab.export(['v1']), [], { config });
  t.equal(code, 3);
  t.match(
    out,
    /v1 .* undetermined .*room for 921\.6 KiB .*raise cache\.maxSize, which is 1\.0 MiB/,
  );
  t.match(out, /nothing was written/);
  t.strictSame(readdirSync(join(lab.path, 'v1', 'blobs')), []);
  // Beside what is here and has to stay there is less.
  const roomy = { ...small, cache: { ...small.cache, maxSize: 3 * 1024 * 1024 } };
  t.equal((await lab.import(lab.export(['v1']), [], { config: roomy })).code, 0);
  await (await lab.serve(roomy)).close();
  lab.signed('two', { tag: 'v2', layers: [Buffer.alloc(1024 * 1024, 'y')] });
  const second = await lab.import(lab.export(['v2']), [], { config: roomy });
  t.equal(second.code, 3);
  t.match(second.out, /beside what has to stay/);
});

t.test('of chosen platforms the others are not servable, not even by half', async (t) => {
  const lab = openImportLab(t);
  lab.index('multi', ['amd', 'arm']);
  const other = lab.content.manifest(TEAM, 'multi')?.bytes.toString() ?? '';
  const [, second] = (JSON.parse(other) as { manifests: { digest: Digest }[] }).manifests;
  const signature = second && cosign2(lab.content, TEAM, second.digest, lab.signer);
  const image = { path: TEAM, reference: 'multi', platforms: ['linux/amd64'] };
  const { code, out } = await lab.import(lab.export([image]));
  t.equal(code, 0, out);
  t.match(out, /multi .* 1 of its platforms is not in the layout/);
  const { get } = await lab.serve();
  const { status, text } = await get('manifests/multi');
  t.equal(status, 200);
  const [amd, arm] = (JSON.parse(text) as { manifests: { digest: string }[] }).manifests;
  t.equal((await get(`manifests/${amd?.digest ?? ''}`)).status, 200);
  t.equal((await get(`manifests/${arm?.digest ?? ''}`)).status, 503, 'its layers are not here');
  const records = await openSqliteRecords({ file: join(lab.path, 'records.sqlite') });
  const repository = { registry: 'lab.local', path: TEAM };
  const kept = signature && (await records.local.findAttachment(repository, signature));
  t.ok(signature);
  t.equal(kept, undefined, 'nor is what is said of them');
  await records.close();
});

t.test('other rules and other keys decide again from what came along', async (t) => {
  const lab = openImportLab(t);
  const image = lab.signed('one', { tag: 'v1' });
  const next = createSigner();
  cosign3(lab.content, TEAM, image, next);
  t.equal((await lab.import(lab.export(['v1']))).code, 0);
  const sig = `${image.digest.replace(':', '-')}.sig`;
  const byOther = await lab.serve(lab.configure({ signer: next }));
  for (const what of ['manifests/v1', `manifests/${image.digest}`, `manifests/${sig}`]) {
    const { status, text } = await byOther.get(what);
    t.equal(status, 200, `${what}: ${text}`);
  }
  await byOther.close();
  const byNobody = await lab.serve(lab.configure({ signer: lab.stranger }));
  t.equal(
    (await byNobody.get('manifests/v1')).status,
    503,
    'upstream might have another signature',
  );
  t.not((await byNobody.get(`blobs/${image.layers[0] ?? ''}`)).status, 200);
  await byNobody.close();
  const twice = await lab.serve(
    lab.configure({ rule: 'require: { allOf: [{ key: { trustRoot: release } }] }' }),
  );
  t.equal((await twice.get(`manifests/${sig}`)).status, 200);
  t.equal((await twice.get('manifests/v1')).status, 200);
});

t.test('a tag moves as the rules of this side say', async (t) => {
  const lab = openImportLab(t);
  const move = (name: string): Buffer => {
    lab.signed(name, { tag: 'stable' });
    return lab.export(['stable']);
  };
  const first = move('first');
  const second = move('second');
  t.equal((await lab.import(first)).code, 0);
  t.equal((await lab.import(second)).code, 0, 'it is followed, however young the pin is');
  t.match((await lab.import(first)).out, /refused .*this is a rollback/);
  const frozen = lab.configure({
    rule: 'require: { key: { trustRoot: release } }\n    tags: { freeze: true }',
  });
  t.match(
    (await lab.import(move('third'), [], { config: frozen })).out,
    /refused .*the tag stays at sha256:[0-9a-f]{64}: the tag is frozen/,
  );
});

t.test('a layout of another tool is imported by its names, or by what it is called', async (t) => {
  const lab = openImportLab(t);
  const { digest } = lab.signed('one', { tag: 'v1' });
  const found = lab.content.manifest(TEAM, digest);
  if (found === undefined) throw new Error('no image');
  const sig = `${digest.replace(':', '-')}.sig`;
  const { blobs } = makeExport(lab.content, [toExported('v1')]);
  const image = { mediaType: OCI_MANIFEST, digest, size: found.bytes.length };
  const signature = lab.content.manifest(TEAM, sig);
  const entry = {
    mediaType: OCI_MANIFEST,
    digest: signature?.digest,
    size: signature?.bytes.length,
  };
  const layout = (name: string | undefined, sigName: string) =>
    layoutEntries(
      [
        { ...image, annotations: name && { 'org.opencontainers.image.ref.name': name } },
        { ...entry, annotations: { 'org.opencontainers.image.ref.name': sigName } },
      ],
      blobs,
    );
  const full = await lab.import(layout('lab.local/team/app:v1', `lab.local/team/app:${sig}`), [
    '--dry-run',
  ]);
  t.equal(full.code, 0, full.out);
  t.match(full.out, /note: it has no record of what was exported/);
  const tags = await lab.import(layout('v1', sig), ['--dry-run', '--as', 'lab.local/team/app']);
  t.match(tags.out, /lab\.local\/team\/app:v1 .* admitted/);
  const called = await lab.import(layout(undefined, sig), ['--as', 'lab.local/team/app:v7']);
  t.match(called.out, /lab\.local\/team\/app:v7 .* admitted/);
  t.equal((await (await lab.serve()).get('manifests/v7')).status, 200);
  const nameless = await lab.import(layout(undefined, sig), ['--dry-run']);
  t.equal(nameless.code, 2);
  t.match(nameless.err, /has no full name \(none\): give --as REGISTRY\/REPOSITORY\[:TAG\]/);

  const folder = join(lab.path, '..', 'folder');
  for (const [name, bytes] of layout('lab.local/team/app:v1', `lab.local/team/app:${sig}`)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  const unpacked = await importFile(folder, [], lab.config);
  t.equal(unpacked.code, 0, unpacked.err);
  // A killed one left them: in a container every process has the same number.
  const spool = join(lab.path, 'v1', 'spool');
  mkdirSync(spool, { recursive: true });
  writeFileSync(join(spool, `${process.pid}-left`), 'half');
  const piped = await importFile('-', ['--dry-run'], lab.config, {
    input: (async function* () {
      const tar = tarOfEntries(layout('lab.local/team/app:v1', `lab.local/team/app:${sig}`));
      for (let at = 0; at < tar.length; at += 1000)
        yield await Promise.resolve(tar.subarray(at, at + 1000));
    })(),
  });
  t.equal(piped.code, 0, piped.err);
  t.strictSame(readdirSync(spool), []);
});

t.test(
  'referrers under a fallback tag, and what is attached to a platform, come along',
  async (t) => {
    const lab = openImportLab(t);
    const image = lab.image('one', { tag: 'v1' });
    const referrer = cosign3(lab.content, TEAM, image, lab.signer);
    const carrier = lab.content.manifest(TEAM, referrer);
    const list = {
      ...{ schemaVersion: 2, mediaType: OCI_INDEX },
      manifests: [{ mediaType: OCI_MANIFEST, digest: referrer, size: carrier?.bytes.length }],
    };
    lab.content.putManifest(TEAM, list, { tag: image.digest.replace(':', '-') });
    const made = makeExport(lab.content, [toExported('v1')]);
    const tagged = made.record.attachments.filter(({ tag }) => tag !== undefined);
    t.equal(tagged.length, 1);
    const listed = made.listed.filter(
      (entry) => !JSON.stringify(entry).includes('dev.countersign'),
    );
    const only = { ...made, listed, record: { ...made.record, attachments: tagged } };
    const { code, out, err } = await lab.import(tarOfEntries(entriesOf(only)));
    t.equal(code, 0, out + err);
    const { get } = await lab.serve();
    t.match((await get(`referrers/${image.digest}`)).text, referrer);
  },
);

t.test(
  '--show tells what a bundle holds and whom this side knows, --extract writes it, neither trusts it',
  async (t) => {
    const lab = openImportLab(t);
    lab.signed('one', { tag: 'v1' });
    const bundle = lab.export(['v1'], {
      files: {
        'trust/theirs/known.pub': [KEY, Buffer.from(lab.signer.publicPem)],
        'trust/theirs/other.pub': [KEY, Buffer.from(lab.stranger.publicPem)],
        'rules.yaml': ['application/vnd.countersign.rules.v1+yaml', Buffer.from('policies: []\n')],
      },
    });
    const { code, out } = await lab.import(bundle, ['--show']);
    t.equal(code, 0);
    t.match(out, /^an export of 2026-01-01T00:00:00Z, not sealed$/m);
    t.match(out, /^ {2}lab\.local\/team\/app:v1 sha256:[0-9a-f]{64}$/m);
    t.match(out, /known\.pub .*\n {4}sha256:[0-9a-f]{64} trusted here as release$/m);
    t.match(out, /other\.pub .*\n {4}sha256:[0-9a-f]{64} not trusted here$/m);
    const json = JSON.parse((await lab.import(bundle, ['--show', '--json'])).out) as {
      seals: number;
    };
    t.equal(json.seals, 0);
    const target = join(lab.path, '..', 'files');
    t.equal((await lab.import(bundle, ['--extract', target])).code, 0);
    t.equal(readFileSync(join(target, 'trust/theirs/known.pub'), 'utf8'), lab.signer.publicPem);
    const again = await lab.import(bundle, ['--extract', target]);
    t.equal(again.code, 2);
    t.match(again.err, /to be empty, or not there yet/);
    t.notOk(existsSync(lab.path), 'nothing was imported');
  },
);

t.test('what makes no sense is said with exit code 2', async (t) => {
  const lab = openImportLab(t);
  lab.signed('one', { tag: 'v1' });
  for (const [args, why] of [
    [[join(lab.path, 'nothing.tar')], /cannot read .*nothing\.tar/],
    [
      [import.meta.filename],
      /expected a tar of an OCI image layout, got a file with another beginning/,
    ],
    [[dirname(import.meta.filename)], /without one named "oci-layout"/],
  ] as const) {
    const { code, err } = await importFile(args[0], [], lab.config);
    t.equal(code, 2);
    t.match(err, why);
  }
  const named = await lab.import(lab.export(['v1']), ['--as', 'lab.local/x']);
  t.equal(named.code, 2);
  t.match(named.err, /has its names: leave --as away/);
  const version = new Map([
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"2.0.0"}')],
    ['index.json', Buffer.from('{"schemaVersion":2,"manifests":[]}')],
  ]);
  t.match((await lab.import(version)).err, /expected imageLayoutVersion "1\.0\.0", got "2\.0\.0"/);
  const json = JSON.parse((await lab.import(lab.export(['v1']), ['--json', '--dry-run'])).out) as {
    outcome: string;
    images: { digest: Digest }[];
  };
  t.equal(json.outcome, 'admitted');
  t.equal(json.images.length, 1);
  t.ok(digestOf(Buffer.from('')));
});

t.test('a disk that does not take it is no word about the image', async (t) => {
  const lab = openImportLab(t);
  lab.signed('one', { tag: 'v1' });
  const bundle = lab.export(['v1']);
  const full = { ...nodeDiskIo, create: () => Promise.reject(new Error('ENOSPC: no space left')) };
  const { code, out } = await lab.import(bundle, [], { io: full });
  t.equal(code, 3);
  t.match(out, /v1 .* undetermined .*the disk of the cache did not take sha256:/);
  const served = await lab.serve();
  t.equal((await served.get('manifests/v1')).status, 503);
  await served.close();
  const database = new DatabaseSync(join(lab.path, 'records.sqlite'));
  database.exec(
    `CREATE TRIGGER full BEFORE INSERT ON verdicts BEGIN SELECT RAISE(ABORT, 'full'); END`,
  );
  const unwritten = await lab.import(bundle);
  t.equal(unwritten.code, 3);
  t.match(unwritten.out, /v1 .* undetermined .*decision not recorded on disk: see to the disk/);
  database.exec('DROP TRIGGER full');
  database.close();
  t.equal((await lab.import(bundle)).code, 0);
});

t.test('of a registry that may be asked, the far side decides by the bundle alone', async (t) => {
  const lab = openImportLab(t, { upstream: 'url: "http://127.0.0.1:9", insecureHttp: true' });
  const image = lab.signed('one', { tag: 'v1' });
  t.equal((await lab.import(lab.export(['v1']))).code, 0);
  const { get } = await lab.serve();
  t.equal((await get('manifests/v1')).status, 200);
  t.equal((await get(`blobs/${image.layers[0] ?? ''}`)).status, 200);
});

t.test('an approval that comes back from where it was carried stays an approval', async (t) => {
  const lab = openImportLab(t);
  const image = lab.image('one', { tag: 'v1' });
  const first = await lab.serve();
  await first.close();
  const records = await openSqliteRecords({ file: join(lab.path, 'records.sqlite') });
  const approval = await putApproval(records.local, image, lab.signer);
  const bundle = JSON.parse(approval.bytes.toString()) as { layers: { digest: Digest }[] };
  const content = await records.local.findContent(bundle.layers[0]?.digest ?? approval.digest);
  lab.content.putManifest(TEAM, approval.bytes);
  lab.content.putBlob(TEAM, content ?? '');
  lab.content.putBlob(TEAM, '{}');
  const { code, out } = await lab.import(lab.export(['v1']));
  t.equal(code, 0, out);
  const repository = { registry: 'lab.local', path: TEAM };
  t.equal((await records.local.findAttachment(repository, approval.digest))?.origin, 'approval');
  const { key } = (await records.local.listApprovals())[0] ?? { key: '' };
  await records.local.revoke({
    ...{ repository, subject: image.digest, keys: [key] },
    ...{ at: 2000, reason: 'no more' },
  });
  const again = await lab.import(lab.export(['v1']));
  t.equal(again.code, 1);
  t.match(again.out, /v1 .* refused .*revoked/);
  await records.close();
});

t.test('a folder that cannot be written to, and files in each other, are told', async (t) => {
  const lab = openImportLab(t);
  lab.signed('one', { tag: 'v1' });
  const taken = join(lab.path, '..', 'taken');
  writeFileSync(taken, '');
  const files = { 'rules.yaml': [KEY, Buffer.from('a')] } as const;
  const { code, err } = await lab.import(lab.export(['v1'], { files }), ['--extract', taken]);
  t.equal(code, 2);
  t.match(err, /cannot write .*taken: EEXIST/);
  const nested = { a: [KEY, Buffer.from('1')], 'a/b': [KEY, Buffer.from('2')] } as const;
  const second = await lab.import(lab.export(['v1'], { files: nested }), ['--show']);
  t.equal(second.code, 1);
  t.match(second.err, /expected "a\/b" to lie in a folder, got a file there/);
});

t.test(
  'a layout without a named image is none, and what belongs to no image is told',
  async (t) => {
    const lab = openImportLab(t);
    const { digest } = lab.signed('one', { tag: 'v1' });
    lab.signed('two', { tag: 'v2' });
    const { blobs, record, listed } = makeExport(lab.content, ['v1', 'v2'].map(toExported));
    const only = layoutEntries(
      listed.filter(({ annotations }) => JSON.stringify(annotations).includes('sha256-')),
      blobs,
    );
    const { code, err } = await lab.import(only);
    t.equal(code, 2);
    t.match(err, /expected an image with a name, got none/);
    const images = record.images.filter((image) => image['digest'] === digest);
    const { registry } = makeExport(lab.content, []);
    const names = listed.filter(
      (entry) =>
        entry['digest'] === digest ||
        record.attachments.some((attachment) => attachment['digest'] === entry['digest']),
    );
    const one = { registry, blobs, listed: names, record: { ...record, images } };
    const second = await lab.import(tarOfEntries(entriesOf(one)));
    t.equal(second.code, 0, second.err);
    t.match(second.out, /note: attachments of nothing that is whole in it, left out: 1/);
  },
);

t.test('a cache folder that cannot be one is told, and is no refusal', async (t) => {
  const lab = openImportLab(t);
  lab.signed('one', { tag: 'v1' });
  const bundle = lab.export(['v1']);
  const file = join(lab.path, '..', 'file');
  writeFileSync(file, bundle);
  const config = { ...lab.config, cache: { ...lab.config.cache, path: join(file, 'cache') } };
  for (const args of [[], ['--dry-run']]) {
    const { code, err } = await lab.import(bundle, args, { config });
    t.equal(code, 3, err);
    t.match(err, /ENOTDIR/);
  }
  const piped = await importFile('-', ['--show'], config, {
    input: (async function* () {
      yield await Promise.resolve(bundle);
    })(),
  });
  t.equal(piped.code, 2);
  t.match(piped.err, /cannot keep what comes through the pipe in .*: put it in a file elsewhere/);
});
