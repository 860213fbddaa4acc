/** Who made a signature, under which trust root: certificates and keys, entries and timestamps, in every form. */
import t from 'tap';
import { digestOf } from '../../../src/oci/digest.ts';
import type { TrustRoot } from '../../../src/trust/trust-root.ts';
import { cosignAttestation } from '../../../src/verify/attestation/verifier.ts';
import type { Checked, SchemeVerifier } from '../../../src/verify/candidate.ts';
import { sigstoreBundle } from '../../../src/verify/sigstore/verifier.ts';
import { simpleSigning } from '../../../src/verify/simple-signing/verifier.ts';
import type { BundleOptions } from '../../helpers/sigstore/bundle.ts';
import { createKey } from '../../helpers/sigstore/key.ts';
import {
  attestationLayer,
  bundleLayer,
  candidateOf,
  entryAnnotation,
  simpleLayer,
  type SignatureLayer,
} from '../../helpers/sigstore/layers.ts';
import { GITHUB_ISSUER, WORKFLOW } from '../../helpers/sigstore/leaf.ts';
import { createSigstore, SIGSTORE_TIME } from '../../helpers/sigstore/sigstore.ts';
import { createSigner, rootOf, simplePayload, statement } from '../../helpers/signer.ts';
import { parsePublicKeys } from '../../../src/trust/public-key.ts';
import { publicKeysRoot } from '../../../src/trust/trust-root.ts';

const bytes = Buffer.from('the manifest');
const subject = { digest: digestOf(bytes), bytes };
const NAME = 'registry.test/team/app';
const SUBJECTS = [{ name: NAME, digest: { sha256: subject.digest.slice(7) } }];
const SIGNED = statement(SUBJECTS);
const PROVENANCE = statement(SUBJECTS, 'https://slsa.dev/provenance/v1');
const PAYLOAD = simplePayload(subject.digest);

const sigstore = createSigstore();
const other = createSigstore();
const root = sigstore.root('ours');
const key = createKey();
const keys = publicKeysRoot('keys', parsePublicKeys(key.pem, 'release.pub'));
const YEARS_LATER = SIGSTORE_TIME + 5 * 365 * 24 * 60 * 60 * 1000;

function check(
  scheme: SchemeVerifier,
  layer: SignatureLayer,
  roots: readonly TrustRoot[] = [root],
  now = YEARS_LATER,
): Checked {
  return scheme.check(candidateOf(layer), subject, { roots, now, attestations: true });
}

const CERTIFICATE = {
  kind: 'certificate',
  trustRoot: 'ours',
  issuer: GITHUB_ISSUER,
  subjects: [{ type: 'uri', value: WORKFLOW }],
};
const LOGGED = {
  signer: CERTIFICATE,
  digest: subject.digest,
  logs: { length: 1 },
  times: [{ trustRoot: 'ours', source: 'transparency-log', time: SIGSTORE_TIME }],
  certificateLogs: { length: 1 },
};
const STAMPED = {
  ...LOGGED,
  times: [{ trustRoot: 'ours', source: 'timestamp-authority', time: SIGSTORE_TIME }],
};

t.test('bundles of every version by a certificate, long after it expired', async (t) => {
  for (const version of ['0.1', '0.2', '0.3'] as const) {
    const message = check(sigstoreBundle, bundleLayer(sigstore.signMessage(bytes), { version }));
    t.match(message, { outcome: 'verified', evidence: [{ ...LOGGED, references: [] }] }, version);
    const signed = check(sigstoreBundle, bundleLayer(sigstore.signEnvelope(SIGNED), { version }));
    t.match(signed, { outcome: 'verified', evidence: [{ ...LOGGED, references: [NAME] }] });
    const entry = { entryKind: 'intoto 0.0.2' } as const;
    const about = bundleLayer(sigstore.signEnvelope(PROVENANCE, entry), { version });
    t.match(check(sigstoreBundle, about), {
      outcome: 'verified',
      evidence: [{ ...LOGGED, statement: { predicateType: 'https://slsa.dev/provenance/v1' } }],
    });
  }
  const { withLog2 } = sigstore;
  for (const signed of [
    sigstore.signMessage(bytes, withLog2),
    sigstore.signEnvelope(SIGNED, withLog2),
  ]) {
    t.match(check(sigstoreBundle, bundleLayer(signed)), {
      outcome: 'verified',
      evidence: [STAMPED],
    });
  }
  const stamped = bundleLayer(sigstore.signMessage(bytes, sigstore.withTimestamp));
  t.match(check(sigstoreBundle, stamped), {
    outcome: 'verified',
    evidence: [{ ...STAMPED, logs: { length: 0 } }],
  });
});

