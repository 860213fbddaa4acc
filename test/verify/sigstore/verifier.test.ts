/** Sigstore bundles by key: the signature covers what is bound to this very image. */
import { createHash } from 'node:crypto';
import { dsse } from '@sigstore/core';
import fc from 'fast-check';
import t from 'tap';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Candidate, Checked } from '../../../src/verify/candidate.ts';
import { MAX_SIGNED_PAYLOAD } from '../../../src/verify/bounds.ts';
import { sigstoreBundle } from '../../../src/verify/sigstore/verifier.ts';
import {
  BUNDLE_TYPE,
  createSigner,
  digestOfText,
  dsseBundle,
  rootOf,
  statement,
  type Signer,
  type SignerKind,
} from '../../helpers/signer.ts';

const IN_TOTO = 'application/vnd.in-toto+json';
const bytes = Buffer.from('the manifest');
const subject = { digest: digestOf(bytes), bytes };
const signer = createSigner();
const root = rootOf('release', signer);
const foundIn = digestOfText('referrer');
const about = statement([{ digest: { sha256: subject.digest.slice(7) } }]);

function candidate(bundle: unknown): Candidate {
  const content =
    bundle instanceof Uint8Array ? Buffer.from(bundle) : Buffer.from(JSON.stringify(bundle));
  return { place: 'referrer x', foundIn, mediaType: BUNDLE_TYPE, content, annotations: {} };
}

function check(bundle: unknown, roots = [root]): Checked {
  return sigstoreBundle.check(candidate(bundle), subject, { roots, now: 0 });
}

/** `cosign sign-blob` over the manifest. */
function messageBundle(by: Signer, over: Uint8Array = bytes, algorithm = 'sha256'): object {
  const digest = createHash(algorithm).update(over).digest('base64');
  const name = `SHA2_${algorithm.slice(3)}`;
  return {
    mediaType: BUNDLE_TYPE,
    verificationMaterial: { publicKey: {} },
    messageSignature: {
      messageDigest: { algorithm: name, digest },
      signature: by.sign(over).toString('base64'),
    },
  };
}

t.test('proves who signed what, and where it was found', (t) => {
  const [key] = root.keys;
  t.same(check(dsseBundle(signer, about)), {
    outcome: 'verified',
    evidence: [
      {
        scheme: 'sigstore-bundle',
        signer: {
          kind: 'key',
          trustRoot: 'release',
          fingerprint: key?.fingerprint,
          label: 'key1.pub',
        },
        digest: subject.digest,
        foundIn,
        references: [],
        logs: [],
        certificateLogs: [],
        times: [],
      },
    ],
  });
  t.end();
});

t.test('verifies statements and message signatures by every kind of key', (t) => {
  const kinds: readonly SignerKind[] = ['p256', 'p384', 'p521', 'rsa', 'rsa-pss', 'ed25519'];
  for (const kind of kinds) {
    const one = createSigner(kind);
    const roots = [root, rootOf('mixed', createSigner('rsa'), one)];
    const bundles = [
      dsseBundle(one, about),
      ...['sha256', 'sha384', 'sha512'].map((hash) => messageBundle(one, bytes, hash)),
    ];
    for (const bundle of bundles) {
      const checked = check(bundle, roots);
      t.match(
        checked,
        { outcome: 'verified', evidence: [{ signer: { trustRoot: 'mixed' } }] },
        kind,
      );
    }
  }
  t.end();
});

t.test('rejects a signature that is by none of these keys or over other bytes', (t) => {
  const message = /by none of the trusted keys/;
  const envelope = (sig: Buffer, payloadType = IN_TOTO, payload = about) => ({
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType,
      signatures: [{ sig: sig.toString('base64') }],
    },
  });
  const spaced = Buffer.concat([about, Buffer.from(' ')]);
  const good = signer.sign(dsse.preAuthEncoding(IN_TOTO, about));
  const wrong = [
    dsseBundle(createSigner(), about),
    // The payload itself, and its base64, instead of the pre-authentication encoding.
    dsseBundle(signer, about, envelope(signer.sign(about))),
    dsseBundle(signer, about, envelope(signer.sign(Buffer.from(about.toString('base64'))))),
    dsseBundle(signer, about, envelope(signer.sign(dsse.preAuthEncoding('text/plain', about)))),
    dsseBundle(signer, about, envelope(good, IN_TOTO, spaced)),
    dsseBundle(signer, about, envelope(Buffer.alloc(0))),
    messageBundle(createSigner()),
    {
      ...messageBundle(signer),
      messageSignature: {
        ...(messageBundle(signer) as { messageSignature: object }).messageSignature,
        signature: good.toString('base64'),
      },
    },
  ];
  for (const bundle of wrong) t.match(check(bundle), { outcome: 'rejected', reason: message });
  t.match(check(dsseBundle(signer, about), []), { outcome: 'rejected' });
  t.end();
});

t.test('rejects a good signature about another image', (t) => {
  const elsewhere = statement([{ digest: { sha256: digestOfText('another').slice(7) } }]);
  const reason = /about another artifact/;
  t.match(check(dsseBundle(signer, elsewhere)), { outcome: 'rejected', reason });
  t.match(check(messageBundle(signer, Buffer.from('another manifest'))), {
    outcome: 'rejected',
    reason,
  });
  t.end();
});

