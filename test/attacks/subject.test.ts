/**
 * What a signature is about stands in two places: the statement's `subject`, which the key signed, and the manifest's
 * `subject`, by which it was found and which anyone can write. Either is left out, null, of another type, or names the
 * digest under another algorithm (cosign 3.0.5 panicked on a null subject; sigstore-js leaves the artifact of a DSSE
 * bundle to its caller).
 *
 * Each of them is refused, with words, and nothing falls over.
 */
import { createHash } from 'node:crypto';
import t from 'tap';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { openLab, TEAM, told } from '../helpers/lab.ts';
import { digestOfText, dsseBundle, putBundle, statement } from '../helpers/signer.ts';

t.test(
  'a statement that names other artifacts beside the image is a signature of it',
  async (t) => {
    const { registry, signer, image, get } = await openLab(t, { registry: { referrersApi: true } });
    const good = image('good', { tag: 'good' });
    const about = statement([
      { name: 'elsewhere', digest: { sha512: 'a'.repeat(128) } },
      { digest: { sha256: digestOfText('other').slice(7) } },
      { digest: { sha256: good.digest.slice(7) } },
    ]);
    putBundle(registry, TEAM, good, dsseBundle(signer, about));
    t.equal(told(await get('manifests/good')), '200');
  },
);

type Subjects = (hex: string, bytes: Buffer) => unknown;

const statements: Readonly<Record<string, Subjects>> = {
  'no subject': () => undefined,
  'a null subject': () => null,
  'an empty list': () => [],
  'an object for a list': (hex) => ({ digest: { sha256: hex } }),
  'text for a list': (hex) => hex,
  'a null in the list': () => [null],
  'a null beside the right one': (hex) => [null, { digest: { sha256: hex } }],
  'no digest': () => [{ name: 'app' }],
  'a null digest': () => [{ digest: null }],
  'a number for a digest': () => [{ digest: { sha256: 7 } }],
  'the digest under another algorithm': (hex) => [{ digest: { sha512: hex } }],
  'the digest under the name of a lookalike': (hex) => [{ digest: { SHA256: hex } }],
  'only the SHA-512 of the manifest': (_hex, bytes) => [
    { digest: { sha512: createHash('sha512').update(bytes).digest('hex') } },
  ],
  'the digest in upper case': (hex) => [{ digest: { sha256: hex.toUpperCase() } }],
  'the digest with its algorithm': (hex) => [{ digest: { sha256: `sha256:${hex}` } }],
  'the digest as the name': (hex) => [{ name: `sha256:${hex}`, digest: { sha256: 'ab' } }],
  'a prefix of the digest': (hex) => [{ digest: { sha256: hex.slice(0, 63) } }],
  'inherited members': (hex) => [{ digest: { ['__proto__']: { sha256: hex } } }],
};

for (const [what, subjects] of Object.entries(statements)) {
  t.test(`a statement with ${what} is no signature`, async (t) => {
    const { registry, signer, image, get } = await openLab(t, { registry: { referrersApi: true } });
    const evil = image('evil', { tag: 'evil' });
    const bytes = registry.manifest(TEAM, evil.digest)?.bytes ?? Buffer.alloc(0);
    const about = statement(subjects(evil.digest.slice(7), bytes));
    putBundle(registry, TEAM, evil, dsseBundle(signer, about));
    t.equal(told(await get('manifests/evil')), '403 DENIED');
  });
}

const manifests: Readonly<Record<string, object>> = {
  'no subject': { subject: undefined },
  'a null subject': { subject: null },
  'text for a subject': { subject: 'sha256' },
  'a subject of another digest': {
    subject: { mediaType: OCI_MANIFEST, digest: digestOfText('other'), size: 5 },
  },
  'a subject under another algorithm': {
    subject: { mediaType: OCI_MANIFEST, digest: `sha512:${'a'.repeat(128)}`, size: 5 },
  },
  'a subject of an unknown algorithm': {
    subject: { mediaType: OCI_MANIFEST, digest: `md5:${'a'.repeat(32)}`, size: 5 },
  },
};

for (const [what, changes] of Object.entries(manifests)) {
  t.test(`a listed bundle manifest with ${what} is no signature`, async (t) => {
    const { registry, signer, image, get } = await openLab(t);
    const evil = image('evil', { tag: 'evil' });
    const about = statement([{ digest: { sha256: evil.digest.slice(7) } }]);
    const digest = putBundle(registry, TEAM, evil, dsseBundle(signer, about), changes);
    const size = registry.manifest(TEAM, digest)?.bytes.length;
    // The registry lists it all the same.
    const manifests = [{ mediaType: OCI_MANIFEST, digest, size }];
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
    registry.putManifest(TEAM, index, { tag: evil.digest.replace(':', '-') });
    const answer = await get('manifests/evil');
    t.equal(told(answer), '403 DENIED');
    t.match(answer.error?.message, `referrer ${digest}`);
  });
}
