/** Every form in which identities sign images verifies, with every log, authority and key; and no other does. */
import t from 'tap';
import { digestOf } from '../../../src/oci/digest.ts';
import { cosignAttestation } from '../../../src/verify/attestation/verifier.ts';
import type { Checked, SchemeVerifier } from '../../../src/verify/candidate.ts';
import { sigstoreBundle } from '../../../src/verify/sigstore/verifier.ts';
import { simpleSigning } from '../../../src/verify/simple-signing/verifier.ts';
import type { LeafOptions } from '../../helpers/sigstore/leaf.ts';
import {
  attestationLayer,
  bundleLayer,
  candidateOf,
  simpleLayer,
  type SignatureLayer,
} from '../../helpers/sigstore/layers.ts';
import { createSigstore, SIGSTORE_TIME, type Sigstore } from '../../helpers/sigstore/sigstore.ts';
import { simplePayload, statement } from '../../helpers/signer.ts';

const bytes = Buffer.from('{"schemaVersion":2}');
const subject = { digest: digestOf(bytes), bytes };
const payload = simplePayload(subject.digest);
const signed = statement([{ digest: { sha256: subject.digest.slice('sha256:'.length) } }]);
const sigstore = createSigstore();

function check(scheme: SchemeVerifier, layer: SignatureLayer, by: Sigstore = sigstore): Checked {
  return scheme.check(candidateOf(layer), subject, { roots: [by.root()], now: SIGSTORE_TIME });
}

/** What has to be proven: logs with how, sources of times. */
type Proven = readonly [logs: readonly (readonly string[])[], times: readonly string[]];

const LOGGED: Proven = [[['promise', 'proof']], ['transparency-log']];
const PROMISED: Proven = [[['promise']], ['transparency-log']];
const LOGGED_2: Proven = [[['proof']], ['timestamp-authority']];
const STAMPED: Proven = [[], ['timestamp-authority']];

function provenBy(checked: Checked): Proven | string {
  if (checked.outcome === 'rejected') return checked.reason;
  const [evidence] = checked.evidence;
  return [
    evidence?.logs.map(({ by }) => by) ?? [],
    evidence?.times.map(({ source }) => source) ?? [],
  ];
}

t.test('bundles of every version, of messages and envelopes', async (t) => {
  for (const version of ['0.1', '0.2', '0.3'] as const) {
    const forms = {
      message: sigstore.signMessage(bytes),
      'dsse 0.0.1': sigstore.signEnvelope(signed),
      'intoto 0.0.2': sigstore.signEnvelope(signed, { entryKind: 'intoto 0.0.2' }),
    };
    for (const [form, one] of Object.entries(forms)) {
      const layer = bundleLayer(one, { version });
      t.strictSame(provenBy(check(sigstoreBundle, layer)), LOGGED, `${version} ${form}`);
    }
  }
});

t.test('bundles with a log of version 2 and with a timestamp alone', async (t) => {
  const { withLog2, withTimestamp } = sigstore;
  const inLog2 = sigstore.signEnvelope(signed, withLog2);
  t.strictSame(provenBy(check(sigstoreBundle, bundleLayer(inLog2))), LOGGED_2);
  const asDsse = sigstore.signEnvelope(signed, { ...withLog2, entryKind: 'dsse 0.0.2' });
  t.strictSame(provenBy(check(sigstoreBundle, bundleLayer(asDsse))), LOGGED_2);
  const stamped = sigstore.signEnvelope(signed, withTimestamp);
  t.strictSame(provenBy(check(sigstoreBundle, bundleLayer(stamped))), STAMPED);
});

t.test('bundles with a chain: of intermediates, never with the root', async (t) => {
  const layer = (certificate: 'chain with intermediates' | 'chain with root') =>
    bundleLayer(sigstore.signEnvelope(signed), { certificate });
  t.strictSame(provenBy(check(sigstoreBundle, layer('chain with intermediates'))), LOGGED);
  t.match(provenBy(check(sigstoreBundle, layer('chain with root'))), /no root certificate/);
});

