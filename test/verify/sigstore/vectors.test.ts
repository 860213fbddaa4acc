/** Bundles that others made: what a key signed verifies by that key, what carries a certificate never does. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import t from 'tap';
import { digestOf, parseDigest } from '../../../src/oci/digest.ts';
import type { TrustRoot } from '../../../src/trust/trust-root.ts';
import type { Checked, Subject } from '../../../src/verify/candidate.ts';
import { sigstoreBundle } from '../../../src/verify/sigstore/verifier.ts';
import { BUNDLE_TYPE, createSigner, digestOfText, rootOf } from '../../helpers/signer.ts';
import { needsVectors, readVector, vectorPath, vectorRoot } from '../vectors.ts';

const FAMILY = 'sigstore-conformance';

function check(content: Buffer, subject: Subject, root: TrustRoot): Checked {
  const foundIn = digestOfText('referrer');
  const candidate = { place: 'vector', foundIn, mediaType: BUNDLE_TYPE, content, annotations: {} };
  return sigstoreBundle.check(candidate, subject, { roots: [root], now: 0 });
}

/** The artifact of a case as if it were a manifest. */
function subjectOf(name: string): Subject {
  const own = existsSync(vectorPath(FAMILY, name, 'artifact'));
  const bytes = own ? readVector(FAMILY, name, 'artifact') : readVector(FAMILY, 'a.txt');
  return { digest: digestOf(bytes), bytes };
}

const bundleOf = (name: string) => readVector(FAMILY, name, 'bundle.sigstore.json');

t.test(
  'a bundle by a managed key verifies by that key over that artifact alone',
  needsVectors,
  (t) => {
    const name = 'managed-key-and-trusted-root';
    const root = vectorRoot('k', FAMILY, name, 'key.pub');
    const subject = subjectOf(name);
    const bundle = bundleOf(name);
    t.match(check(bundle, subject, root), {
      outcome: 'verified',
      evidence: [{ digest: subject.digest }],
    });
    t.match(check(bundle, subject, rootOf('k', createSigner())), { outcome: 'rejected' });
    const changed = Buffer.concat([subject.bytes, Buffer.from('x')]);
    t.match(check(bundle, { digest: digestOf(changed), bytes: changed }, root), {
      outcome: 'rejected',
    });
    // The digest in the bundle may lie, the signature cannot.
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64');
    const lying = Buffer.from(bundle.toString().replaceAll(digest(subject.bytes), digest(changed)));
    t.notOk(lying.equals(bundle));
    t.match(check(lying, { digest: digestOf(changed), bytes: changed }, root), {
      outcome: 'rejected',
      reason: /none of the trusted keys/,
    });
    t.end();
  },
);

t.test('a bundle by a managed key that nobody configured is rejected', needsVectors, (t) => {
  const name = 'managed-key-no-key_fail';
  const root = vectorRoot('k', 'signed', 'cosign2.pub');
  t.match(check(bundleOf(name), subjectOf(name), root), { outcome: 'rejected' });
  t.end();
});

t.test('every bundle with a certificate is rejected, by whatever key', needsVectors, (t) => {
  const names = readdirSync(vectorPath(FAMILY), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('managed-key'))
    .map((entry) => entry.name);
  t.ok(names.length > 20, `${names.length} cases`);
  const root = vectorRoot('k', FAMILY, 'managed-key-and-trusted-root', 'key.pub');
  for (const name of names) {
    t.match(
      check(bundleOf(name), subjectOf(name), root),
      {
        outcome: 'rejected',
        reason: /./,
      },
      name,
    );
  }
  t.end();
});

t.test('an attestation about an image by a certificate is rejected', needsVectors, (t) => {
  const content = readVector('cosign', 'oci-attestation.sigstore.json');
  const bundle = JSON.parse(content.toString()) as { dsseEnvelope: { payload: string } };
  const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString()) as {
    subject: { digest: { sha256: string } }[];
  };
  const digest = parseDigest(`sha256:${statement.subject[0]?.digest.sha256 ?? ''}`);
  const root = vectorRoot('k', 'signed', 'cosign3.pub');
  t.match(check(content, { digest, bytes: Buffer.alloc(0) }, root), {
    outcome: 'rejected',
    reason: /a certificate never satisfies a key/,
  });
  t.end();
});
