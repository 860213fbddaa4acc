/** Images carried through a client that is a script: what is asked how often, and what an end in the middle leaves. */
import t from 'tap';
import { got, type Answer, type Failed } from '../../src/carry/answer.ts';
import { carry, type CarryParts } from '../../src/carry/carry.ts';
import type { ProxyClient, ServedManifest } from '../../src/carry/proxy-client.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';

const repository = { registry: 'lab.local', path: 'team/app' };
const ABSENT: Failed = { outcome: 'absent', message: 'there is none' };
const nothing = (): void => undefined;
const quiet = { count: nothing, begun: nothing, bytes: nothing, ended: nothing };

/** A proxy that has these manifests and every blob. */
function script() {
  const manifests = new Map<string, ServedManifest>();
  const asked: string[] = [];
  const client: ProxyClient = {
    async manifest(_repository, reference): Promise<Answer<ServedManifest>> {
      asked.push(reference);
      const found = manifests.get(reference);
      return await Promise.resolve(found === undefined ? ABSENT : got(found));
    },
    isKept: async () => await Promise.resolve(got(false)),
    fetchBlob: async (_repository, blob) => await Promise.resolve(got(blob)),
    openBlob: () => {
      throw new Error('nobody opens it');
    },
    referrers: async () => await Promise.resolve(got([])),
    tags: async () => await Promise.resolve(got([])),
  };
  const put = (json: object, tag?: string): { digest: Digest; size: number } => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...json }));
    const digest = digestOf(bytes);
    const served = { bytes, digest, manifest: parseManifest(bytes, ''), warning: undefined };
    for (const name of [digest, ...(tag === undefined ? [] : [tag])]) manifests.set(name, served);
    return { digest, size: bytes.length };
  };
  const image = (name: string, tag?: string, size = blob('shared').size) =>
    put(
      {
        mediaType: OCI_MANIFEST,
        config: { mediaType: 'a/config', ...blob(name) },
        layers: [{ mediaType: 'a/layer', ...blob('shared'), size }],
      },
      tag,
    );
  const index = (children: readonly object[], tag?: string) =>
    put(
      {
        mediaType: OCI_INDEX,
        manifests: children.map((child) => ({ mediaType: OCI_INDEX, ...child })),
      },
      tag,
    );
  const artifact = (name: string, { digest, size }: { digest: Digest; size: number }) =>
    put({
      mediaType: OCI_MANIFEST,
      artifactType: 'a/statement',
      config: { mediaType: 'a/config', ...blob(name) },
      layers: [],
      subject: { mediaType: OCI_MANIFEST, digest, size },
    });
  return { client, asked, image, index, artifact };
}

function blob(name: string) {
  return { digest: digestOf(Buffer.from(name)), size: name.length };
}

function run(client: ProxyClient, tags: readonly string[], more: Partial<CarryParts> = {}) {
  const wanted = tags.map((tag) => ({ reference: { repository, tag }, platforms: undefined }));
  const { signal } = new AbortController();
  const settle = () => Promise.resolve();
  return carry(wanted, {
    ...{ client, jobs: 1, watch: quiet, signal, settle, withOthers: false, keepImages: true },
    ...more,
  });
}

t.test('an interruption at the last look says nothing about the images', async (t) => {
  const { client, image } = script();
  image('one', 'v1');
  image('two', 'v2');
  const stop = new AbortController();
  const fetched = new Set<Digest>();
  const list = await run(
    {
      ...client,
      fetchBlob: async (_repository, content) => {
        fetched.add(content.digest);
        return await Promise.resolve(got(content));
      },
      async isKept(_repository, { digest }) {
        if (fetched.size < 3) return got(false);
        stop.abort();
        const interrupted: Failed = { outcome: 'failed', message: `interrupted at ${digest}` };
        return await Promise.resolve(interrupted);
      },
    },
    ['v1', 'v2'],
    { signal: stop.signal },
  );
  t.match(list, {
    interrupted: true,
    undone: 0,
    rows: [
      { outcome: 'admitted', reasons: [] },
      { outcome: 'admitted', reasons: [] },
    ],
  });
});

t.test('a proxy that is gone at the last look is what is told', async (t) => {
  const { client, image } = script();
  image('one', 'v1');
  let fetched = 0;
  const list = await run(
    {
      ...client,
      fetchBlob: async (_repository, content) => {
        fetched++;
        return await Promise.resolve(got(content));
      },
      isKept: async () =>
        await Promise.resolve(
          fetched < 2 ? got(false) : { outcome: 'failed', message: 'ECONNREFUSED' },
        ),
    },
    ['v1'],
  );
  t.match(list.rows, [{ outcome: 'failed', reasons: [/could not be seen .*ECONNREFUSED/] }]);
  t.strictSame(list.images, []);
});