t.test('signers with keys of every kind', async (t) => {
  for (const key of ['p256', 'p384', 'p521', 'rsa', 'ed25519'] as const) {
    const by = sigstore.leaf({ key });
    const message = bundleLayer(sigstore.signMessage(bytes, { by }));
    t.strictSame(provenBy(check(sigstoreBundle, message)), LOGGED, `${key}, message`);
    const envelope = bundleLayer(sigstore.signEnvelope(signed, { by, ...sigstore.withLog2 }));
    t.strictSame(provenBy(check(sigstoreBundle, envelope)), LOGGED_2, `${key}, envelope`);
  }
});

t.test('logs and timestamp authorities with keys of every kind', async (t) => {
  for (const kind of ['ed25519', 'p256', 'p384'] as const) {
    const other = createSigstore({ log2: { kind } });
    const layer = bundleLayer(other.signEnvelope(signed, other.withLog2));
    t.strictSame(provenBy(check(sigstoreBundle, layer, other)), LOGGED_2, `a log's ${kind}`);
  }
  for (const timestampAuthority of [
    { kind: 'rsa', hash: 'sha256' },
    { kind: 'rsa', hash: 'sha512' },
    { kind: 'rsa', hash: 'sha512', plainRsa: true },
    { kind: 'p384', hash: 'sha384' },
    { kind: 'p384', hash: 'sha256' },
    { kind: 'p521', hash: 'sha512' },
  ] as const) {
    const other = createSigstore({ timestampAuthority });
    const layer = bundleLayer(other.signEnvelope(signed, other.withTimestamp));
    const name = Object.values(timestampAuthority).join(' ');
    t.strictSame(provenBy(check(sigstoreBundle, layer, other)), STAMPED, `an authority's ${name}`);
  }
});

t.test('.sig layers, logged and stamped', async (t) => {
  const layer = (options = {}) => simpleLayer(sigstore.signMessage(payload, options));
  t.strictSame(provenBy(check(simpleSigning, layer())), PROMISED);
  t.strictSame(provenBy(check(simpleSigning, layer(sigstore.withTimestamp))), STAMPED);
});

t.test('.att layers, with entries of every kind, and stamped as a whole', async (t) => {
  for (const entryKind of ['intoto 0.0.1', 'intoto 0.0.2', 'dsse 0.0.1'] as const) {
    const layer = attestationLayer(sigstore.signEnvelope(signed, { entryKind }));
    t.strictSame(provenBy(check(cosignAttestation, layer)), PROMISED, entryKind);
  }
  const stamped = (timestampOver: 'envelope' | 'signature') =>
    attestationLayer(sigstore.signEnvelope(signed, { ...sigstore.withTimestamp, timestampOver }));
  t.strictSame(provenBy(check(cosignAttestation, stamped('envelope'))), STAMPED);
  t.match(provenBy(check(cosignAttestation, stamped('signature'))), /of something else/);
});

t.test('every name of a certificate is read, whatever its kind', async (t) => {
  const names = [{ uri: 'https://a' }, { email: 'a@b.c' }, { dns: 'x.y' }, { other: 'o!p' }];
  const layer = bundleLayer(sigstore.signEnvelope(signed, { by: sigstore.leaf({ names }) }));
  t.match(check(sigstoreBundle, layer), {
    evidence: [
      {
        signer: {
          subjects: [
            { type: 'uri', value: 'https://a' },
            { type: 'email', value: 'a@b.c' },
            { type: 'dns', value: 'x.y' },
            { type: 'other', value: 'o!p' },
          ],
        },
      },
    ],
  });
});

const unfit: readonly (readonly [title: string, leaf: LeafOptions, reason: RegExp])[] = [
  ['of an authority', { ca: true }, /one of an authority/],
  ['with an unknown critical extension', { unknownCritical: true }, /unknown critical extension/],
  ['that may not sign code', { usages: [] }, /not for code signing/],
];
for (const [title, leaf, reason] of unfit) {
  t.test(`no certificate ${title}`, async (t) => {
    const by = sigstore.leaf(leaf);
    const layers = [
      [sigstoreBundle, bundleLayer(sigstore.signEnvelope(signed, { by }))],
      [simpleSigning, simpleLayer(sigstore.signMessage(payload, { by }))],
      [cosignAttestation, attestationLayer(sigstore.signEnvelope(signed, { by }))],
    ] as const;
    for (const [scheme, layer] of layers) {
      t.match(provenBy(check(scheme, layer)), reason, scheme.scheme);
    }
  });
}
