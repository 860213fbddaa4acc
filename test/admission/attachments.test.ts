/** Signatures, attestations and SBOMs of admitted images, for those behind the proxy who verify for themselves. */
import t from 'tap';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { openLab, TEAM, told, type Lab } from '../helpers/lab.ts';
import {
  BUNDLE_TYPE,
  cosign2,
  cosign3,
  digestOfText,
  dsseBundle,
  putBundle,
  statement,
} from '../helpers/signer.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { Answer } from '../helpers/proxy.ts';

const PROVENANCE = 'https://slsa.dev/provenance/v1';
const tagOf = (digest: string, suffix = ''): string => `${digest.replace(':', '-')}${suffix}`;

interface Listed {
  readonly mediaType: string;
  readonly manifests: readonly { readonly digest: string; readonly artifactType?: string }[];
}

function listed({ body }: Answer): Listed {
  return JSON.parse(body.toString()) as Listed;
}

/** Everything that the manifest of this digest or tag names. */
async function blobsOf({ get }: Lab, what: string): Promise<string[]> {
  const manifest = JSON.parse((await get(`manifests/${what}`)).body.toString()) as {
    config: { digest: Digest };
    layers: { digest: Digest }[];
  };
  return [manifest.config, ...manifest.layers].map(({ digest }) => digest);
}

for (const suffix of ['.sig', '.att', '.sbom']) {
  t.test(
    `the tag sha256-<hex>${suffix} of an admitted image is served with its content`,
    async (t) => {
      const lab = await openLab(t);
      const app = lab.signed('app', { tag: 'v1' });
      const sig = lab.registry.manifest(TEAM, tagOf(app.digest, '.sig'))?.digest ?? '';
      if (suffix !== '.sig')
        lab.registry.putManifest(TEAM, attestation(lab), { tag: tagOf(app.digest, suffix) });
      const tag = tagOf(app.digest, suffix);
      t.equal(told(await lab.get(`manifests/${tag}`)), '200', 'without the image asked for before');
      t.equal((await lab.head(`manifests/${tag}`)).status, 200);
      for (const blob of await blobsOf(lab, tag)) {
        const { status, body } = await lab.get(`blobs/${blob}`);
        t.equal(status, 200);
        t.ok(lab.registry.blob(TEAM, blob)?.equals(body));
      }
      t.equal(told(await lab.get(`manifests/${sig}`)), '200', 'by digest too');
    },
  );
}

function attestation({ registry }: Lab): object {
  const content = Buffer.from('{"payload":"e30="}');
  const mediaType = 'application/vnd.dsse.envelope.v1+json';
  const config = registry.putBlob(TEAM, '{}');
  return {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: 2 },
    layers: [{ mediaType, digest: registry.putBlob(TEAM, content), size: content.length }],
  };
}

t.test(
  'attachment tags of a denied, an unknown and an unsigned image are absent, never denied',
  async (t) => {
    const { registry, image, stranger, get, head } = await openLab(t);
    const denied = image('app', { tag: 'v1' });
    cosign2(registry, TEAM, denied.digest, stranger);
    for (const subject of [denied.digest, digestOfText('nothing')]) {
      for (const suffix of ['.sig', '.att', '.sbom', '']) {
        const answer = await get(`manifests/${tagOf(subject, suffix)}`);
        t.equal(told(answer), '404 MANIFEST_UNKNOWN', suffix);
        t.equal((await head(`manifests/${tagOf(subject, suffix)}`)).status, 404);
      }
    }
  },
);

t.test('an attachment that an admitted image does not have is absent', async (t) => {
  const { signed, get } = await openLab(t);
  const { digest } = signed('app', { tag: 'v1' });
  for (const suffix of ['.att', '.sbom', '']) {
    t.equal(told(await get(`manifests/${tagOf(digest, suffix)}`)), '404 MANIFEST_UNKNOWN');
  }
});

