/** Discovery against strangers who attach too much, and against places that cannot be looked at. */
import t from 'tap';
import { digestOf, parseDigest } from '../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import {
  MAX_SIGNATURE_CONTENT,
  MAX_SIGNATURE_MANIFEST,
  MAX_SIGNATURES_PER_PLACE,
} from '../../src/verify/bounds.ts';
import { attachmentTag } from '../../src/verify/discovery.ts';
import {
  cosign2,
  cosign3,
  createSigner,
  digestOfText,
  putSigTag,
  SIMPLE_LAYER,
  simplePayload,
} from '../helpers/signer.ts';
import { createMemorySource, putSubject, REPOSITORY, type MemorySource } from './memory-source.ts';
import { all, told } from './discovered.ts';

const signer = createSigner();
const EMPTY = 'application/vnd.oci.empty.v1+json';

t.test('stops at the bound of each place, with a word about it', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  const payload = simplePayload(subject.digest);
  const layer = { payload, signature: Buffer.from('junk') };
  putSigTag(
    source.content,
    REPOSITORY,
    subject.digest,
    Array.from({ length: 1000 }, () => layer),
  );
  const good = cosign3(source.content, REPOSITORY, subject, signer);
  const items = await told(source, subject);
  const tag = attachmentTag(subject.digest, '.sig');
  t.equal(items.filter((item) => item === `candidate tag ${tag}`).length, MAX_SIGNATURES_PER_PLACE);
  t.equal(MAX_SIGNATURES_PER_PLACE, 32);
  t.ok(items.includes(`bound tag ${tag}`));
  t.ok(items.includes(`candidate referrer ${good}`), 'the other place has its own share');
});

t.test('opens no more referrers than the bound', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  source.list(
    Array.from({ length: 1000 }, (_, index) => ({
      mediaType: OCI_MANIFEST,
      digest: digestOfText(`${index}`),
      size: 2,
    })),
  );
  const items = await told(source, subject);
  t.equal(items.filter((item) => item.startsWith('rejected')).length, MAX_SIGNATURES_PER_PLACE);
  t.ok(items.includes('bound referrers'));
  const opened = source.asked.filter((what) => what.startsWith('manifest'));
  t.ok(opened.length <= MAX_SIGNATURES_PER_PLACE + 1, `opened ${opened.length}`);
});

t.test('what declares a huge size is never fetched', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  const { content } = source;
  const layer = {
    mediaType: SIMPLE_LAYER,
    digest: digestOfText('huge'),
    size: MAX_SIGNATURE_CONTENT + 1,
  };
  const config = { mediaType: EMPTY, digest: content.putBlob(REPOSITORY, '{}'), size: 2 };
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config,
    layers: [layer, { ...layer, digest: digestOfText('terabytes'), size: 2 ** 50 }],
  };
  content.putManifest(REPOSITORY, manifest, { tag: attachmentTag(subject.digest, '.sig') });
  source.list([
    {
      mediaType: OCI_MANIFEST,
      digest: digestOfText('huge manifest'),
      size: MAX_SIGNATURE_MANIFEST + 1,
    },
  ]);
  const items = await told(source, subject);
  t.equal(
    items.filter((item) => /^rejected it declares \d+ bytes, the bound is 1048576$/.test(item))
      .length,
    3,
  );
  t.same(
    source.asked.filter((what) => /^(?:manifest|content) /.test(what)),
    [],
  );
});

t.test('what is larger than it declared, or missing, is a finding', async (t) => {
  const source = createMemorySource({ referrersApi: true });
  const subject = putSubject(source);
  const { content } = source;
  const digest = cosign3(content, REPOSITORY, subject, signer);
  content.deleteBlob(REPOSITORY, layerOf(source, digest));
  const huge = content.putManifest(REPOSITORY, 'x'.repeat(MAX_SIGNATURE_MANIFEST + 1), {
    mediaType: OCI_MANIFEST,
  });
  source.list(
    [digest, huge.digest].map((it) => ({ mediaType: OCI_MANIFEST, digest: it, size: 2 })),
  );
  content.putManifest(REPOSITORY, 'x'.repeat(MAX_SIGNATURE_MANIFEST + 1), {
    tag: attachmentTag(subject.digest, '.sig'),
  });
  t.same(await told(source, subject), [
    'rejected it is too large',
    'rejected it is too large',
    'rejected its content is missing',
  ]);
});

