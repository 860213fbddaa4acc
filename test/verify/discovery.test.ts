/** Where signatures are looked for: everything that is there is opened, nothing hides anything, bounds hold. */
import t from 'tap';
import { digestOf, parseDigest } from '../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { attachmentTag } from '../../src/verify/discovery.ts';
import {
  cosign2,
  cosign3,
  createSigner,
  digestOfText,
  dsseBundle,
  putBundle,
  simplePayload,
  statement,
} from '../helpers/signer.ts';
import { createMemorySource, putSubject, REPOSITORY } from './memory-source.ts';
import { all, told } from './discovered.ts';

const signer = createSigner();
const EMPTY = 'application/vnd.oci.empty.v1+json';

const bundleAbout = (digest: string) =>
  dsseBundle(signer, statement([{ digest: { sha256: digest.slice(7) } }]));

t.test('names the tags that cosign and the distribution specification name', (t) => {
  const digest = digestOfText('x');
  t.equal(attachmentTag(digest, '.sig'), `sha256-${digest.slice(7)}.sig`);
  t.equal(attachmentTag(digest, ''), `sha256-${digest.slice(7)}`);
  const long = parseDigest(digestOf(Buffer.from('x'), 'sha512'));
  t.equal(attachmentTag(long, ''), `sha512-${long.slice(7, 71)}`);
  t.end();
});

t.test('finds nothing where nothing is', async (t) => {
  for (const referrersApi of [true, false]) {
    const source = createMemorySource({ referrersApi });
    t.same(await told(source, putSubject(source)), []);
  }
});

t.test('finds the union of all places, with a referrers API and without', async (t) => {
  for (const options of [{ referrersApi: true }, { fallbackTags: true }]) {
    const source = createMemorySource(options);
    const subject = putSubject(source);
    cosign2(source.content, REPOSITORY, subject.digest, signer, createSigner());
    const one = cosign3(source.content, REPOSITORY, subject, signer);
    const two = cosign3(source.content, REPOSITORY, subject, createSigner());
    const tag = attachmentTag(subject.digest, '.sig');
    t.same(await told(source, subject), [
      ...[`candidate referrer ${one}`, `candidate referrer ${two}`].sort(),
      `candidate tag ${tag}`,
      `candidate tag ${tag}`,
    ]);
  }
});

t.test('looks into the fallback index where the API has an empty list', async (t) => {
  const source = createMemorySource({ referrersApi: true, fallbackTags: true });
  const subject = putSubject(source);
  const bundle = cosign3(source.content, REPOSITORY, subject, signer);
  source.list([]);
  t.same(await told(source, subject), [`candidate referrer ${bundle}`]);
});

t.test('never filters by artifactType, neither in the list nor in the manifest', async (t) => {
  const types = [undefined, EMPTY, 'application/spdx+json', 'text/plain', OCI_MANIFEST];
  for (const artifactType of types) {
    const source = createMemorySource({ referrersApi: true });
    const subject = putSubject(source);
    const bundle = putBundle(source.content, REPOSITORY, subject, bundleAbout(subject.digest), {
      artifactType,
    });
    const size = source.content.manifest(REPOSITORY, bundle)?.bytes.length;
    source.list([
      {
        mediaType: OCI_MANIFEST,
        digest: bundle,
        size,
        ...(artifactType !== undefined && { artifactType }),
      },
    ]);
    t.same(await told(source, subject), [`candidate referrer ${bundle}`], artifactType ?? 'none');
  }
});

t.test('opens what calls itself a bundle first', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  const place = { mediaType: OCI_MANIFEST, size: 2 };
  const sbom = digestOfText('sbom');
  const types = ['application/spdx+json', EMPTY, 'application/vnd.dev.sigstore.bundle.v0.3+json'];
  source.list(
    types.map((artifactType, index) => ({
      ...place,
      digest: index === 0 ? sbom : digestOfText(artifactType),
      artifactType,
    })),
  );
  await all(source, subject);
  const opened = source.asked.filter((what) => what.startsWith('manifest'));
  t.equal(opened.length, 3);
  t.equal(opened.at(-1), `manifest ${sbom}`);
});

t.test('a referrer counts only with this very image as its subject', async (t) => {
  const other = { mediaType: OCI_MANIFEST, digest: digestOfText('another'), size: 7 };
  const subjects: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /its subject is missing/],
    [null, /its subject is missing/],
    [other, /its subject is sha256:[0-9a-f]{64}, not this image/],
    [{}, /media type/],
    ['x', /descriptor object/],
    [{ ...other, digest: 'sha384:00' }, /sha256 or sha512 digest/],
  ];
  for (const [subject, message] of subjects) {
    const source = createMemorySource({ referrersApi: true });
    const image = putSubject(source);
    const digest = putBundle(source.content, REPOSITORY, image, bundleAbout(image.digest), {
      subject,
    });
    const size = source.content.manifest(REPOSITORY, digest)?.bytes.length;
    source.list([{ mediaType: OCI_MANIFEST, digest, size }]);
    const [item, ...more] = await all(source, image);
    t.match(item, { kind: 'finding', finding: { outcome: 'rejected', text: message } });
    t.same(more, []);
    t.notOk(
      source.asked.some((what) => what.startsWith('content')),
      'its content is not fetched',
    );
  }
});

