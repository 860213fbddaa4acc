/** The stand-in for Sigstore that other tests lean on makes what a verifier of other people accepts. */
import { X509Certificate } from 'node:crypto';
import { bundleFromJSON } from '@sigstore/bundle';
import { RFC3161Timestamp, X509Certificate as Asn1Certificate } from '@sigstore/core';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import t from 'tap';
import { parseCertificate } from '../../../src/trust/certificate.ts';
import { bundleOf, type BundleOptions } from '../../helpers/sigstore/bundle.ts';
import { createCertificateLog } from '../../helpers/sigstore/certificate-log.ts';
import { issueAuthority } from '../../helpers/sigstore/certificate.ts';
import { createKey, sha, type HashName, type KeyKind } from '../../helpers/sigstore/key.ts';
import { GITHUB_ISSUER, WORKFLOW } from '../../helpers/sigstore/leaf.ts';
import type { SignedEnvelope, SignedMessage } from '../../helpers/sigstore/signed.ts';
import { createWitness } from '../../helpers/sigstore/signed-note.ts';
import { createSigstore, SIGSTORE_TIME, type Sigstore } from '../../helpers/sigstore/sigstore.ts';
import { createTimestampAuthority } from '../../helpers/sigstore/timestamp-authority.ts';
import { statement } from '../../helpers/signer.ts';

const DATA = Buffer.from('an artifact');
const STATEMENT = statement([{ name: 'app', digest: { sha256: 'a'.repeat(64) } }]);
const HOUR = 60 * 60 * 1000;

interface Thresholds {
  readonly tlogThreshold?: number;
  readonly ctlogThreshold?: number;
}

/** What somebody else's verifier says: who signed. It throws where it does not hold. */
function secondOpinion(
  sigstore: Sigstore,
  signed: SignedMessage | SignedEnvelope,
  options: BundleOptions & { readonly thresholds?: Thresholds } = {},
): { readonly subject: string | undefined; readonly issuer: string | undefined } {
  const root = TrustedRoot.fromJSON(sigstore.trustedRootJson());
  const key = 'key' in signed.verifier ? undefined : signed.verifier;
  const material = toTrustMaterial(root, () => {
    if (key === undefined) throw new Error('no key was expected');
    return { publicKey: key.publicKey, validFor: () => true };
  });
  const bundle = bundleFromJSON(bundleOf(signed, options));
  const data = signed.kind === 'message' ? signed.data : undefined;
  const { identity } = new Verifier(material, options.thresholds ?? {}).verify(
    toSignedEntity(bundle, data),
  );
  return {
    subject: identity?.subjectAlternativeName,
    issuer: identity?.extensions?.issuer,
  };
}

const sigstore = createSigstore();
const WHO = { subject: WORKFLOW, issuer: GITHUB_ISSUER };

for (const version of ['0.1', '0.2', '0.3'] as const) {
  t.test(`a bundle of version ${version} with an entry of the log of version 1`, async (t) => {
    t.strictSame(secondOpinion(sigstore, sigstore.signMessage(DATA), { version }), WHO);
    t.strictSame(secondOpinion(sigstore, sigstore.signEnvelope(STATEMENT), { version }), WHO);
    const intoto = sigstore.signEnvelope(STATEMENT, { entryKind: 'intoto 0.0.2' });
    t.strictSame(secondOpinion(sigstore, intoto, { version }), WHO);
  });
}

t.test('promises without proofs, and proofs without promises beside a timestamp', async (t) => {
  const promised = sigstore.signMessage(DATA, { add: { proof: false } });
  t.strictSame(secondOpinion(sigstore, promised, { version: '0.1' }), WHO);
  const proven = sigstore.signMessage(DATA, {
    add: { promise: false },
    timestampAuthorities: [sigstore.timestampAuthority],
  });
  t.strictSame(secondOpinion(sigstore, proven), WHO);
});

t.test('proofs for every place in trees of many sizes', async (t) => {
  for (const entries of [0, 1, 3, 6, 7]) {
    for (const followers of [0, 2]) {
      const other = createSigstore({ log: { entries } });
      const signed = other.signMessage(DATA, { add: { followers } });
      t.strictSame(secondOpinion(other, signed), WHO, `${entries} before, ${followers} after`);
    }
  }
});

t.test('entries of the log of version 2, with Ed25519 and ECDSA keys and witnesses', async (t) => {
  for (const kind of ['ed25519', 'p256'] as const) {
    const other = createSigstore({ log2: { kind, witnesses: [createWitness()] } });
    t.strictSame(secondOpinion(other, other.signMessage(DATA, other.withLog2)), WHO);
    t.strictSame(secondOpinion(other, other.signEnvelope(STATEMENT, other.withLog2)), WHO);
    const dsse = { ...other.withLog2, entryKind: 'dsse 0.0.2' } as const;
    t.strictSame(secondOpinion(other, other.signEnvelope(STATEMENT, dsse)), WHO);
  }
});

t.test('a timestamp without any log', async (t) => {
  const thresholds = { tlogThreshold: 0 };
  const signed = sigstore.signEnvelope(STATEMENT, sigstore.withTimestamp);
  t.strictSame(secondOpinion(sigstore, signed, { thresholds }), WHO);
  for (const kind of ['p384', 'p521'] as const) {
    const other = createSigstore({ timestampAuthority: { kind } });
    const stamped = other.signMessage(DATA, other.withTimestamp);
    t.strictSame(secondOpinion(other, stamped, { thresholds }), WHO, kind);
  }
});