t.test('what could not be had with all patience is not waited for again', async (t) => {
  const { client, image } = script();
  const tags = Array.from({ length: 20 }, (_, at) => `v${at}`);
  for (const tag of tags) image(tag, tag);
  const shared = blob('shared').digest;
  let asked = 0;
  const list = await run(
    {
      ...client,
      async fetchBlob(_repository, content) {
        if (content.digest !== shared) return got(content);
        asked++;
        return await Promise.resolve({ outcome: 'failed', message: 'the upstream is down' });
      },
    },
    tags,
    { jobs: 4 },
  );
  t.equal(asked, 1);
  t.equal(list.rows.filter(({ reasons }) => reasons[0] === 'the upstream is down').length, 20);
});

t.test('a failure stays one, whatever ends after it', async (t) => {
  const { client, image } = script();
  image('late', 'v1');
  const late = blob('late').digest;
  const list = await run(
    {
      ...client,
      async fetchBlob(_repository, content) {
        if (content.digest !== late) return { outcome: 'refused', message: 'it is not for you' };
        await new Promise(setImmediate);
        return got(content);
      },
    },
    ['v1'],
  );
  t.match(list.rows, [{ outcome: 'refused', reasons: ['it is not for you'] }]);
});

t.test('an image with a wrong size takes nothing from the others', async (t) => {
  const { client, image } = script();
  image('one', 'v1');
  const { digest, size } = blob('shared');
  image('two', 'v2', size + 1);
  const list = await run(
    {
      ...client,
      async fetchBlob(_repository, content) {
        const isWrong = content.digest === digest && content.size !== size;
        return await Promise.resolve(
          isWrong ? { outcome: 'failed', message: 'another size' } : got(content),
        );
      },
    },
    ['v2', 'v1'],
  );
  t.match(list.rows, [{ outcome: 'failed', reasons: ['another size'] }, {}]);
  t.notMatch(list.rows[1]?.reasons, ['another size']);
});

t.test('attachments of attachments without end are left out, and the image stands', async (t) => {
  const { client, image, artifact } = script();
  const top = image('one', 'v1');
  const direct = Array.from({ length: 5 }, (_, at) => artifact(`direct ${at}`, top));
  let asked = 0;
  let made = 0;
  const list = await run(
    {
      ...client,
      manifest: (place, reference) => {
        asked++;
        return client.manifest(place, reference);
      },
      async referrers(_repository, subject) {
        const found =
          subject === top.digest
            ? direct
            : Array.from({ length: 900 }, () =>
                artifact(`made ${made++}`, { digest: subject, size: 1 }),
              );
        const told = { artifactType: undefined, annotations: undefined };
        return await Promise.resolve(got(found.map(({ digest }) => ({ digest, ...told }))));
      },
      isKept: async () => await Promise.resolve(got(true)),
    },
    ['v1'],
  );
  t.match(list.rows, [
    { outcome: 'admitted', reasons: [/without some of what is attached to its/] },
  ]);
  t.ok(asked < 6000, `asked ${asked} times`);
  const kept = new Set(list.images[0]?.attached.map(({ served }) => served.digest));
  t.ok(
    direct.every(({ digest }) => kept.has(digest)),
    'what is attached to the image itself stays',
  );
});

t.test('a platform that an index does not have is told', async (t) => {
  const { client, image, index } = script();
  const platform = { os: 'linux', architecture: 'arm64', variant: 'v8' };
  index([{ ...image('one'), mediaType: OCI_MANIFEST, platform }], 'v1');
  const carried = async (...platforms: readonly string[]) => {
    const { signal } = new AbortController();
    const { rows } = await carry([{ reference: { repository, tag: 'v1' }, platforms }], {
      ...{ client: { ...client, isKept: async () => await Promise.resolve(got(true)) } },
      ...{ jobs: 1, watch: quiet, signal, withOthers: false, keepImages: false },
    });
    return rows;
  };
  t.match(await carried('linux/arm64'), [{ outcome: 'admitted', reasons: [] }]);
  t.match(await carried('linux/arm64', 'linux/amd64'), [
    { outcome: 'admitted', reasons: ['without linux/amd64: it has linux/arm64/v8'] },
  ]);
  t.match(await carried('linux/amd64'), [
    { outcome: 'failed', reasons: [/nothing for linux\/amd64/] },
  ]);
});

t.test('indexes that name one child many times are walked once', async (t) => {
  const { client, image, index, asked } = script();
  const leaf = image('leaf');
  const twice = (child: object) => Array.from({ length: 30 }, () => child);
  const inner = index(twice({ ...leaf, mediaType: OCI_MANIFEST }));
  const middle = index(twice(inner));
  const platform = { os: 'linux', architecture: 'amd64' };
  const chosen = image('chosen');
  index([...twice(middle), { ...chosen, mediaType: OCI_MANIFEST, platform }], 'v1');
  const wanted = { reference: { repository, tag: 'v1' }, platforms: ['linux/amd64'] };
  const { signal } = new AbortController();
  const list = await carry([wanted], {
    ...{ client, jobs: 1, watch: quiet, signal, withOthers: true, keepImages: false },
    settle: () => Promise.resolve(),
  });
  t.equal(list.rows.length, 1);
  t.strictSame(list.images, [], 'manifests are kept where they are wanted');
  for (const digest of [leaf.digest, inner.digest, middle.digest]) {
    t.equal(asked.filter((one) => one === digest).length, 1, digest);
  }
});