t.test('junk in a place hides nothing in it or beside it', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  const { content } = source;
  const tag = attachmentTag(subject.digest, '.sig');
  const junk = [
    content.putManifest(REPOSITORY, '{}', { mediaType: OCI_MANIFEST }),
    content.putManifest(REPOSITORY, 'no JSON', { mediaType: OCI_MANIFEST }),
    content.putManifest(REPOSITORY, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }),
  ];
  const plain = putBundle(content, REPOSITORY, subject, bundleAbout(subject.digest), {
    layers: [],
  });
  const good = cosign3(content, REPOSITORY, subject, signer);
  const list = [...junk.map(({ digest }) => digest), digestOfText('absent'), plain, good];
  source.list(
    list.map((digest) => {
      const found = content.manifest(REPOSITORY, digest);
      return {
        mediaType: found?.mediaType ?? OCI_MANIFEST,
        digest,
        size: found?.bytes.length ?? 2,
      };
    }),
  );
  content.putManifest(REPOSITORY, '{"layers":', { tag, mediaType: OCI_MANIFEST });
  t.same(await told(source, subject), [
    `candidate referrer ${good}`,
    `ignored it carries nothing of the kind that is asked for`,
    `ignored it is a ${OCI_INDEX}`,
    'rejected expected JSON',
    'rejected expected JSON',
    'rejected expected schemaVersion 2',
    'rejected the registry lists it and does not have it',
  ]);
});

t.test('a broken fallback index or tag of another kind is a finding', async (t) => {
  for (const [manifest, text] of [
    ['no JSON', 'rejected expected JSON'],
    [
      {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: { mediaType: EMPTY, digest: digestOfText('{}'), size: 2 },
        layers: [],
      },
      'rejected expected an index',
    ],
  ] as const) {
    const source = createMemorySource();
    const subject = putSubject(source);
    source.content.putManifest(REPOSITORY, manifest, {
      tag: attachmentTag(subject.digest, ''),
      mediaType: OCI_MANIFEST,
    });
    t.same(await told(source, subject), [text]);
  }
});

t.test('an index under the .sig tag carries no signature', async (t) => {
  const source = createMemorySource();
  const subject = putSubject(source);
  const tag = attachmentTag(subject.digest, '.sig');
  source.content.putManifest(
    REPOSITORY,
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] },
    { tag },
  );
  t.same(await told(source, subject), ['ignored it carries nothing of the kind that is asked for']);
});

t.test('layers of one digest are several signatures, each with its own annotations', async (t) => {
  const source = createMemorySource();
  const subject = putSubject(source);
  const signers = [signer, createSigner(), createSigner('ed25519')];
  cosign2(source.content, REPOSITORY, subject.digest, ...signers);
  const items = await all(source, subject);
  const signatures = items.map(
    (item) =>
      item.kind === 'candidate' && item.candidate.annotations['dev.cosignproject.cosign/signature'],
  );
  t.equal(new Set(signatures).size, 3);
  const contents = items.map(
    (item) => item.kind === 'candidate' && item.candidate.content.toString(),
  );
  t.same(new Set(contents), new Set([simplePayload(subject.digest).toString()]));
});

t.test('layers of other types are nothing to fetch, alone or beside a signature', async (t) => {
  const other = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: digestOfText('layer'),
    size: 7,
  };
  const source = createMemorySource();
  const subject = putSubject(source);
  const tag = attachmentTag(subject.digest, '.sig');
  const digest = cosign2(source.content, REPOSITORY, subject.digest, signer);
  const text = source.content.manifest(REPOSITORY, digest)?.bytes.toString() ?? '';
  const mixed = text.replace('"layers":[', `"layers":[${JSON.stringify(other)},`);
  source.content.putManifest(REPOSITORY, mixed, { tag });
  t.same(await told(source, subject), [`candidate tag ${tag}`]);
  const alone = text.replace(/"layers":\[.*\]/, `"layers":[${JSON.stringify(other)}]`);
  source.content.putManifest(REPOSITORY, alone, { tag });
  t.same(await told(source, subject), ['ignored it carries nothing of the kind that is asked for']);
  t.notOk(source.asked.includes(`content ${other.digest}`));
});
