/**
 * A bundle is carried on a disk, through hands. Whoever has it on the way may change any byte of it, add something, leave
 * something out, or call one signed image by another's name. Whatever is not as it was written is refused as a whole, with
 * the place named, and nothing is written down here. What nobody can see by hashes, because the record was written anew to
 * fit, the seal shows; and without a seal this side's own rules decide, as about everything.
 */
import { closeSync, existsSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import {
  entriesOf,
  entryName,
  json,
  makeExport,
  named,
  tarOfEntries,
  type MadeExport,
} from '../helpers/export-bundle.ts';
import { nodeDiskIo } from '../../src/store/disk-io.ts';
import {
  importFile,
  openImportLab,
  TEAM,
  toExported,
  type ImportLab,
} from '../helpers/import-lab.ts';
import { cosign2, cosign3, statement, putBundle } from '../helpers/signer.ts';

const PEM = 'application/x-pem-file';

interface Setting {
  readonly lab: ImportLab;
  readonly made: MadeExport;
  readonly image: Digest;
  readonly layer: Digest;
  readonly config: Digest;
  readonly child: Digest;
  readonly signature: Digest;
  readonly bundle: Digest;
}

function setUp(t: Test, more = ''): Setting {
  const lab = openImportLab(t, { more });
  const image = lab.signed('one', { tag: 'v1' });
  const referrer = cosign3(lab.content, TEAM, image, lab.signer);
  lab.signed('old', { tag: 'v0' });
  lab.index('multi', ['amd', 'arm']);
  const made = makeExport(lab.content, ['v1', 'v0', 'multi'].map(toExported), {
    files: {
      'trust/release/release.pub': [PEM, Buffer.from(lab.signer.publicPem)],
      'rules.yaml': ['application/vnd.countersign.rules.v1+yaml', Buffer.from('policies: []\n')],
    },
  });
  const sig = `${image.digest.replace(':', '-')}.sig`;
  const found = lab.content.manifest(TEAM, sig);
  const carrier = lab.content.manifest(TEAM, referrer);
  const multi = lab.content.manifest(TEAM, 'multi');
  const firstOf = (bytes: Buffer | undefined, of: 'layers' | 'manifests'): Digest => {
    const parsed = JSON.parse(bytes?.toString() ?? '') as Record<string, { digest: Digest }[]>;
    const digest = parsed[of]?.[0]?.digest;
    if (digest === undefined) throw new Error(`no ${of}`);
    return digest;
  };
  const [layer] = image.layers;
  if (found === undefined || layer === undefined) throw new Error('no signature');
  return {
    ...{ lab, made, image: image.digest, layer, config: image.config },
    child: firstOf(multi?.bytes, 'manifests'),
    signature: firstOf(found.bytes, 'layers'),
    bundle: firstOf(carrier?.bytes, 'layers'),
  };
}

/** Nothing is there: no blob, no record of anything. */
async function refused(t: Test, setting: Setting, entries: Map<string, Buffer>, why: RegExp) {
  const { code, out, err } = await setting.lab.import(tarOfEntries(entries));
  t.equal(code, 1, out);
  t.match(err, why);
  t.notOk(existsSync(join(setting.lab.path, 'v1', 'blobs')), 'no blob was written');
  t.notOk(existsSync(join(setting.lab.path, 'records.sqlite')), 'nothing was written down');
}

const flipped = (bytes: Buffer | undefined): Buffer => {
  const copy = Buffer.from(bytes ?? '');
  const at = Math.floor(copy.length / 2);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

t.test('every file of a bundle, changed by one bit, is refused and named', async (t) => {
  const setting = setUp(t);
  const whole = entriesOf(setting.made, setting.lab.sealer);
  t.ok(whole.size > 20, `${whole.size} files`);
  for (const name of whole.keys()) {
    if (!name.startsWith('blobs/')) continue;
    const entries = new Map(whole);
    entries.set(name, flipped(whole.get(name)));
    const { code, err } = await setting.lab.import(tarOfEntries(entries));
    t.equal(code, 1, name);
    t.ok(err.includes(name), `${name}: ${err}`);
  }
  t.notOk(existsSync(join(setting.lab.path, 'v1', 'blobs')), 'no blob was written');
  const { code, out } = await setting.lab.import(tarOfEntries(whole));
  t.equal(code, 0, out);
});

for (const kind of ['image', 'layer', 'config', 'child', 'signature', 'bundle'] as const) {
  t.test(`a bundle without its ${kind} is refused`, async (t) => {
    const setting = setUp(t);
    const entries = entriesOf(setting.made);
    const name = entryName(setting[kind]);
    t.ok(entries.delete(name));
    await refused(t, setting, entries, new RegExp(`${name} is missing: the record says`));
  });
}

t.test('what is taken out of the record too is missed by what names it', async (t) => {
  const setting = setUp(t);
  const { made, layer, child } = setting;
  made.blobs.delete(layer);
  await refused(
    t,
    setting,
    entriesOf(made),
    new RegExp(`v1: ${layer}, which its manifest .* names`),
  );
  made.blobs.set(layer, Buffer.from('layer of one'));
  made.blobs.delete(child);
  await refused(t, setting, entriesOf(made), new RegExp(`multi: ${child} of its image for linux`));
});

t.test(
  'a layer of another size than its record says, though no blob is missing, is refused',
  async (t) => {
    const setting = setUp(t);
    const { made, layer } = setting;
    made.record.blobs = [...made.blobs].map(([digest, bytes]) => ({
      digest,
      size: bytes.length + (digest === layer ? 1 : 0),
    }));
    await refused(
      t,
      setting,
      entriesOf(made),
      new RegExp(`${entryName(layer)} was changed: expected 13 bytes, got 12`),
    );
  },
);

t.test('what was added is refused: a blob, a file, an entry of the index', async (t) => {
  const setting = setUp(t);
  const whole = entriesOf(setting.made);
  const extra = Buffer.from('extra');
  const name = entryName(digestOf(extra));
  await refused(t, setting, new Map([...whole, [name, extra]]), new RegExp(`${name} was added`));
  await refused(
    t,
    setting,
    new Map([...whole, ['readme.txt', extra]]),
    /the entry "readme\.txt" was added/,
  );
  await refused(
    t,
    setting,
    new Map([...whole, ['blobs/md5/0123', extra]]),
    /the entry "blobs\/md5\/0123" was added/,
  );
  const { made, image } = setting;
  const [first] = made.listed;
  const listed = [...made.listed, { ...first, annotations: named('lab.local/team/app:latest') }];
  await refused(
    t,
    setting,
    entriesOf({ ...made, listed }),
    /index\.json was changed: the entry "lab\.local\/team\/app:latest" .* is not in the record/,
  );
  t.ok(image);
});

t.test('names in the index cannot be swapped, renamed or removed', async (t) => {
  const setting = setUp(t);
  const { made } = setting;
  const at = (tag: string): number =>
    made.listed.findIndex(({ annotations }) => JSON.stringify(annotations).includes(`app:${tag}"`));
  const swapped = made.listed.map((entry) => ({ ...entry }));
  const [v1, v0] = [swapped[at('v1')], swapped[at('v0')]];
  if (v1 === undefined || v0 === undefined) throw new Error('no such images');
  [v1['annotations'], v0['annotations']] = [v0['annotations'], v1['annotations']];
  await refused(t, setting, entriesOf({ ...made, listed: swapped }), /index\.json was changed/);
  const without = made.listed.filter((_entry, index) => index !== at('v0'));
  await refused(
    t,
    setting,
    entriesOf({ ...made, listed: without }),
    /index\.json was changed: the entry "lab\.local\/team\/app:v0" .* is missing/,
  );
  const twoNames = made.listed.map((entry, index) =>
    index === at('v0')
      ? {
          ...entry,
          annotations: {
            ...named('lab.local/team/app:v0'),
            'io.containerd.image.name': 'lab.local/team/app:v9',
          },
        }
      : entry,
  );
  await refused(
    t,
    setting,
    entriesOf({ ...made, listed: twoNames }),
    /has the names .*v0.* and .*v9/,
  );
});

t.test('two images under one name are refused, in the record too', async (t) => {
  const setting = setUp(t);
  const { made } = setting;
  const [first] = made.record.images;
  made.record.images.push({ ...first });
  await refused(t, setting, entriesOf(made), /two images are called lab\.local\/team\/app:/);
});

t.test('a trust root in the bundle cannot be exchanged, nor can its name', async (t) => {
  const setting = setUp(t);
  const { made, lab } = setting;
  const [file, ...others] = made.record.files;
  const theirs = Buffer.from(lab.stranger.publicPem);
  const exchanged = { ...file, digest: digestOf(theirs), size: theirs.length };
  const whole = entriesOf(made);
  const changed = entriesOf({
    ...made,
    record: { ...made.record, files: [exchanged, ...others] },
  });
  changed.set(entryName(digestOf(theirs)), theirs);
  // Either the old record's manifest, which names another layer, or the new one, which nothing else names.
  changed.set('index.json', whole.get('index.json') ?? Buffer.alloc(0));
  await refused(t, setting, changed, /is missing|was added|was changed|there is no/);
});

t.test('the files of a record cannot be swapped behind its back', async (t) => {
  const setting = setUp(t);
  const entries = entriesOf(setting.made);
  const index = JSON.parse(entries.get('index.json')?.toString() ?? '') as {
    manifests: { digest: Digest; size: number }[];
  };
  const record = index.manifests.at(-1);
  if (record === undefined) throw new Error('no record');
  const manifest = JSON.parse(entries.get(entryName(record.digest))?.toString() ?? '') as {
    layers: { annotations?: unknown }[];
  };
  const [, one, two] = manifest.layers;
  if (one === undefined || two === undefined) throw new Error('no files');
  [one.annotations, two.annotations] = [two.annotations, one.annotations];
  entries.delete(entryName(record.digest));
  const swapped = json(manifest);
  Object.assign(record, { digest: digestOf(swapped), size: swapped.length });
  entries.set(entryName(digestOf(swapped)), swapped);
  entries.set('index.json', json(index));
  await refused(
    t,
    setting,
    entries,
    /the files of the record were changed: .* is not in the record/,
  );
});

t.test('a record written anew to fit is what only a seal shows', async (t) => {
  const setting = setUp(t, 'imports: { require: { trustRoot: seals } }');
  const { made, lab } = setting;
  const sealed = entriesOf(made, lab.sealer);
  const unsealed = await lab.import(tarOfEntries(entriesOf(made)));
  t.equal(unsealed.code, 1);
  t.match(
    unsealed.err,
    /asks for a seal by a key of "seals", and the bundle has none: export it with --key/,
  );
  const strange = await lab.import(tarOfEntries(entriesOf(made, lab.stranger)));
  t.equal(strange.code, 1);
  t.match(strange.err, /the bundle's does not count: /);

  // The old image under the new one's name, in index and record alike, beside the seal of what was.
  const old = made.record.images.find(({ reference }) => String(reference).endsWith(':v0'));
  const rename = (name: unknown): string => String(name).replace(':v0', ':v2');
  const forged: MadeExport = {
    ...made,
    listed: made.listed.map((entry) =>
      JSON.stringify(entry).includes('app:v0"')
        ? (JSON.parse(rename(JSON.stringify(entry)).replace(':v0', ':v2')) as typeof entry)
        : entry,
    ),
    record: {
      ...made.record,
      images: made.record.images.map((one) =>
        one === old ? { ...one, reference: rename(one['reference']) } : one,
      ),
    },
  };
  const stolen = entriesOf(forged);
  const index = JSON.parse(stolen.get('index.json')?.toString() ?? '') as { manifests: object[] };
  const original = JSON.parse(sealed.get('index.json')?.toString() ?? '') as {
    manifests: object[];
  };
  const seal = original.manifests.at(-1) as { digest: Digest };
  index.manifests.push(seal);
  stolen.set('index.json', json(index));
  for (const [name, bytes] of sealed) if (!stolen.has(name)) stolen.set(name, bytes);
  const forgedImport = await lab.import(tarOfEntries(stolen));
  t.equal(forgedImport.code, 1);
  t.match(forgedImport.err, /was added|has none|not in the record/);
  const good = await lab.import(tarOfEntries(sealed));
  t.equal(good.code, 0, good.err + good.out);
});

t.test('a layout without a record cannot slip by where a seal is demanded', async (t) => {
  const setting = setUp(t, 'imports: { require: { trustRoot: seals } }');
  const { made, lab } = setting;
  const entries = entriesOf(made);
  const index = JSON.parse(entries.get('index.json')?.toString() ?? '') as { manifests: object[] };
  const images = index.manifests.filter((entry) => JSON.stringify(entry).includes('app:v1"'));
  entries.set('index.json', json({ schemaVersion: 2, manifests: images }));
  const { code, err } = await lab.import(tarOfEntries(entries));
  t.equal(code, 1);
  t.match(err, /this layout is no export of Countersign's: only those can be sealed/);
});

t.test('a record that the index no longer calls one is missed', async (t) => {
  const setting = setUp(t);
  const entries = entriesOf(setting.made);
  const text = entries.get('index.json')?.toString() ?? '';
  const index = JSON.parse(text) as { manifests: { artifactType?: string }[] };
  for (const entry of index.manifests) delete entry.artifactType;
  entries.set('index.json', json(index));
  await refused(t, setting, entries, /its record is no longer what the index lists as such/);
});

t.test(
  'without a seal a forged record leads no tag back: the rules of this side stand',
  async (t) => {
    const setting = setUp(t);
    const { lab } = setting;
    const put = (reference: string, tag: string): Buffer => {
      const found = lab.content.manifest(TEAM, reference);
      if (found === undefined) throw new Error('no such image');
      lab.content.tag(TEAM, tag, found.digest);
      return lab.export([tag]);
    };
    t.equal((await lab.import(put('v0', 'stable'))).code, 0);
    t.equal((await lab.import(put('v1', 'stable'))).code, 0);
    const back = await lab.import(put('v0', 'stable'));
    t.equal(back.code, 1, back.out);
    t.match(back.out, /refused .*the tag stays at sha256:[0-9a-f]{64}: held: .*rollback/);
    const { get } = await lab.serve();
    const { text } = await get('manifests/stable');
    t.equal(digestOf(Buffer.from(text)), setting.image, 'it is where it was');
  },
);

t.test(
  'an unsigned image, and one by a stranger, are refused though the record calls them admitted',
  async (t) => {
    const lab = openImportLab(t);
    lab.image('plain', { tag: 'plain' });
    const theirs = lab.image('theirs', { tag: 'theirs' });
    cosign2(lab.content, TEAM, theirs.digest, lab.stranger);
    lab.signed('good', { tag: 'good' });
    const { code, out } = await lab.import(lab.export(['plain', 'theirs', 'good']));
    t.equal(code, 1);
    t.match(out, /app:plain .* refused .*unsigned/);
    t.match(out, /app:theirs .* refused .*signed by someone else/);
    t.match(out, /app:good .* admitted/);
    const { get } = await lab.serve();
    t.equal((await get('manifests/good')).status, 200);
    for (const what of ['manifests/plain', 'manifests/theirs', `manifests/${theirs.digest}`]) {
      t.equal((await get(what)).status, 503, what);
    }
    t.equal((await get(`blobs/${theirs.layers[0] ?? ''}`)).status, 403);
  },
);

t.test('an attachment that could run is not imported', async (t) => {
  const lab = openImportLab(t);
  const image = lab.signed('one', { tag: 'v1' });
  const runnable = lab.image('evil', {
    changes: {
      subject: {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        ...{ digest: image.digest, size: image.size },
      },
    },
  });
  const { code, out } = await lab.import(lab.export(['v1']));
  t.equal(code, 1);
  t.match(out, new RegExp(`${runnable.digest} .* refused .*unsigned`));
  const { get } = await lab.serve();
  t.equal((await get('manifests/v1')).status, 200);
  t.not((await get(`manifests/${runnable.digest}`)).status, 200);
  t.not((await get(`blobs/${runnable.layers[0] ?? ''}`)).status, 200);
  t.notMatch((await get(`referrers/${image.digest}`)).text, runnable.digest);
});

t.test('a signature about another image, filed under this one, admits nothing', async (t) => {
  const lab = openImportLab(t);
  const image = lab.image('unsigned', { tag: 'v1' });
  const other = lab.signed('other');
  const payload = statement([{ digest: { sha256: other.digest.slice(7) } }]);
  t.ok(putBundle(lab.content, TEAM, image, { payload: payload.toString('base64') }));
  const sig = lab.content.manifest(TEAM, `${other.digest.replace(':', '-')}.sig`);
  if (sig === undefined) throw new Error('no signature');
  lab.content.tag(TEAM, `${image.digest.replace(':', '-')}.sig`, sig.digest);
  const { code, out } = await lab.import(lab.export(['v1']));
  t.equal(code, 1);
  t.match(out, /app:v1 .* refused .*signature invalid/);
});

for (const [what, changes, told] of [
  ['of a registry that is not configured', {}, /other\.example/],
  ['that a rule rejects', { rule: 'reject: "not here"' }, /refused .*not here/],
] as const) {
  t.test(`an image ${what} is refused`, async (t) => {
    const lab = openImportLab(t, changes);
    lab.signed('one', { tag: 'v1' });
    const registry = what.includes('registry') ? 'other.example' : 'lab.local';
    const { code, out } = await lab.import(lab.export(['v1'], { registry }));
    t.equal(code, 1);
    t.match(out, told);
    t.match(out, /app:v1 .* refused/);
  });
}

t.test(
  'in audit mode and where anything is accepted an unsigned image is imported, with a warning or without',
  async (t) => {
    const lab = openImportLab(t, {
      rule: 'require: { key: { trustRoot: release } }\n    mode: audit',
    });
    lab.image('plain', { tag: 'v1' });
    const audited = await lab.import(lab.export(['v1']));
    t.equal(audited.code, 0);
    t.match(audited.out, /admitted .*audit mode: .*unsigned/);
    const served = await lab.serve();
    t.equal((await served.get('manifests/v1')).status, 200);

    const free = openImportLab(t, { rule: 'insecureAcceptAnything: true' });
    const plain = free.image('plain', { tag: 'v1' });
    t.equal((await free.import(free.export(['v1']))).code, 0);
    const { get } = await free.serve();
    t.equal((await get('manifests/v1')).status, 200);
    t.equal((await get(`blobs/${plain.layers[0] ?? ''}`)).status, 200);
  },
);

t.test('the record is listed once, under no name, and its files are there', async (t) => {
  const setting = setUp(t);
  const entries = entriesOf(setting.made);
  const index = JSON.parse(entries.get('index.json')?.toString() ?? '') as {
    manifests: { artifactType?: string }[];
  };
  const { artifactType, ...record } = index.manifests.at(-1) ?? {};
  const annotations = named('lab.local/team/app:v9');
  const withIndex = (manifests: readonly object[]): Map<string, Buffer> =>
    new Map(entries).set('index.json', json({ ...index, manifests }));
  const twice = withIndex([...index.manifests, { ...record, annotations }]);
  await refused(
    t,
    setting,
    twice,
    /index\.json was changed: the entry .*v9.* is not in the record/,
  );
  const called = withIndex([
    ...index.manifests.slice(0, -1),
    { ...record, artifactType, annotations },
  ]);
  await refused(t, setting, called, /is the record or a seal, and is called .*v9/);
  const [file] = setting.made.record.files;
  setting.made.blobs.delete(file?.['digest'] as Digest);
  await refused(t, setting, entriesOf(setting.made), /expected the file "trust\/.* got none/);
});

t.test('a bundle that is edited after it was looked through is refused too', async (t) => {
  const lab = openImportLab(t);
  const layer = Buffer.alloc(600_000, 'a');
  lab.signed('one', { tag: 'v1', layers: [layer] });
  const bundle = lab.export(['v1']);
  const file = join(lab.path, '..', 'edited.tar');
  writeFileSync(file, bundle);
  const create = (path: string) => {
    // When the first blob is written, nothing of the layer was copied.
    const opened = openSync(file, 'r+');
    writeSync(opened, 'EVIL', bundle.indexOf(layer) + 500_000);
    closeSync(opened);
    return nodeDiskIo.create(path);
  };
  const { code, out } = await importFile(file, [], lab.config, { io: { ...nodeDiskIo, create } });
  t.equal(code, 1);
  t.match(out, /refused .*the bundle was changed while it was read: expected sha256:/);
  t.equal((await (await lab.serve()).get('manifests/v1')).status, 503);
});