t.test('a message digest alone binds nothing: the signature covers the bytes', (t) => {
  const other = messageBundle(signer, Buffer.from('another manifest')) as {
    messageSignature: { signature: string };
  };
  const mine = messageBundle(signer) as { messageSignature: { messageDigest: object } };
  const { messageDigest } = mine.messageSignature;
  const mixed = {
    ...mine,
    messageSignature: { messageDigest, signature: other.messageSignature.signature },
  };
  t.match(check(mixed), { outcome: 'rejected', reason: /none of the trusted keys/ });
  const { signature } = other.messageSignature;
  const lying = {
    ...mine,
    messageSignature: {
      ...mine.messageSignature,
      signature,
      messageDigest: { ...messageDigest, digest: '' },
    },
  };
  t.match(check(lying), { outcome: 'rejected', reason: /about another artifact/ });
  t.end();
});

t.test('another predicate is a statement about the image, not a signature of it', (t) => {
  const name = 'registry.test/team/app';
  const subjects = [{ name, digest: { sha256: subject.digest.slice(7) } }];
  for (const predicateType of ['https://slsa.dev/provenance/v1', 'https://spdx.dev/Document']) {
    const checked = check(dsseBundle(signer, statement(subjects, predicateType)));
    t.match(checked, {
      outcome: 'verified',
      evidence: [{ statement: { predicateType, json: { predicateType } }, references: [name] }],
    });
  }
  const signature = check(dsseBundle(signer, statement(subjects)));
  t.match(signature, { outcome: 'verified', evidence: [{ references: [name] }] });
  if (signature.outcome === 'verified') t.notOk(signature.evidence.some((it) => 'statement' in it));
  t.end();
});

t.test('rejects a good signature by the key over another payload type', (t) => {
  for (const payloadType of [
    'text/plain',
    '',
    'application/vnd.in-toto+JSON',
    `${IN_TOTO} `,
    'application/json',
  ]) {
    const sig = signer.sign(dsse.preAuthEncoding(payloadType, about)).toString('base64');
    const dsseEnvelope = { payload: about.toString('base64'), payloadType, signatures: [{ sig }] };
    const checked = check(dsseBundle(signer, about, { dsseEnvelope }));
    t.match(checked, { outcome: 'rejected', reason: /expected payload type/ }, payloadType);
  }
  t.end();
});

t.test('rejects a bundle that carries a certificate, though the key signed it', (t) => {
  for (const verificationMaterial of [
    { certificate: { rawBytes: 'AAAA' } },
    { publicKey: { hint: 'x' }, certificate: { rawBytes: 'AAAA' } },
    { publicKey: { hint: 'x' }, x509CertificateChain: { certificates: [] } },
    { publicKey: { hint: 'x' }, x509_certificate_chain: {} },
  ]) {
    t.match(check(dsseBundle(signer, about, { verificationMaterial })), {
      outcome: 'rejected',
      fault: 'invalid',
    });
  }
  t.end();
});

t.test('a large payload is worth a hash only where attestations are asked for', (t) => {
  const large = statement(
    [{ digest: { sha256: subject.digest.slice(7) } }],
    `https://sbom.test/v1`,
  );
  const padded = Buffer.concat([large, Buffer.alloc(MAX_SIGNED_PAYLOAD, ' ')]);
  const bundle = dsseBundle(signer, padded);
  t.match(check(bundle), { outcome: 'rejected', reason: /payload of at most 131072 bytes/ });
  const context = { roots: [root], now: 0, attestations: true };
  const found = sigstoreBundle.check(candidate(bundle), subject, context);
  t.match(found, { outcome: 'verified', evidence: [{ statement: {} }] });
  const means = (answer: boolean) => ({ ...context, means: () => answer });
  t.match(sigstoreBundle.check(candidate(bundle), subject, means(true)), { outcome: 'verified' });
  t.match(sigstoreBundle.check(candidate(bundle), subject, means(false)), {
    outcome: 'rejected',
    fault: 'untrusted',
    reason: /whom the rule does not mean/,
  });
  const roots = Array.from({ length: 600 }, () => root);
  t.match(sigstoreBundle.check(candidate(bundle), subject, { ...context, roots }), {
    outcome: 'rejected',
    reason: /too many to try 600 keys on/,
  });
  t.end();
});

t.test('accepts layers of every bundle type, to say why an old one does not count', (t) => {
  t.ok(sigstoreBundle.accepts(BUNDLE_TYPE));
  t.ok(sigstoreBundle.accepts('application/vnd.dev.sigstore.bundle+json;version=0.1'));
  for (const type of [
    '',
    'application/json',
    `x${BUNDLE_TYPE}`,
    'application/vnd.dsse.envelope.v1+json',
  ]) {
    t.notOk(sigstoreBundle.accepts(type));
  }
  t.end();
});

t.test('whatever is found is a rejection, never an error', (t) => {
  const good = Buffer.from(JSON.stringify(dsseBundle(createSigner(), about)));
  const flipped = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
    const copy = Buffer.from(good);
    copy[at] = byte;
    return copy;
  });
  const json = fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value)));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), json, flipped), (content) => {
      return check(content).outcome === 'rejected';
    }),
    { numRuns: 1000 },
  );
  t.end();
});
