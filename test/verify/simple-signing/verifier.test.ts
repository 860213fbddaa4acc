/** Cosign `.sig` layers: a key's signature over a payload that names this very image. */
import fc from 'fast-check';
import t from 'tap';
import type { Candidate, Checked } from '../../../src/verify/candidate.ts';
import { simpleSigning } from '../../../src/verify/simple-signing/verifier.ts';
import {
  createSigner,
  digestOfText,
  rootOf,
  SIMPLE_LAYER,
  simplePayload,
  type SignerKind,
} from '../../helpers/signer.ts';
import { digestOf } from '../../../src/oci/digest.ts';

const SIGNATURE = 'dev.cosignproject.cosign/signature';
const bytes = Buffer.from('the manifest');
const subject = { digest: digestOf(bytes), bytes };
const signer = createSigner();
const root = rootOf('release', signer);
const payload = simplePayload(subject.digest);
const foundIn = digestOfText('.sig manifest');

function candidate(content: Buffer, annotations: Readonly<Record<string, string>>): Candidate {
  return { place: 'tag x.sig', foundIn, mediaType: SIMPLE_LAYER, content, annotations };
}

function check(
  content: Buffer,
  signature: string,
  more: Readonly<Record<string, string>> = {},
): Checked {
  return simpleSigning.check(candidate(content, { [SIGNATURE]: signature, ...more }), subject, {
    roots: [root],
    now: 0,
  });
}

const signed = (content: Buffer) => signer.sign(content).toString('base64');

t.test('proves who signed what, and where it was found', (t) => {
  const [key] = root.keys;
  t.same(check(payload, signed(payload)), {
    outcome: 'verified',
    evidence: [
      {
        scheme: 'cosign-simple-signing',
        signer: {
          kind: 'key',
          trustRoot: 'release',
          fingerprint: key?.fingerprint,
          label: 'key1.pub',
        },
        digest: subject.digest,
        foundIn,
        references: ['registry.test/team/app'],
        logs: [],
        certificateLogs: [],
        times: [],
      },
    ],
  });
  t.end();
});

t.test('verifies by every kind of key, among others', (t) => {
  const kinds: readonly SignerKind[] = ['p256', 'p384', 'p521', 'rsa', 'rsa-pss', 'ed25519'];
  for (const kind of kinds) {
    const one = createSigner(kind);
    const roots = [
      root,
      rootOf('mixed', createSigner(), one, createSigner('rsa')),
      rootOf('same', one),
    ];
    const item = candidate(payload, { [SIGNATURE]: one.sign(payload).toString('base64') });
    const checked = simpleSigning.check(item, subject, { roots, now: 0 });
    const names =
      checked.outcome === 'verified' ? checked.evidence.map((it) => it.signer.trustRoot) : [];
    t.same(names, ['mixed', 'same'], kind);
  }
  t.end();
});

t.test('rejects a signature that does not cover these bytes or is not by these keys', (t) => {
  const foreign = createSigner().sign(payload).toString('base64');
  const spaced = Buffer.concat([payload, Buffer.from('\n')]);
  t.match(check(payload, foreign), { outcome: 'rejected', reason: /by none of the trusted keys/ });
  t.match(check(spaced, signed(payload)), {
    outcome: 'rejected',
    reason: /by none of the trusted keys/,
  });
  t.match(check(payload, signed(spaced)), { outcome: 'rejected' });
  t.match(check(payload, signed(bytes)), { outcome: 'rejected' });
  const none = simpleSigning.check(candidate(payload, { [SIGNATURE]: signed(payload) }), subject, {
    roots: [],
    now: 0,
  });
  t.match(none, { outcome: 'rejected' });
  t.end();
});

t.test('rejects a good signature about another image', (t) => {
  const other = digestOfText('another image');
  const content = simplePayload(other);
  t.same(check(content, signed(content)), {
    outcome: 'rejected',
    fault: 'invalid',
    reason: `it signs ${other}, not this image`,
  });
  t.end();
});

t.test('rejects a good signature over a payload of another type or shape', (t) => {
  for (const content of [
    simplePayload(subject.digest, { type: 'atomic container signature' }),
    simplePayload(subject.digest, { type: undefined }),
    simplePayload(subject.digest, { image: {} }),
    Buffer.from(subject.digest),
    bytes,
    Buffer.alloc(0),
  ]) {
    t.match(check(content, signed(content)), { outcome: 'rejected' }, content.toString());
  }
  t.end();
});

t.test('rejects a signature annotation that is absent, empty or not base64', (t) => {
  const item = candidate(payload, { 'dev.sigstore.cosign/signature': signed(payload) });
  t.match(simpleSigning.check(item, subject, { roots: [root], now: 0 }), {
    outcome: 'rejected',
    reason: /to be base64/,
  });
  for (const text of ['', '====', `${signed(payload)}\n`, `=${signed(payload)}`]) {
    t.match(check(payload, text), { outcome: 'rejected' });
  }
  t.match(check(payload, 'A'.repeat(8192)), { reason: /none of the trusted keys/ });
  t.match(check(payload, 'A'.repeat(8196)), { reason: /at most 8192 characters/ });
  t.end();
});

t.test('neither asks for nor believes what else stands beside the signature', (t) => {
  const beside = {
    'dev.sigstore.cosign/certificate': 'a certificate',
    'dev.sigstore.cosign/chain': 'a chain',
    'dev.sigstore.cosign/bundle': '{"SignedEntryTimestamp":"forged"}',
    'dev.sigstore.cosign/rfc3161timestamp': 'junk',
  };
  t.match(check(payload, signed(payload), beside), { outcome: 'verified' });
  t.match(check(payload, createSigner().sign(payload).toString('base64'), beside), {
    outcome: 'rejected',
  });
  t.end();
});

t.test('accepts its own layer type alone', (t) => {
  t.ok(simpleSigning.accepts(SIMPLE_LAYER));
  for (const type of [
    '',
    `${SIMPLE_LAYER}x`,
    SIMPLE_LAYER.toUpperCase(),
    'application/vnd.dsse.envelope.v1+json',
  ]) {
    t.notOk(simpleSigning.accepts(type));
  }
  t.end();
});

t.test('whatever is found is a rejection, never an error', (t) => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string(), fc.base64String(), (content, text, base64) => {
      return [text, base64, signed(payload)].every(
        (signature) => check(Buffer.from(content), signature).outcome === 'rejected',
      );
    }),
    { numRuns: 300 },
  );
  t.end();
});
