/** Approvals as they are signed, and what our own verification makes of them. */
import t from 'tap';
import { digestOf, digestHex } from '../../src/oci/digest.ts';
import { isJsonObject, parseJson, type JsonObject } from '../../src/oci/json.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { isAttachment, inspectAttachment } from '../../src/admission/attachment.ts';
import { makeApproval, MAX_NOTE, type SignedArtifact } from '../../src/signing/approval.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { publicKeysRoot } from '../../src/trust/trust-root.ts';
import { sigstoreBundle } from '../../src/verify/sigstore/verifier.ts';
import { createSigner, dsseBundle, rootOf, statement } from '../helpers/signer.ts';
import { surroundings } from './environments.ts';

const NOW = Date.UTC(2026, 5, 1);
const IMAGE = Buffer.from('{"an":"image"}');
const subject = {
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: digestOf(IMAGE),
  size: IMAGE.length,
};

async function openKey() {
  const file = createSigner().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return openSigner('own.key', surroundings({ 'own.key': file }));
}

function objectIn(bytes: Uint8Array | undefined): JsonObject {
  const value = parseJson(bytes ?? Buffer.from(''));
  if (isJsonObject(value)) return value;
  throw new Error('expected an object');
}

const REQUEST = { subject, reference: 'registry.test/team/app:v1', now: NOW };

t.test('an approval has the form of what cosign 3 attaches', async (t) => {
  const signer = await openKey();
  const made = await makeApproval(signer, {
    ...REQUEST,
    note: 'looked at it — fine',
    expires: NOW + 1000,
  });
  const manifest = objectIn(made.manifest.bytes);
  const type = 'application/vnd.dev.sigstore.bundle.v0.3+json';
  t.match(manifest, {
    artifactType: type,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', size: 2 },
    layers: [{ mediaType: type }],
    subject,
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      'dev.sigstore.bundle.predicateType': 'https://sigstore.dev/cosign/sign/v1',
      'org.opencontainers.image.created': '2026-06-01T00:00:00.000Z',
    },
  });
  const { bytes } = made.manifest;
  t.ok(
    isAttachment(parseManifest(bytes, made.manifest.mediaType), bytes),
    'it is served as an attachment',
  );
  for (const blob of made.blobs) {
    t.equal(digestOf(blob.bytes), blob.digest);
    t.equal(inspectAttachment(blob.bytes), undefined);
  }
  const bundle = objectIn(made.blobs[1]?.bytes);
  const hint = Buffer.from(digestHex(signer.publicKey.fingerprint), 'hex').toString('base64');
  t.match(bundle, { mediaType: type, verificationMaterial: { publicKey: { hint } } });
  const { dsseEnvelope } = bundle;
  const payload = isJsonObject(dsseEnvelope) ? String(dsseEnvelope['payload']) : '';
  t.strictSame(objectIn(Buffer.from(payload, 'base64')), {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: digestHex(subject.digest) } }],
    predicateType: 'https://sigstore.dev/cosign/sign/v1',
    predicate: {
      countersign: {
        reference: 'registry.test/team/app:v1',
        note: 'looked at it — fine',
        approvedAt: '2026-06-01T00:00:00.000Z',
        expires: '2026-06-01T00:00:01.000Z',
      },
    },
  });
});

const verifyArtifact = ({ blobs }: SignedArtifact, roots: Parameters<typeof rootOf>[1][] = []) => {
  const content = blobs[1]?.bytes ?? Buffer.alloc(0);
  return check(content, [rootOf('ours', ...roots)]);
};

const check = (content: Buffer, roots: ReturnType<typeof rootOf>[]) =>
  sigstoreBundle.check(
    {
      content,
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      annotations: {},
      place: 'here',
      foundIn: subject.digest,
    },
    { digest: subject.digest, bytes: IMAGE },
    { roots, now: NOW },
  );

t.test('it is evidence by its key, with its name and its end', async (t) => {
  const signer = await openKey();
  const root = publicKeysRoot('ours', [signer.publicKey]);
  const made = await makeApproval(signer, { ...REQUEST, expires: NOW + 1000 });
  t.match(check(made.blobs[1]?.bytes ?? Buffer.alloc(0), [root]), {
    outcome: 'verified',
    evidence: [
      {
        signer: { kind: 'key', trustRoot: 'ours' },
        references: ['registry.test/team/app:v1'],
        expires: NOW + 1000,
        statement: undefined,
      },
    ],
  });
  t.match(verifyArtifact(made, [createSigner()]), {
    outcome: 'rejected',
    fault: 'untrusted',
  });
  const forGood = await makeApproval(signer, REQUEST);
  const checked = check(forGood.blobs[1]?.bytes ?? Buffer.alloc(0), [root]);
  t.match(checked, { outcome: 'verified' });
  t.equal(checked.outcome === 'verified' && 'expires' in (checked.evidence[0] ?? {}), false);
});

t.test('an end that cannot be read counts as one', async (t) => {
  const signer = createSigner();
  const ends: readonly (readonly [predicate: unknown, expires: unknown])[] = [
    [{}, undefined],
    [null, undefined],
    [{ other: { expires: 'never' } }, undefined],
    [{ countersign: {} }, undefined],
    [{ countersign: { expires: '2026-06-01T00:00:01.000Z' } }, NOW + 1000],
    [{ countersign: { expires: '2026-06-01T00:00:01Z' } }, 'unreadable'],
    [{ countersign: { expires: '2026-02-30T00:00:00.000Z' } }, 'unreadable'],
    [{ countersign: { expires: NOW + 1000 } }, 'unreadable'],
    [{ countersign: { expires: null } }, 'unreadable'],
    [{ countersign: { expires: '' } }, 'unreadable'],
    [{ countersign: null }, 'unreadable'],
    [{ countersign: 'until then' }, 'unreadable'],
    [{ countersign: [] }, 'unreadable'],
  ];
  for (const [predicate, expires] of ends) {
    const json = objectIn(statement([{ digest: { sha256: digestHex(subject.digest) } }]));
    const bundle = dsseBundle(signer, Buffer.from(JSON.stringify({ ...json, predicate })));
    const checked = check(Buffer.from(JSON.stringify(bundle)), [rootOf('ours', signer)]);
    const [evidence] = checked.outcome === 'verified' ? checked.evidence : [];
    t.ok(evidence, JSON.stringify(predicate));
    t.equal(evidence?.expires, expires, JSON.stringify(predicate));
  }
});

t.test('what would be no approval is not signed', async (t) => {
  const signer = await openKey();
  for (const [changes, message] of [
    [{ note: 'x'.repeat(MAX_NOTE + 1) }, /one line and at most/],
    [{ note: 'two\nlines' }, /one line/],
    [{ note: 'turned \u202e round' }, /one line/],
    [{ expires: NOW }, /expiry to come/],
  ] as const) {
    await t.rejects(makeApproval(signer, { ...REQUEST, ...changes }), { code: 'content', message });
  }
});
