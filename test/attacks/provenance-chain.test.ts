/**
 * BuildKit signs neither the index nor the images but an attestation manifest beside each image. Whoever can push can
 * make an index of his own around such a signed manifest: with one image that nobody vouches for, with an image that is
 * labelled as an attestation manifest, with one that belongs to another image. All images are vouched for, or none is served.
 */
import t, { type Test } from 'tap';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { fingerprintOf } from '../helpers/approval.ts';
import { putImage, type PutImage } from '../helpers/image.ts';
import { openLab, SIGNED, TEAM, told, type Lab } from '../helpers/lab.ts';
import { cosign2, cosign3, statement, type Signer } from '../helpers/signer.ts';

const PROVENANCE = 'https://slsa.dev/provenance/v1';
const ATTESTED = {
  require: { attestation: { type: PROVENANCE, by: { key: { trustRoot: 'release' } } } },
} as const;

interface Child {
  readonly image: PutImage;
  readonly platform?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

async function open(t: Test, asked: object = SIGNED, signatures: object = { buildkit: true }) {
  const rule = { ...asked, signatures };
  const lab = await openLab(t, { registry: { referrersApi: true }, rule });
  const put = (children: readonly Child[]): void => {
    putTagged(lab, children);
  };
  return { ...lab, put, pull: async () => told(await lab.get('manifests/v1')) };
}

function putTagged({ registry }: Lab, children: readonly Child[]): void {
  const manifests = children.map(({ image, platform = 'linux/amd64', annotations }) => {
    const [os, architecture] = platform.split('/');
    const { digest, size } = image;
    return { mediaType: OCI_MANIFEST, digest, size, platform: { os, architecture }, annotations };
  });
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
  registry.putManifest(TEAM, index, { tag: 'v1' });
}

interface AttestationOptions {
  readonly by?: Signer;
  /** Laid over the manifest. */
  readonly changes?: object;
  /** What the statement in it is about. */
  readonly about?: Digest;
  readonly sign?: typeof cosign3 | 'not';
}

/** The manifest with a statement about the image, signed unless told otherwise. */
function attest(lab: Lab, image: PutImage, options: AttestationOptions = {}): Child {
  const { registry, signer } = lab;
  const { by = signer, sign = cosign3, about = image.digest } = options;
  const content = statement([{ digest: { sha256: about.slice(7) } }], PROVENANCE);
  const layer = registry.putBlob(TEAM, content);
  const config = registry.putBlob(TEAM, Buffer.from('{}'));
  const manifest = putImage(registry, TEAM, 'attestation', {
    changes: {
      artifactType: 'application/vnd.docker.attestation.manifest.v1+json',
      config: { mediaType: OCI_EMPTY, digest: config, size: 2 },
      layers: [{ mediaType: 'application/vnd.in-toto+json', digest: layer, size: content.length }],
      subject: { mediaType: OCI_MANIFEST, digest: image.digest, size: image.size },
      ...options.changes,
    },
  });
  if (sign !== 'not') sign(registry, TEAM, manifest, by);
  return labelled(manifest, image.digest);
}

function labelled(image: PutImage, digest: Digest, platform = 'unknown/unknown'): Child {
  const annotations = {
    'vnd.docker.reference.type': 'attestation-manifest',
    'vnd.docker.reference.digest': digest,
  };
  return { image, platform, annotations };
}

for (const [what, rule] of Object.entries({ 'a signature': SIGNED, 'an attestation': ATTESTED })) {
  t.test(
    `where ${what} is demanded, images with signed attestation manifests are served`,
    async (t) => {
      const lab = await open(t, rule);
      const amd64 = lab.image('amd64');
      const arm64 = lab.image('arm64');
      lab.put([
        { image: amd64 },
        { image: arm64, platform: 'linux/arm64' },
        attest(lab, amd64),
        attest(lab, arm64),
      ]);
      t.equal(await lab.pull(), '200');
      for (const { digest } of [amd64, arm64]) {
        t.equal(told(await lab.get(`manifests/${digest}`)), '200');
      }
    },
  );
}

t.test('an index of more images than are looked at is refused', async (t) => {
  const lab = await open(t);
  const image = lab.image('amd64');
  lab.put([...Array.from({ length: 33 }, () => ({ image })), attest(lab, image)]);
  const { error } = await lab.get('manifests/v1');
  t.match(error?.message, /unsigned/);
});

t.test('signed attestation manifests count only where the rule says so', async (t) => {
  // `cosign sign --recursive` signs them too, and does not mean what the builder wrote in them.
  for (const rule of [SIGNED, ATTESTED]) {
    const lab = await open(t, rule, { buildkit: false });
    const image = lab.image('amd64');
    lab.put([{ image }, attest(lab, image)]);
    t.equal(await lab.pull(), '403 DENIED');
  }
});

t.test('a .sig of the attestation manifest is as good as a bundle', async (t) => {
  const lab = await open(t);
  const image = lab.image('amd64');
  const sign: typeof cosign3 = (registry, repository, { digest }, signer) =>
    cosign2(registry, repository, digest, signer);
  lab.put([{ image }, attest(lab, image, { sign })]);
  t.equal(await lab.pull(), '200');
});

const bad: Readonly<Record<string, (lab: Lab, good: PutImage) => readonly Child[]>> = {
  'with an image that nobody attested': (lab, good) => [
    { image: good },
    attest(lab, good),
    { image: lab.image('evil'), platform: 'linux/arm64' },
  ],
  'with an image whose attestation manifest nobody signed': (lab, good) => {
    const evil = lab.image('evil');
    const unsigned = attest(lab, evil, { sign: 'not' });
    return [{ image: good }, attest(lab, good), { image: evil }, unsigned];
  },
  'with an attestation manifest signed by a stranger': (lab, good) => [
    { image: good },
    attest(lab, good, { by: lab.stranger }),
  ],
  'that lists the signed manifest of another image as its own': (lab, good) => {
    const evil = lab.image('evil');
    return [{ image: evil }, labelled(attest(lab, good).image, evil.digest)];
  },
  'with an image that is labelled as an attestation manifest': (lab, good) => [
    { image: good },
    attest(lab, good),
    labelled(lab.image('evil'), good.digest),
  ],
  'with an image to run that is labelled as an attestation manifest': (lab, good) => [
    { image: good },
    attest(lab, good),
    labelled(lab.image('evil'), good.digest, 'linux/amd64'),
  ],
  'with an image labelled as an attestation manifest about nothing that is there': (lab, good) => [
    { image: good },
    attest(lab, good),
    labelled(lab.image('evil'), lab.image('other').digest),
  ],
  'with a signed manifest that has no subject': (lab, good) => [
    { image: good },
    attest(lab, good, { changes: { subject: undefined } }),
  ],
  'with a signed manifest whose subject has another size': (lab, good) => [
    { image: good },
    attest(lab, good, {
      changes: { subject: { mediaType: OCI_MANIFEST, digest: good.digest, size: good.size + 1 } },
    }),
  ],
  'with a signed report about the image in place of an attestation manifest': (lab, good) => [
    { image: good },
    attest(lab, good, { changes: { artifactType: 'application/vnd.corp.report.v1' } }),
  ],
  'with a signed image that has a subject in place of an attestation manifest': (lab, good) => [
    { image: good },
    attest(lab, good, { changes: { artifactType: undefined } }),
  ],
  'with a signed attestation manifest that states nothing': (lab, good) => [
    { image: good },
    attest(lab, good, { changes: { layers: [] } }),
  ],
  'of attestation manifests alone': (lab, good) => [attest(lab, good)],
};
for (const [what, children] of Object.entries(bad)) {
  t.test(`an index ${what} is denied`, async (t) => {
    const lab = await open(t);
    lab.put(children(lab, lab.image('good')));
    t.equal(await lab.pull(), '403 DENIED');
  });
}

t.test('a statement about another image is none about this one', async (t) => {
  const lab = await open(t, ATTESTED);
  const image = lab.image('amd64');
  const about = lab.image('other').digest;
  lab.put([{ image }, attest(lab, image, { about })]);
  t.equal(await lab.pull(), '403 DENIED');
});

t.test('statements alone are no provenance of another type', async (t) => {
  const type = 'https://spdx.dev/Document';
  const by = { key: { trustRoot: 'release' } };
  const lab = await open(t, { require: { attestation: { type, by } } });
  const image = lab.image('amd64');
  lab.put([{ image }, attest(lab, image)]);
  t.equal(await lab.pull(), '403 DENIED');
});

t.test('the refusal names the attestation manifest and who signed it', async (t) => {
  const lab = await open(t);
  const image = lab.image('amd64');
  const child = attest(lab, image, { by: lab.stranger });
  lab.put([{ image }, child]);
  const { error } = await lab.get('manifests/v1');
  t.match(error?.message, /signed by someone else/);
  t.match(error?.message, `of attestation manifest ${child.image.digest}`);
});

t.test('an attestation manifest that cannot be looked at leaves the question open', async (t) => {
  const lab = await open(t);
  const image = lab.image('amd64');
  const child = attest(lab, image);
  lab.put([{ image }, child]);
  lab.registry.fault(new RegExp(`manifests/${child.image.digest}`), {
    kind: 'status',
    status: 500,
  });
  t.equal(await lab.pull(), '503 UNAVAILABLE');
});

for (const what of ['index', 'image', 'attestation manifest'] as const) {
  t.test(`a key that was revoked for the ${what} counts no longer by way of it`, async (t) => {
    const lab = await open(t);
    const image = lab.image('amd64');
    const child = attest(lab, image);
    lab.put([{ image }, child]);
    const pulled = await lab.get('manifests/v1');
    t.equal(told(pulled), '200');
    const index = digestOf(pulled.body);
    const digests = { index, image: image.digest, 'attestation manifest': child.image.digest };
    await lab.proxy.records.local.revoke({
      repository: parseRepository('lab.local', TEAM),
      subject: digests[what],
      keys: [fingerprintOf(lab.signer)],
      at: 2000,
      reason: 'the key was stolen',
    });
    lab.proxy.admission.forget();
    t.equal(await lab.pull(), '403 DENIED');
    t.equal(told(await lab.get(`manifests/${image.digest}`)), '403 DENIED');
  });
}
