import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { findBundle } from '../../src/layout/bundle.ts';
import { LayoutError, type LayoutErrorCode } from '../../src/layout/layout-error.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { findContents } from '../../src/layout/listed-contents.ts';
import { openLayoutFiles } from '../../src/layout/open-files.ts';
import { spool } from '../../src/app/spool.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { createFakeContent } from '../helpers/fake-registry-content.ts';
import { entriesOf, json, layoutEntries, makeExport, named } from '../helpers/export-bundle.ts';
import { putImage, putIndex } from '../helpers/image.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { testdir } from '../helpers/testdir.ts';

function unpack(t: Test, entries: ReadonlyMap<string, Buffer>): string {
  const folder = testdir(t, {});
  for (const [name, bytes] of entries) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return folder;
}

async function open(path: string) {
  return openLayout(await openLayoutFiles(path));
}

async function refuses(
  t: Test,
  work: Promise<unknown>,
  code: LayoutErrorCode,
  why: RegExp,
): Promise<void> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof LayoutError)) throw new Error(`expected ${code}`, { cause: error });
  t.equal(error.code, code, error.message);
  t.match(error.message, why);
}

const marker = json({ imageLayoutVersion: '1.0.0' });
const empty = json({ schemaVersion: 2, manifests: [] });

t.test('links in a folder are refused, wherever they lead', async (t) => {
  const folder = unpack(t, layoutEntries([], new Map()));
  mkdirSync(join(folder, 'blobs'));
  symlinkSync('/etc', join(folder, 'blobs', 'sha256'));
  await refuses(t, open(folder), 'hostile', /"blobs\/sha256" is a link, or no file/);
});

for (const [title, entries, code, why] of [
  ['no marker', { 'index.json': empty }, 'not-a-layout', /without one named "oci-layout"/],
  ['no index', { 'oci-layout': marker }, 'not-a-layout', /one without index\.json/],
  [
    'a marker that is no JSON',
    { 'oci-layout': Buffer.from('{'), 'index.json': empty },
    'not-a-layout',
    /oci-layout: expected JSON/,
  ],
  [
    'another version',
    { 'oci-layout': json({ imageLayoutVersion: '1.1.0' }), 'index.json': empty },
    'not-a-layout',
    /got "1\.1\.0"/,
  ],
  [
    'an index of 5 MiB',
    { 'oci-layout': marker, 'index.json': Buffer.alloc(5 * 1024 * 1024, ' ') },
    'too-large',
    /"index\.json" to have at most 4194304 bytes/,
  ],
  [
    'an index with two readings',
    {
      'oci-layout': marker,
      'index.json': Buffer.from('{"schemaVersion":2,"manifests":[],"manifests":[]}'),
    },
    'not-a-layout',
    /duplicate member/,
  ],
  [
    'an index with a lookalike',
    {
      'oci-layout': marker,
      'index.json': json({ schemaVersion: 2, manifests: [], Manifests: [] }),
    },
    'not-a-layout',
    /"Manifests" is ambiguous/,
  ],
  [
    'an index of too many',
    {
      'oci-layout': marker,
      'index.json': json({ schemaVersion: 2, manifests: Array.from({ length: 20_001 }, () => 0) }),
    },
    'not-a-layout',
    /at most 20000 manifests/,
  ],
  [
    'an index of no descriptors',
    { 'oci-layout': marker, 'index.json': json({ schemaVersion: 2, manifests: [{}] }) },
    'not-a-layout',
    /descriptor with a media type/,
  ],
] as const) {
  t.test(`refuses ${title}`, async (t) => {
    const all = new Map(Object.entries<Buffer>(entries));
    await refuses(t, open(unpack(t, all)), code, why);
  });
}

t.test('content that is not what its name says is not read', async (t) => {
  const digest = digestOf(Buffer.from('right'));
  const folder = unpack(t, layoutEntries([], new Map([[digest, Buffer.from('wrong')]])));
  const layout = await open(folder);
  await refuses(t, layout.read(digest, 100), 'edited', /is not what it names/);
  await refuses(t, layout.read(digest, 4), 'too-large', /at most 4 bytes, got 5/);
  await refuses(t, layout.read(digestOf(Buffer.from('')), 4), 'missing', /there is no/);
});