t.test('a bundle of a denied image is denied by digest, and so is its content', async (t) => {
  const { registry, image, stranger, get } = await openLab(t, { registry: { referrersApi: true } });
  const app = image('app', { tag: 'v1' });
  const bundle = cosign3(registry, TEAM, app, stranger);
  t.equal(told(await get(`manifests/${bundle}`)), '403 DENIED');
  const content = registry.manifest(TEAM, bundle)?.bytes.toString() ?? '';
  for (const [digest] of content.matchAll(/sha256:[0-9a-f]{64}/g)) {
    t.equal(told(await get(`blobs/${digest}`)), '403 DENIED');
  }
});

for (const referrersApi of [true, false]) {
  const how = referrersApi ? 'the API' : 'the fallback index';
  t.test(`referrers of an admitted image come from ${how}, filtered if asked for`, async (t) => {
    const lab = await openLab(t, { registry: { referrersApi, fallbackTags: !referrersApi } });
    const { registry, signer, get, head } = lab;
    const app = lab.image('app', { tag: 'v1' });
    const signature = cosign3(registry, TEAM, app, signer);
    const about = statement([{ digest: { sha256: app.digest.slice(7) } }], PROVENANCE);
    const artifactType = 'application/vnd.test.provenance';
    const provenance = putBundle(registry, TEAM, app, dsseBundle(signer, about), { artifactType });
    const all = await get(`referrers/${app.digest}`);
    t.equal(all.headers['content-type'], OCI_INDEX);
    t.strictSame(
      new Set(listed(all).manifests.map(({ digest }) => digest)),
      new Set([signature, provenance]),
    );
    t.equal(all.headers['oci-filters-applied'], undefined);
    t.equal(
      (await head(`referrers/${app.digest}`)).headers['content-length'],
      `${all.body.length}`,
    );
    const some = await get(
      `referrers/${app.digest}?artifactType=${encodeURIComponent(artifactType)}`,
    );
    t.strictSame(
      listed(some).manifests.map(({ digest }) => digest),
      [provenance],
    );
    t.equal(some.headers['oci-filters-applied'], 'artifactType');
    const none = await get(`referrers/${app.digest}?artifactType=none`);
    t.strictSame(listed(none).manifests, []);
    for (const digest of [signature, provenance]) {
      t.equal(told(await get(`manifests/${digest}`)), '200');
      for (const blob of await blobsOf(lab, digest)) {
        t.equal(told(await get(`blobs/${blob}`)), '200');
      }
    }
    const fallback = await get(`manifests/${tagOf(app.digest)}`);
    t.equal(told(fallback), referrersApi ? '404 MANIFEST_UNKNOWN' : '200');
  });
}

t.test('referrers on several pages are listed as one', async (t) => {
  const { registry, signer, image, get } = await openLab(t, {
    registry: { referrersApi: true, referrersPageSize: 2 },
  });
  const app = image('app', { tag: 'v1' });
  for (let count = 0; count < 5; count++) cosign3(registry, TEAM, app, signer);
  const { manifests } = listed(await get(`referrers/${app.digest}`));
  t.equal(manifests.length, 5);
  t.ok(manifests.every(({ artifactType }) => artifactType === BUNDLE_TYPE));
});

t.test('referrers of an unknown, a denied and a lonely digest are an empty list', async (t) => {
  const { registry, image, signed, stranger, get } = await openLab(t, {
    registry: { referrersApi: true },
  });
  const denied = image('denied');
  cosign3(registry, TEAM, denied, stranger);
  for (const digest of [digestOfText('nothing'), denied.digest, signed('lonely').digest]) {
    const answer = await get(`referrers/${digest}`);
    t.equal(answer.status, 200);
    t.strictSame(listed(answer), { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
  }
});

t.test('an attestation of an attestation is followed so far, and no further', async (t) => {
  const { registry, signed, signer, get } = await openLab(t, { registry: { referrersApi: true } });
  let subject = signed('app', { tag: 'v1' });
  const answers: string[] = [];
  for (let depth = 1; depth <= 5; depth++) {
    const digest = putBundle(registry, TEAM, subject, dsseBundle(signer, Buffer.from(`${depth}`)));
    subject = { ...subject, digest, size: registry.manifest(TEAM, digest)?.bytes.length ?? 0 };
  }
  answers.push(told(await get(`manifests/${subject.digest}`)));
  t.strictSame(answers, ['403 DENIED'], 'asked for from its far end');
});
