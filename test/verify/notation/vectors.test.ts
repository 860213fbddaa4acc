/** Signatures that others made: the layouts and envelopes of the Notary Project, and those of its released tool. */
import t from 'tap';
import { parseDigest, digestHex, type Digest } from '../../../src/oci/digest.ts';
import { parseManifest } from '../../../src/oci/manifest.ts';
import { isIndexType, OCI_INDEX } from '../../../src/oci/media-type.ts';
import type { NotationFacts } from '../../../src/policy/notation-facts.ts';
import { parseCertificate, type Certificate } from '../../../src/trust/certificate.ts';
import { notationRoot, type NotationRoot } from '../../../src/trust/notation-root.ts';
import { parseCertificates } from '../../../src/trust/pem.ts';
import { checkNotation } from '../../../src/verify/notation/check-signature.ts';
import { parseCose } from '../../../src/verify/notation/cose.ts';
import { parseJws } from '../../../src/verify/notation/jws.ts';
import { claimsNotation, requireEnvelopeLayer } from '../../../src/verify/notation/manifest.ts';
import type { Target } from '../../../src/verify/notation/target.ts';
import {
  certificatesAlong,
  isNamed,
  requireToken,
} from '../../../src/verify/timestamp/token-checks.ts';
import { parseTimestampToken } from '../../../src/verify/timestamp/token.ts';
import { needsVectors, readVector } from '../vectors.ts';

interface Found extends Target {
  readonly bytes: Buffer;
}

/** The image under the layout's first tag, and the envelopes about it, listed in the index or in a fallback index. */
function readLayout(folder: readonly string[]): {
  readonly image: Found;
  readonly envelopes: readonly { readonly mediaType: string; readonly bytes: Buffer }[];
} {
  const blob = (digest: Digest): Buffer =>
    readVector(...folder, 'blobs', 'sha256', digestHex(digest));
  const listed = (bytes: Buffer): readonly Found[] => {
    const index = parseManifest(bytes, OCI_INDEX);
    return index.kind !== 'index'
      ? []
      : index.manifests.map((found) => ({ ...found, bytes: blob(found.digest) }));
  };
  const top = listed(readVector(...folder, 'index.json'));
  const [image] = top;
  if (image === undefined) throw new Error('expected an image');
  const found = [
    ...top,
    ...top
      .slice(1)
      .flatMap(({ mediaType, bytes }) => (isIndexType(mediaType) ? listed(bytes) : [])),
  ];
  const manifests = new Map(found.map((each) => [each.digest, each]));
  const signatures = [...manifests.values()]
    .map(({ bytes, mediaType }) => parseManifest(bytes, mediaType))
    .filter(claimsNotation);
  return {
    image,
    envelopes: signatures.map((manifest) => {
      const { mediaType, digest } = requireEnvelopeLayer(manifest, image);
      return { mediaType, bytes: blob(digest) };
    }),
  };
}

function certificates(...file: readonly string[]): readonly Certificate[] {
  const bytes = readVector(...file);
  return bytes[0] === 0x30
    ? [parseCertificate(bytes)]
    : parseCertificates(bytes.toString(), file.join('/'));
}

function rootOf(
  ca: readonly Certificate[],
  tsa: readonly (readonly Certificate[])[] = [],
): NotationRoot {
  const files = tsa.map((some, at) => ({ label: `tsa ${at}`, certificates: some }));
  return notationRoot('vector', {
    ca: [{ label: 'ca', certificates: ca }],
    ...(files.length === 0 ? {} : { tsa: files }),
  });
}

async function check(
  folder: readonly string[],
  root: NotationRoot,
  now: string,
): Promise<readonly NotationFacts[]> {
  const { image, envelopes } = readLayout(folder);
  const facts: NotationFacts[] = [];
  for (const envelope of envelopes) {
    facts.push(await checkNotation(envelope, image, root, { now: Date.parse(now) }));
  }
  return facts;
}

const layout = (name: string): readonly string[] => ['notation', 'oci_layout', name];
const e2e = () => certificates('notation', 'localkeys', 'e2e.crt');
const NOW = '2026-06-01T00:00:00Z';

t.test('e2e: an image without a signature has none', needsVectors, async (t) => {
  t.strictSame(readLayout(layout('e2e')).envelopes, []);
});

t.test('e2e-valid-signature holds', needsVectors, async (t) => {
  const [facts, ...others] = await check(layout('e2e-valid-signature'), rootOf(e2e()), NOW);
  t.strictSame(others, []);
  t.match(facts, {
    envelope: 'jws',
    scheme: 'notary.x509',
    subjectText: 'C=US, ST=WA, L=Seattle, O=Notary, CN=e2e',
    signingTime: Date.parse('2023-06-27T05:30:33Z'),
    authenticity: { ok: true, trustedBy: e2e()[0]?.fingerprint },
    timestamp: { always: { ok: true }, afterCertExpiry: { ok: true } },
    expiry: { ok: true },
    revocation: 'not-checked',
  });
});