t.test('two records, and one that is no record, are refused', async (t) => {
  const made = makeExport(createFakeContent(false), []);
  const entries = entriesOf(made);
  const index = JSON.parse(entries.get('index.json')?.toString() ?? '') as { manifests: object[] };
  entries.set(
    'index.json',
    json({ ...index, manifests: [...index.manifests, ...index.manifests] }),
  );
  await refuses(
    t,
    findBundle(await open(unpack(t, entries))),
    'edited',
    /one record of an export, got 2/,
  );
  for (const [change, why] of [
    [{ version: 2 }, /record of version 1, got 2/],
    [{ images: {} }, /"images" to be a list/],
    [{ createdAt: 'soon' }, /createdAt to be a time/],
    [
      { files: [{ path: '../x', digest: digestOf(Buffer.of()), size: 0, mediaType: 'a/b' }] },
      /"\.\.\/x" leads out/,
    ],
    [{ attachments: [{ repository: 'app' }] }, /the full name of a repository, got "app"/],
    [{ images: [{ reference: 'alpine:3' }] }, /the full name of a repository, got "alpine"/],
    [
      { images: [{ reference: 'docker.io/alpine:3' }] },
      /full name of a repository, got "docker\.io\/alpine"/,
    ],
  ] as const) {
    const record = { ...made.record, ...change } as typeof made.record;
    const direct = unpack(t, entriesOf({ ...made, record }));
    const found = open(direct).then(findBundle);
    const error: unknown = await found.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof LayoutError)) throw new Error(String(why), { cause: error });
    t.match(error.message, why);
  }
});

t.test(
  'names of other tools: two images called the same, a digest called by another',
  async (t) => {
    const content = createFakeContent(false);
    const one = putImage(content, 'team/app', 'one');
    const two = putImage(content, 'team/app', 'two');
    const { blobs } = makeExport(content, [
      { path: 'team/app', reference: one.digest },
      { path: 'team/app', reference: two.digest },
    ]);
    const entry = ({ digest, size }: typeof one, name: string) => ({
      ...{ mediaType: OCI_MANIFEST, digest, size },
      annotations: named(name),
    });
    const contents = async (...entries: readonly object[]) =>
      findContents(await open(unpack(t, layoutEntries(entries, blobs))));
    const v1 = 'lab.local/team/app:v1';
    await refuses(
      t,
      contents(entry(one, v1), entry(two, v1)),
      'edited',
      /two images are called lab\.local\/team\/app:v1/,
    );
    const wrong = `lab.local/team/app@${two.digest}`;
    await refuses(t, contents(entry(one, wrong)), 'edited', /is called lab\.local/);
    await refuses(
      t,
      contents({ ...entry(one, v1), mediaType: OCI_INDEX }),
      'edited',
      /the manifest sha256:.* contradicts/,
    );
    await refuses(
      t,
      contents({ ...entry(one, v1), size: 3 }),
      'edited',
      /to have 3 bytes, got \d+/,
    );
    const repository = parseRepository('lab.local', 'team/app');
    const reference = { repository, tag: 'v1' };
    const both = await open(unpack(t, layoutEntries([entry(one, 'a'), entry(two, 'b')], blobs)));
    await refuses(
      t,
      findContents(both, { repository, reference }),
      'unnamed',
      /one image to be called .*v1, got 2/,
    );
    const { images } = await findContents(both, { repository });
    t.strictSame(
      images.map(({ reference: { tag } }) => tag),
      ['a', 'b'],
    );
  },
);

t.test('the manifests of an index that are listed beside it come with it', async (t) => {
  const content = createFakeContent(false);
  const child = putImage(content, 'team/app', 'child');
  const index = putIndex(content, 'team/app', [child], { tag: 'v1' });
  const { blobs } = makeExport(content, [{ path: 'team/app', reference: 'v1' }]);
  const repository = parseRepository('lab.local', 'team/app');
  const reference = { repository, tag: 'v1' };
  const sizeOf = (digest: Digest) => content.manifest('team/app', digest)?.bytes.length;
  const entries = (annotations: object) => [
    { mediaType: OCI_INDEX, digest: index.digest, size: sizeOf(index.digest) },
    { mediaType: OCI_MANIFEST, digest: child.digest, size: sizeOf(child.digest), ...annotations },
  ];
  const oras = await open(unpack(t, layoutEntries(entries({}), blobs)));
  const { images, notes } = await findContents(oras, { repository, reference });
  t.strictSame(
    images.map(({ descriptor: { digest } }) => digest),
    [index.digest],
  );
  t.equal(notes.length, 1, 'nothing is said of its parts');
  const both = await open(unpack(t, layoutEntries(entries({ annotations: named('v2') }), blobs)));
  await refuses(
    t,
    findContents(both, { repository, reference }),
    'unnamed',
    /one image to be called .*v1, got 2/,
  );
});

t.test('what comes through a pipe ends before the disk is full', async (t) => {
  const folder = testdir(t, {});
  async function* input(): AsyncGenerator<Buffer> {
    for (let part = 0; part < 64; part++) yield await Promise.resolve(Buffer.alloc(1024 * 1024));
  }
  let free = 100 * 1024 * 1024;
  const looks = spool(input(), folder, () => Promise.resolve((free -= 20 * 1024 * 1024)));
  await refuses(t, looks, 'unreadable', /too full for what comes through the pipe/);
});
