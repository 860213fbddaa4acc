/** Images that released versions of cosign signed, through the whole proxy. */
import t, { type Test } from 'tap';
import { isDigest, parseDigest, type Digest } from '../../src/oci/digest.ts';
import { parseRequirement } from '../../src/policy/requirement.ts';
import type { TrustRoot } from '../../src/trust/trust-root.ts';
import { verifyImage } from '../../src/verify/verify-image.ts';
import { putLayout } from '../helpers/oci-layout.ts';
import { openFakeRegistry } from '../helpers/open-upstream.ts';
import type { FakeRegistry } from '../helpers/fake-registry.ts';
import { startProxy, type Proxy } from '../helpers/proxy.ts';
import { createMemorySource, REPOSITORY as IN_MEMORY } from './memory-source.ts';
import { needsVectors, readVector, vectorPath, vectorRoot } from './vectors.ts';
import { testdir } from '../helpers/testdir.ts';

const REPOSITORY = 'signed/app';
const INDEX = 'sha256:7d4fff1dc8590e8fc657d229cbdb03689a26ae62a8b21b9af0f210288859ac49';
const CHILDREN = [
  'sha256:ac16b28e2abac41169ca10450aa545b66ae4060de371904335a682e3e17e0a09',
  'sha256:5a9d5c4defbf16dccc55ef292a2eff0ae097ddf3f56290576343a56f215f4908',
];

/** A registry with the layout, and a proxy that asks for signatures by the root's keys. */
async function open(
  t: Test,
  layout: string,
  root: TrustRoot,
  referrersApi: boolean,
): Promise<{ readonly registry: FakeRegistry; readonly proxy: Proxy }> {
  const registry = await openFakeRegistry(t, { referrersApi });
  putLayout(registry, REPOSITORY, vectorPath('signed', layout));
  const proxy = await startProxy(t, {
    upstreams: { 'lab.local': registry },
    policies: [{ match: ['lab.local/**'], require: { key: { trustRoot: root.name } } }],
    trustRoots: [root],
  });
  return { registry, proxy };
}

async function status(proxy: Proxy, reference: string): Promise<number> {
  const answer = await proxy.get(`/v2/lab.local/${REPOSITORY}/manifests/${reference}`);
  const head = await proxy.head(`/v2/lab.local/${REPOSITORY}/manifests/${reference}`);
  if (head.status !== answer.status) throw new Error('expected HEAD to be as GET');
  return answer.status;
}

function configsOf(registry: FakeRegistry): readonly string[] {
  return CHILDREN.map((child) => {
    const text = registry.manifest(REPOSITORY, child)?.bytes.toString() ?? '';
    return /"config":\{[^}]*"digest":"([^"]+)"/.exec(text)?.[1] ?? '';
  });
}

/** The referrers of the index by what their one bundle says. */
function referrerAbout(registry: FakeRegistry, predicateType: string): Digest {
  const found = registry
    .referrers(REPOSITORY, INDEX)
    .find(({ annotations }) => JSON.stringify(annotations).includes(predicateType))?.['digest'];
  if (!isDigest(found)) throw new Error(`expected a referrer about ${predicateType}`);
  return found;
}

for (const referrersApi of [true, false]) {
  const how = referrersApi ? 'with a referrers API' : 'without a referrers API';
  const layouts = [
    { layout: 'signed-cosign2', own: 'cosign2.pub', other: 'cosign3.pub' },
    { layout: 'signed-cosign3b', own: 'cosign3.pub', other: 'cosign2.pub' },
  ];
  for (const { layout, own, other } of layouts) {
    t.test(`admits ${layout} and its platforms by its key, ${how}`, needsVectors, async (t) => {
      const { registry, proxy } = await open(
        t,
        layout,
        vectorRoot('k', 'signed', own),
        referrersApi,
      );
      t.equal(await status(proxy, 'v1'), 200);
      t.equal(await status(proxy, INDEX), 200);
      for (const child of CHILDREN) t.equal(await status(proxy, child), 200);
      for (const config of configsOf(registry)) {
        const blob = await proxy.get(`/v2/lab.local/${REPOSITORY}/blobs/${config}`);
        t.equal(blob.status, 200);
      }
    });

    t.test(`denies ${layout} and its platforms by another key, ${how}`, needsVectors, async (t) => {
      const root = vectorRoot('k', 'signed', other);
      const { registry, proxy } = await open(t, layout, root, referrersApi);
      for (const reference of ['v1', INDEX, ...CHILDREN]) {
        t.equal(await status(proxy, reference), 403, reference);
      }
      for (const config of configsOf(registry)) {
        t.equal((await proxy.get(`/v2/lab.local/${REPOSITORY}/blobs/${config}`)).status, 403);
      }
    });
  }

  t.test(`a platform signed by itself needs no index, ${how}`, needsVectors, async (t) => {
    const root = vectorRoot('k', 'signed', 'cosign2.pub');
    const { proxy } = await open(t, 'signed-cosign2', root, referrersApi);
    for (const child of CHILDREN) t.equal(await status(proxy, child), 200);
  });

  t.test(`a platform that is not signed needs its index, ${how}`, needsVectors, async (t) => {
    const root = vectorRoot('k', 'signed', 'cosign3.pub');
    const { proxy } = await open(t, 'signed-cosign3b', root, referrersApi);
    for (const child of CHILDREN) t.equal(await status(proxy, child), 403);
    t.equal(await status(proxy, 'v1'), 200);
    proxy.now += 60_000; // A refusal is remembered for a moment.
    for (const child of CHILDREN) t.equal(await status(proxy, child), 200);
  });

  t.test(`an .att by the right key is no signature, ${how}`, needsVectors, async (t) => {
    const root = vectorRoot('k', 'signed', 'cosign2.pub');
    const { registry, proxy } = await open(t, 'signed-cosign2', root, referrersApi);
    registry.deleteTag(REPOSITORY, `${INDEX.replace(':', '-')}.sig`);
    t.equal(await status(proxy, 'v1'), 403);
  });

  t.test(`a provenance by the right key is no signature, ${how}`, needsVectors, async (t) => {
    const root = vectorRoot('k', 'signed', 'cosign3.pub');
    const { registry, proxy } = await open(t, 'signed-cosign3b', root, referrersApi);
    const signature = referrerAbout(registry, 'https://sigstore.dev/cosign/sign/v1');
    registry.deleteManifest(REPOSITORY, signature);
    t.equal(await status(proxy, 'v1'), 403);
    const refusal = await proxy.get(`/v2/lab.local/${REPOSITORY}/manifests/v1`);
    t.match(refusal.error?.message, /attestation|statement/);
  });
}