t.test('a chain may bring intermediates and no root', async (t) => {
  const signed = sigstore.signMessage(bytes);
  const authorities = sigstore
    .authorities()
    .certificateAuthorities.map((it) => ({ ...it, chain: it.chain.slice(-1) }));
  const bare = sigstore.root('ours', { certificateAuthorities: authorities });
  const layer = (certificate: NonNullable<BundleOptions['certificate']>) =>
    bundleLayer(signed, { certificate });
  t.match(check(sigstoreBundle, layer('chain with intermediates'), [bare]), {
    outcome: 'verified',
  });
  t.match(check(sigstoreBundle, layer('certificate'), [bare]), { fault: 'untrusted' });
  t.match(check(sigstoreBundle, layer('chain with root'), [bare]), {
    fault: 'invalid',
    reason: /no root/,
  });
});

t.test('legacy layers by a certificate', async (t) => {
  const signed = sigstore.signMessage(PAYLOAD);
  t.match(check(simpleSigning, simpleLayer(signed)), {
    outcome: 'verified',
    evidence: [{ ...LOGGED, scheme: 'cosign-simple-signing', references: [NAME] }],
  });
  const stamped = sigstore.signMessage(PAYLOAD, sigstore.withTimestamp);
  t.match(check(simpleSigning, simpleLayer(stamped)), {
    evidence: [{ ...STAMPED, logs: { length: 0 } }],
  });
  for (const entryKind of ['intoto 0.0.1', 'intoto 0.0.2', 'dsse 0.0.1'] as const) {
    const layer = attestationLayer(sigstore.signEnvelope(PROVENANCE, { entryKind }));
    t.match(
      check(cosignAttestation, layer),
      {
        outcome: 'verified',
        evidence: [
          {
            ...LOGGED,
            scheme: 'cosign-attestation',
            references: [NAME],
            statement: { predicateType: 'https://slsa.dev/provenance/v1' },
          },
        ],
      },
      entryKind,
    );
  }
});

t.test(
  'the timestamp of a legacy attestation is over the envelope, that of a signature is not',
  async (t) => {
    const sign = (timestampOver: 'envelope' | 'signature') =>
      attestationLayer(
        sigstore.signEnvelope(PROVENANCE, { ...sigstore.withTimestamp, timestampOver }),
      );
    t.match(check(cosignAttestation, sign('envelope')), {
      evidence: [{ ...STAMPED, logs: { length: 0 } }],
    });
    t.match(check(cosignAttestation, sign('signature')), { outcome: 'rejected', fault: 'invalid' });
  },
);