t.test('a key in the place of a certificate', async (t) => {
  const signed = sigstore.signMessage(DATA, { by: createKey() });
  const nobody = { subject: undefined, issuer: undefined };
  t.strictSame(secondOpinion(sigstore, signed), nobody);
});

t.test('names of every kind that the second verifier reads', async (t) => {
  const named = (names: Parameters<Sigstore['leaf']>[0]) =>
    secondOpinion(sigstore, sigstore.signMessage(DATA, { by: sigstore.leaf(names) }));
  t.equal(named({ names: [{ email: 'me@acme.test' }] }).subject, 'me@acme.test');
  t.equal(named({ names: [{ uri: 'https://acme.test/me' }] }).subject, 'https://acme.test/me');
  const { der } = sigstore.leaf({ names: [{ other: 'me!acme.test' }] });
  const read = Asn1Certificate.parse(Buffer.from(der)).extSubjectAltName;
  t.equal(read?.otherName('1.3.6.1.4.1.57264.1.7'), 'me!acme.test');
  const legacy = named({ issuer: null, legacyIssuer: 'https://accounts.test' });
  t.equal(legacy.issuer, 'https://accounts.test');
});

t.test('the lies are lies', async (t) => {
  const lies: readonly (readonly [string, SignedMessage | SignedEnvelope, RegExp])[] = [
    ['another log', sigstore.signMessage(DATA, { logs: [createSigstore().log] }), /promise/],
    [
      'a copied entry',
      { ...sigstore.signMessage(DATA), entries: sigstore.signMessage(DATA).entries },
      /mismatch/,
    ],
    [
      'another body',
      sigstore.signEnvelope(STATEMENT, { body: (body) => ({ ...body, kind: 'intoto' }) }),
      /unsupported/,
    ],
    [
      'a certificate of strangers',
      sigstore.signMessage(DATA, { by: createSigstore().leaf() }),
      /certificate chain/,
    ],
    [
      'no SCT',
      sigstore.signMessage(DATA, { by: sigstore.leaf({ certificateLogs: [] }) }),
      /expected 1 SCT/,
    ],
    [
      'the SCT of another log',
      sigstore.signMessage(DATA, {
        by: sigstore.leaf({ certificateLogs: [createCertificateLog()] }),
      }),
      /SCT verification/,
    ],
    [
      'signed after the certificate ended',
      sigstore.signMessage(DATA, { time: SIGSTORE_TIME + HOUR }),
      /certificate chain/,
    ],
    [
      'an expired intermediate',
      sigstore.signMessage(DATA, {
        by: sigstore.leaf({
          by: issueAuthority({
            issuer: sigstore.certificateRoot,
            notBefore: SIGSTORE_TIME - 2 * HOUR,
            notAfter: SIGSTORE_TIME - HOUR,
          }),
        }),
      }),
      /certificate chain/,
    ],
    [
      'a timestamp over something else',
      {
        ...sigstore.signMessage(DATA, sigstore.withTimestamp),
        timestamps: [sigstore.timestampAuthority.stamp(DATA)],
      },
      /timestamp could not/,
    ],
    [
      'a timestamp by another key',
      sigstore.signMessage(DATA, {
        ...sigstore.withTimestamp,
        stamp: { signer: sigstore.intermediate },
      }),
      /timestamp could not/,
    ],
  ];
  for (const [title, signed, message] of lies) {
    t.throws(() => secondOpinion(sigstore, signed), { message }, title);
  }
});

t.test('timestamps of RSA authorities are sound', async (t) => {
  // The second verifier passes Node no hash for RSA, so here the signature is looked at apart.
  for (const hash of ['sha256', 'sha384', 'sha512'] as const satisfies readonly HashName[]) {
    const authority = createTimestampAuthority({ clock: () => SIGSTORE_TIME, kind: 'rsa', hash });
    const stamp = RFC3161Timestamp.parse(Buffer.from(authority.stamp(DATA, { imprint: hash })));
    const [signer] = authority.chain;
    t.equal(stamp.signingTime.getTime(), SIGSTORE_TIME);
    t.equal(stamp.signerDigestAlgorithm, hash);
    t.strictSame(stamp.tstInfo.messageImprintHashedMessage, sha(hash, DATA));
    if (hash === 'sha256' && signer)
      t.doesNotThrow(() => {
        stamp.verify(DATA, signer.key.publicKey);
      });
  }
});

t.test('certificates of every key are read and hold', async (t) => {
  for (const key of ['p256', 'p384', 'p521', 'rsa', 'ed25519'] as const satisfies KeyKind[]) {
    const leaf = sigstore.leaf({ key, names: [{ dns: 'acme.test' }] });
    const read = new X509Certificate(leaf.der);
    t.ok(read.verify(sigstore.intermediate.key.publicKey), key);
    t.ok(read.checkIssued(new X509Certificate(sigstore.intermediate.der)), key);
    t.equal(read.subjectAltName, 'DNS:acme.test');
    t.strictSame(read.keyUsage, ['1.3.6.1.5.5.7.3.3']);
    t.equal(parseCertificate(leaf.der).isCa, false);
  }
  t.ok(parseCertificate(sigstore.intermediate.der).isCa);
  t.ok(parseCertificate(sigstore.leaf({ ca: true }).der).extensions.has('2.5.29.19'));
  const odd = parseCertificate(sigstore.leaf({ unknownCritical: true, usages: [] }).der);
  t.equal(odd.extendedKeyUsage, undefined);
  t.equal(odd.extensions.get('1.3.6.1.4.1.57264.99.1')?.critical, true);
});