t.test(
  'attestations of both generations satisfy rules that ask for them',
  needsVectors,
  async (t) => {
    for (const { layout, own, type, other } of [
      { layout: 'signed-cosign2', own: 'cosign2.pub', type: 'custom', other: 'slsaprovenance1' },
      { layout: 'signed-cosign3b', own: 'cosign3.pub', type: 'slsaprovenance1', other: 'custom' },
    ]) {
      const source = createMemorySource();
      putLayout(source.content, IN_MEMORY, vectorPath('signed', layout));
      const bytes = source.content.manifest(IN_MEMORY, INDEX)?.bytes ?? Buffer.alloc(0);
      const root = vectorRoot('k', 'signed', own);
      const verify = (attestation: string) =>
        verifyImage(
          { digest: parseDigest(INDEX), bytes },
          {
            requirement: parseRequirement({
              attestation: { type: attestation, by: { key: { trustRoot: 'k' } } },
            }),
            trustRoots: new Map([['k', root]]),
            source,
            now: Date.UTC(2026, 10, 21),
          },
        );
      const right = await verify(type);
      t.match(right, { evaluation: { outcome: 'satisfied' }, trouble: [] }, layout);
      t.match(right.evidence.at(-1)?.statement, { predicateType: String, json: {} });
      t.match(await verify(other), { evaluation: { outcome: 'failed' } }, layout);
    }
  },
);

t.test(
  'a .sig of one platform under the tag of another admits nothing',
  needsVectors,
  async (t) => {
    const root = vectorRoot('k', 'signed', 'cosign2.pub');
    const { registry, proxy } = await open(t, 'signed-cosign2', root, false);
    const [one = '', two = ''] = CHILDREN.map((digest) => `${digest.replace(':', '-')}.sig`);
    const foreign = registry.manifest(REPOSITORY, two);
    if (foreign === undefined) throw new Error('expected the .sig of a platform');
    registry.tag(REPOSITORY, one, foreign.digest);
    t.equal(await status(proxy, CHILDREN[0] ?? ''), 403);
    t.equal(await status(proxy, CHILDREN[1] ?? ''), 200);
  },
);

t.test('an image of 2021, its .sig, the right key and a wrong one', needsVectors, async (t) => {
  const image = readVector('cosign', 'alice-image', 'image-manifest.json');
  const payload = readVector('cosign', 'alice-image', 'payload.json');
  const sig = readVector('cosign', 'alice-image', 'sig-manifest.json').toString();
  const registry = await openFakeRegistry(t);
  const { digest } = registry.putManifest(REPOSITORY, image, { tag: 'v1' });
  const tag = `${digest.replace(':', '-')}.sig`;
  const admit = async (key: string): Promise<number> => {
    const root = vectorRoot('k', 'cosign', 'alice-image', key);
    const proxy = await startProxy(t, {
      upstreams: { 'lab.local': registry },
      policies: [{ match: ['**'], require: { key: { trustRoot: 'k' } } }],
      trustRoots: [root],
      path: testdir(t, { [key]: {} }),
    });
    const code = await status(proxy, 'v1');
    await proxy.close();
    return code;
  };
  t.equal(await admit('alice.pub'), 403, 'not yet signed');
  const good = registry.putBlob(REPOSITORY, payload);
  registry.putManifest(REPOSITORY, sig, { tag });
  t.equal(await admit('alice.pub'), 200);
  t.equal(await admit('bob.pub'), 403);
  for (const changed of [
    Buffer.concat([payload, Buffer.from('\n')]),
    Buffer.from(payload.toString().replace('testimage', 'evilimage')),
    Buffer.from(payload.toString().replace('"optional":null', '"optional":{}')),
  ]) {
    const layer = registry.putBlob(REPOSITORY, changed);
    const manifest = sig
      .replace(good, layer)
      .replace(`"size": ${payload.length}`, `"size": ${changed.length}`);
    registry.putManifest(REPOSITORY, manifest, { tag });
    t.equal(await admit('alice.pub'), 403, 'payload changed');
  }
});