function layerOf(source: MemorySource, manifest: string): ReturnType<typeof parseDigest> {
  const text = source.content.manifest(REPOSITORY, manifest)?.bytes.toString() ?? '';
  return parseDigest(/"layers":\[\{[^}]*"digest":"([^"]+)"/.exec(text)?.[1]);
}

t.test(
  'a place that cannot be looked at is trouble, and the others are still looked at',
  async (t) => {
    const source = createMemorySource({ referrersApi: true });
    const subject = putSubject(source);
    const tag = attachmentTag(subject.digest, '.sig');
    cosign2(source.content, REPOSITORY, subject.digest, signer);
    const one = cosign3(source.content, REPOSITORY, subject, signer);
    const two = cosign3(source.content, REPOSITORY, subject, createSigner());
    source.fail(new RegExp(`^manifest ${one}`));
    t.same(await told(source, subject), [
      `candidate referrer ${two}`,
      `candidate tag ${tag}`,
      `trouble referrer ${one}`,
    ]);
    source.fail(/^referrers /);
    t.same(await told(source, subject), [`candidate tag ${tag}`, 'trouble referrers']);
    source.fail(/^tag .*\.sig$/);
    t.same(await told(source, subject), ['trouble referrers', `trouble tag ${tag}`]);
  },
);

t.test('a signature whose content cannot be fetched hides none beside it', async (t) => {
  const source = createMemorySource();
  const subject = putSubject(source);
  const payload = simplePayload(subject.digest);
  const lost = simplePayload(digestOfText('lost'));
  putSigTag(source.content, REPOSITORY, subject.digest, [
    { payload: lost, signature: signer.sign(lost) },
    { payload, signature: signer.sign(payload) },
  ]);
  source.fail(new RegExp(`^content ${digestOf(lost)}`));
  const tag = attachmentTag(subject.digest, '.sig');
  t.same(await told(source, subject), [`candidate tag ${tag}`, `trouble tag ${tag}`]);
});

t.test('trouble with the fallback index is trouble', async (t) => {
  const source = createMemorySource({ fallbackTags: true });
  const subject = putSubject(source);
  cosign3(source.content, REPOSITORY, subject, signer);
  source.fail(/^tag sha256-[0-9a-f]{64}$/);
  t.same(await told(source, subject), ['trouble referrers']);
});

t.test('an error that is not about looking is not swallowed', async (t) => {
  const source = createMemorySource();
  const broken = { ...source, findReferrers: () => Promise.reject(new TypeError('a bug')) };
  await t.rejects(all(broken, putSubject(source)), {
    message: 'a bug',
  });
});

t.test(
  'a list that cannot be taken is a finding, and the fallback index is still read',
  async (t) => {
    const refused = { kind: 'refused', reason: 'the list is too large' } as const;
    const source = createMemorySource({ fallbackTags: true });
    const subject = putSubject(source);
    const bundle = cosign3(source.content, REPOSITORY, subject, signer);
    const without = { ...source, findReferrers: () => Promise.resolve(refused) };
    t.same(await told(without, subject), [
      `candidate referrer ${bundle}`,
      'rejected the list is too large',
    ]);
    const huge = 'x'.repeat(MAX_SIGNATURE_MANIFEST + 1);
    source.content.putManifest(REPOSITORY, huge, { tag: attachmentTag(subject.digest, '') });
    t.same(await told(source, subject), ['rejected it is too large']);
  },
);