t.test('what stands beside a legacy signature belongs to it', async (t) => {
  const one = sigstore.signMessage(PAYLOAD);
  const two = sigstore.signMessage(PAYLOAD);
  const [entry] = two.entries;
  if (entry === undefined) throw new Error('expected an entry');
  const invalid = { outcome: 'rejected', fault: 'invalid' } as const;
  // CVE-2022-23649: the promise of another signature, over the same payload.
  const copied = { 'dev.sigstore.cosign/bundle': entryAnnotation(entry) };
  t.match(check(simpleSigning, simpleLayer(one, copied)), invalid);
  t.match(check(simpleSigning, simpleLayer(one), [root]), { outcome: 'verified' });
  const later = { ...entry, integratedTime: `${Number(entry.integratedTime) + 1}` };
  const forged = { 'dev.sigstore.cosign/bundle': entryAnnotation(later) };
  t.match(check(simpleSigning, simpleLayer(two, forged)), invalid);
  for (const [name, text] of [
    ['dev.sigstore.cosign/bundle', '{}'],
    ['dev.sigstore.cosign/bundle', 'junk'],
    ['dev.sigstore.cosign/bundle', entryAnnotation(entry).replace('{', '{"logID":"x",')],
    ['dev.sigstore.cosign/rfc3161timestamp', '{"SignedRFC3161Timestamp":"!"}'],
    ['dev.sigstore.cosign/certificate', 'junk'],
    ['dev.sigstore.cosign/certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n'],
    ['dev.sigstore.cosign/chain', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
  ] as const) {
    const checked = check(simpleSigning, simpleLayer(two, { [name]: text }));
    t.match(checked, invalid, `${name}: ${text}`);
  }
});

t.test('a certificate without a proven time is judged now, and says until when', async (t) => {
  const layer = bundleLayer(sigstore.signMessage(bytes, { logs: [], timestampAuthorities: [] }));
  const now = check(sigstoreBundle, layer, [root], SIGSTORE_TIME);
  t.match(now, { outcome: 'verified', evidence: [{ times: { length: 0 }, validUntil: Number }] });
  t.match(check(sigstoreBundle, layer), {
    outcome: 'rejected',
    fault: 'invalid',
    reason: /no known log or authority proves when it was signed/,
  });
  const timed = check(sigstoreBundle, bundleLayer(sigstore.signMessage(bytes)));
  if (timed.outcome === 'verified') t.notOk(timed.evidence.some((it) => 'validUntil' in it));
});

t.test('what a root does not know counts for nothing; what it knows must hold', async (t) => {
  const signed = sigstore.signMessage(bytes, { time: SIGSTORE_TIME });
  const foreign = other.signMessage(bytes, sigstore.withTimestamp);
  const without = sigstore.root('ours', { transparencyLogs: [], timestampAuthorities: [] });
  t.match(check(sigstoreBundle, bundleLayer(signed), [without], SIGSTORE_TIME), {
    evidence: [{ logs: { length: 0 }, times: { length: 0 } }],
  });
  t.match(check(sigstoreBundle, bundleLayer(foreign)), { fault: 'untrusted' });
  const [first] = signed.entries;
  const [second] = sigstore.signMessage(bytes).entries;
  const entries = [first, second].filter((entry) => entry !== undefined);
  t.match(check(sigstoreBundle, bundleLayer({ ...signed, entries })), { fault: 'invalid' });
  const twice = [first, first].filter((entry) => entry !== undefined);
  t.match(check(sigstoreBundle, bundleLayer({ ...signed, entries: twice })), {
    evidence: [{ logs: { length: 1 }, times: { length: 1 } }],
  });
});

t.test('a log whose key was not in force at the proven time proves nothing', async (t) => {
  const signed = bundleLayer(sigstore.signMessage(bytes, sigstore.withLog2));
  const until = (end: number) =>
    sigstore.root('ours', {
      transparencyLogs: sigstore
        .authorities()
        .transparencyLogs.map((log) => ({ ...log, validity: { start: 0, end } })),
    });
  t.match(check(sigstoreBundle, signed, [until(SIGSTORE_TIME)]), { outcome: 'verified' });
  t.match(check(sigstoreBundle, signed, [until(SIGSTORE_TIME - 1)]), {
    fault: 'invalid',
    reason: /key is not valid at/,
  });
});

t.test('one root that fails hides no other that succeeds', async (t) => {
  const layer = bundleLayer(sigstore.signMessage(bytes));
  const broken = sigstore.root('broken', {
    certificateAuthorities: sigstore
      .authorities()
      .certificateAuthorities.map((it) => ({ ...it, validity: { start: 0, end: 1 } })),
  });
  for (const roots of [
    [other.root('other'), broken, root],
    [root, broken, other.root('other')],
  ]) {
    t.match(check(sigstoreBundle, layer, roots), {
      outcome: 'verified',
      evidence: { length: 1, 0: { signer: { trustRoot: 'ours' } } },
    });
  }
  t.match(check(sigstoreBundle, layer, [other.root('other'), broken]), { fault: 'invalid' });
  t.match(check(sigstoreBundle, layer, [other.root('other')]), {
    fault: 'untrusted',
    reason: new RegExp(`^signed by ${WORKFLOW.replaceAll('.', '\\.')} \\(issuer ${GITHUB_ISSUER}`),
  });
});

t.test('a certificate never satisfies a key, nor a key an identity', async (t) => {
  const certified = sigstore.leaf({ key });
  const root2 = rootOf('strangers', createSigner());
  const byCertificate = bundleLayer(sigstore.signMessage(bytes, { by: certified }));
  const refused = { outcome: 'rejected', fault: 'untrusted' } as const;
  t.match(check(sigstoreBundle, byCertificate, [keys]), {
    ...refused,
    reason: /a certificate never satisfies a key/,
  });
  const both = check(sigstoreBundle, byCertificate, [keys, root]);
  t.match(both, { evidence: { length: 1, 0: { signer: CERTIFICATE } } });
  const byKey = bundleLayer(sigstore.signMessage(bytes, { by: key }));
  t.match(check(sigstoreBundle, byKey, [root]), { ...refused, reason: /identities alone/ });
  t.match(check(sigstoreBundle, byKey, [root, root2]), refused);
  t.match(check(sigstoreBundle, byKey, [keys, root]), {
    evidence: [
      {
        signer: { kind: 'key', trustRoot: 'keys', label: 'release.pub' },
        logs: [{ trustRoot: 'ours' }],
        times: [{ trustRoot: 'ours', source: 'transparency-log' }],
        certificateLogs: [],
      },
    ],
  });
});

t.test('beside a legacy signature a certificate takes nothing from a key', async (t) => {
  const certified = sigstore.leaf({ key });
  const layer = simpleLayer(sigstore.signMessage(PAYLOAD, { by: certified }));
  t.match(check(simpleSigning, layer, [keys]), {
    evidence: { length: 1, 0: { signer: { kind: 'key' }, logs: [], times: [] } },
  });
  t.match(check(simpleSigning, layer, [keys, root]), {
    evidence: { length: 2, 0: { signer: { kind: 'key' } }, 1: { signer: CERTIFICATE } },
  });
  const junk = { 'dev.sigstore.cosign/certificate': 'junk', 'dev.sigstore.cosign/bundle': 'junk' };
  const messy = simpleLayer(sigstore.signMessage(PAYLOAD, { by: key }), junk);
  t.match(check(simpleSigning, messy, [keys]), { outcome: 'verified' });
  const stranger = simpleLayer(sigstore.signMessage(PAYLOAD));
  t.match(check(simpleSigning, stranger, [keys]), {
    fault: 'untrusted',
    reason: /none of the trusted keys/,
  });
});

t.test('the log entry of a key is about that key', async (t) => {
  const signed = sigstore.signMessage(bytes, { by: key });
  const certified = sigstore.signMessage(bytes, { by: sigstore.leaf({ key }) });
  const { entries, signature } = certified;
  const foreign = bundleLayer({ ...signed, signature, entries });
  t.match(check(sigstoreBundle, foreign, [keys, root]), { fault: 'invalid' });
  t.match(check(sigstoreBundle, foreign, [keys]), { outcome: 'verified' });
});

t.test(
  'a signature that its own certificate does not make is invalid, whoever is trusted',
  async (t) => {
    const signed = sigstore.signMessage(bytes);
    const layer = bundleLayer({ ...signed, signature: sigstore.signMessage(bytes).signature });
    const reason = 'the signature is not by the key of its certificate';
    for (const roots of [[root], [other.root('other')], [keys]]) {
      t.match(check(sigstoreBundle, layer, roots), { fault: 'invalid', reason });
    }
  },
);

t.test('certificates that are not for code, and of authorities, sign nothing', async (t) => {
  for (const leaf of [
    sigstore.leaf({ usages: ['1.3.6.1.5.5.7.3.1'] }),
    sigstore.leaf({ usages: [] }),
    sigstore.leaf({ ca: true }),
    sigstore.leaf({ unknownCritical: true }),
  ]) {
    const layer = bundleLayer(sigstore.signMessage(bytes, { by: leaf }));
    t.match(check(sigstoreBundle, layer), { outcome: 'rejected' });
  }
});

t.test('a statement about another image is refused, though everything else holds', async (t) => {
  const elsewhere = statement([{ digest: { sha256: 'a'.repeat(64) } }]);
  const reason = /about another artifact/;
  t.match(check(sigstoreBundle, bundleLayer(sigstore.signEnvelope(elsewhere))), { reason });
  t.match(check(cosignAttestation, attestationLayer(sigstore.signEnvelope(elsewhere))), { reason });
  const plain = sigstore.signEnvelope(SIGNED, { payloadType: 'text/plain' });
  t.match(check(sigstoreBundle, bundleLayer(plain)), { reason: /payload type/ });
  t.match(check(cosignAttestation, attestationLayer(plain)), { reason: /payload type/ });
});