t.test('e2e-valid-signature is by nobody whom another root knows', needsVectors, async (t) => {
  const root = rootOf(certificates('notation', 'localkeys', 'expired_e2e.crt'));
  const [facts] = await check(layout('e2e-valid-signature'), root, NOW);
  t.match(facts, { authenticity: { ok: false }, expiry: { ok: true } });
});

t.test('e2e-valid-signature is about its image alone', needsVectors, async (t) => {
  const { image, envelopes } = readLayout(layout('e2e-valid-signature'));
  const [envelope] = envelopes;
  if (envelope === undefined) throw new Error('expected an envelope');
  const others: readonly Target[] = [
    { ...image, digest: parseDigest(`sha256:${'0'.repeat(64)}`) },
    { ...image, size: image.size + 1 },
    { ...image, mediaType: OCI_INDEX },
  ];
  for (const other of others) {
    await t.rejects(checkNotation(envelope, other, rootOf(e2e()), { now: Date.parse(NOW) }), {
      name: 'SyntaxError',
      message: /this image/,
    });
  }
});

t.test('e2e-expired-signature fails its expiry and nothing else', needsVectors, async (t) => {
  const [facts] = await check(layout('e2e-expired-signature'), rootOf(e2e()), NOW);
  t.match(facts, {
    authenticity: { ok: true },
    timestamp: { always: { ok: true } },
    expiry: { ok: false, reason: 'it expired at 2023-06-27T05:21:21.000Z' },
  });
  const [before] = await check(
    layout('e2e-expired-signature'),
    rootOf(e2e()),
    '2023-06-27T05:21:20Z',
  );
  t.match(before, { expiry: { ok: true } });
});

t.test('e2e-with-timestamped-signature: a real timestamp', needsVectors, async (t) => {
  const folder = layout('e2e-with-timestamped-signature');
  const [found] = readLayout(folder).envelopes;
  const envelope = parseJws(found?.bytes ?? Buffer.alloc(0));
  const token = parseTimestampToken(envelope.timestamp ?? Buffer.alloc(0));
  const signer = certificatesAlong(token).find((certificate) => isNamed(certificate, token));
  if (signer === undefined) throw new Error('expected the authority’s certificate');
  requireToken(token, envelope.signature, signer);
  t.equal(token.time, Date.parse('2025-01-21T09:17:46.641Z'));
  // The two authorities beside the layouts are not the one that stamped it.
  const tsa = ['DigiCertTSARootSHA384.cer', 'globalsignTSARoot.cer'].map((name) =>
    certificates('notation', 'timestamp', name),
  );
  const root = rootOf(envelope.chain, tsa);
  const [facts] = await check(folder, root, '2025-01-21T12:00:00Z');
  const reason =
    /issued by .*Microsoft Identity Verification Root.*, which is no trusted authority/;
  t.match(facts, {
    annotations: new Map([['purpose', 'e2e']]),
    authenticity: { ok: true },
    timestamp: { always: { ok: false, reason }, afterCertExpiry: { ok: true } },
    expiry: { ok: true },
  });
  const [later] = await check(folder, root, NOW);
  t.match(later, {
    timestamp: { always: { ok: false, reason }, afterCertExpiry: { ok: false, reason } },
    expiry: { ok: false },
  });
});

t.test('signed-notation: both envelopes of the released tool', needsVectors, async (t) => {
  const root = rootOf(certificates('signed', 'notation-lab.crt'));
  const folder = ['signed', 'signed-notation'];
  const within = await check(folder, root, '2026-11-21T00:00:00Z');
  t.strictSame(within.map(({ envelope }) => envelope).sort(), ['cose', 'jws']);
  for (const facts of within) {
    t.match(facts, {
      subjectText: 'C=US, ST=WA, L=Seattle, O=Notary, CN=h5-lab',
      authenticity: { ok: true },
      timestamp: { always: { ok: true }, afterCertExpiry: { ok: true } },
      until: Date.parse('2026-11-21T18:21:52Z') + 1,
    });
  }
  for (const facts of await check(folder, root, '2026-11-22T00:00:00Z')) {
    t.match(facts, {
      authenticity: { ok: true },
      timestamp: { always: { ok: false }, afterCertExpiry: { ok: false } },
    });
  }
});

t.test('cose_signature.sig holds', needsVectors, async (t) => {
  const bytes = readVector('notation', 'envelopes', 'cose_signature.sig');
  const { payload, chain } = parseCose(bytes);
  const { targetArtifact } = JSON.parse(payload.toString()) as { readonly targetArtifact: Target };
  const root = rootOf([chain[0]]);
  const envelope = { mediaType: 'application/cose', bytes };
  t.match(await checkNotation(envelope, targetArtifact, root, { now: Date.parse(NOW) }), {
    envelope: 'cose',
    subjectText: 'C=US, ST=WA, L=Seattle, O=Notary, CN=alpine',
    authenticity: { ok: true },
    timestamp: { always: { ok: true } },
  });
});
