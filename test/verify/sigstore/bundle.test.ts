/** Bundles for keys: an allow-list of members, one content, no certificate. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { MAX_SIGNATURE_CONTENT, MAX_SIGNATURE_TEXT } from '../../../src/verify/bounds.ts';
import { parseKeyBundle } from '../../../src/verify/sigstore/bundle.ts';
import { BUNDLE_TYPE } from '../../helpers/signer.ts';

const payload = Buffer.from('payload');
const signature = Buffer.from('signature');
const sig = signature.toString('base64');
const ENVELOPE = {
  payload: payload.toString('base64'),
  payloadType: 'application/vnd.in-toto+json',
  signatures: [{ sig, keyid: '' }],
};
const MESSAGE = {
  messageDigest: { algorithm: 'SHA2_256', digest: Buffer.alloc(32).toString('base64') },
  signature: sig,
};
const BASE = { mediaType: BUNDLE_TYPE, verificationMaterial: { publicKey: { hint: 'any' } } };
const DSSE = { ...BASE, dsseEnvelope: ENVELOPE };

const parse = (value: unknown) => parseKeyBundle(Buffer.from(JSON.stringify(value)));

function refuses(test: Test, values: readonly unknown[], message?: RegExp): void {
  for (const value of values) {
    const shown = JSON.stringify(value).slice(0, 160);
    test.throws(() => parse(value), { name: 'SyntaxError', ...(message && { message }) }, shown);
  }
}

t.test('reads an envelope', (t) => {
  const expected = { kind: 'dsse', payloadType: ENVELOPE.payloadType, payload, signature };
  t.same(parse(DSSE), expected);
  t.same(
    parse({ ...DSSE, mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.3' }),
    expected,
  );
  t.end();
});

t.test('reads a message signature of every hash', (t) => {
  for (const [name, algorithm] of [
    ['SHA2_256', 'sha256'],
    ['SHA2_384', 'sha384'],
    ['SHA2_512', 'sha512'],
  ] as const) {
    const digest = Buffer.alloc(48, 7);
    const messageDigest = { algorithm: name, digest: digest.toString('base64') };
    t.same(parse({ ...BASE, messageSignature: { ...MESSAGE, messageDigest } }), {
      kind: 'message',
      digest: { algorithm, bytes: digest },
      signature,
    });
  }
  t.end();
});

t.test('leaves logs, timestamps and the hint unread', (t) => {
  for (const extra of [
    { tlogEntries: [{ logIndex: 'junk' }] },
    { tlogEntries: 'junk' },
    { tlogEntries: null, timestampVerificationData: { rfc3161Timestamps: [7] } },
    { publicKey: {} },
    { publicKey: { hint: 7 } },
  ]) {
    t.doesNotThrow(() => parse({ ...DSSE, verificationMaterial: { publicKey: {}, ...extra } }));
  }
  t.end();
});

t.test('refuses a certificate, beside a key or alone, in every spelling', (t) => {
  const names = [
    'certificate',
    'x509CertificateChain',
    'x509_certificate_chain',
    'Certificate',
    'X509CERTIFICATECHAIN',
    'CERTIFICATE',
  ];
  for (const name of names) {
    for (const value of [{ rawBytes: 'AAAA' }, { certificates: [] }, {}, null, '']) {
      const materials = [
        { [name]: value },
        { publicKey: {}, [name]: value },
        { [name]: value, publicKey: {}, tlogEntries: [] },
      ];
      refuses(
        t,
        materials.map((verificationMaterial) => ({ ...DSSE, verificationMaterial })),
        /a certificate never satisfies a key/,
      );
    }
  }
  t.end();
});

t.test('refuses verification material that is no key', (t) => {
  const materials: readonly unknown[] = [
    undefined,
    null,
    [],
    'x',
    {},
    { publicKey: null },
    { publicKey: 'x' },
    { publicKey: [] },
    { public_key: {} },
    { publicKey: {}, public_key: {} },
    { publicKey: {}, more: 1 },
    { tlogEntries: [] },
  ];
  refuses(
    t,
    materials.map((verificationMaterial) => ({ ...DSSE, verificationMaterial })),
  );
  t.end();
});

t.test('refuses every version but 0.3', (t) => {
  const types: readonly unknown[] = [
    undefined,
    null,
    '',
    7,
    'application/vnd.dev.sigstore.bundle+json;version=0.1',
    'application/vnd.dev.sigstore.bundle+json;version=0.2',
    'application/vnd.dev.sigstore.bundle.v0.4+json',
    `${BUNDLE_TYPE} `,
    BUNDLE_TYPE.toUpperCase(),
    'constructor',
  ];
  refuses(
    t,
    types.map((mediaType) => ({ ...DSSE, mediaType })),
    /version 0\.3/,
  );
  t.end();
});

t.test('refuses two contents, none, and members under a second name', (t) => {
  refuses(t, [
    BASE,
    { ...DSSE, messageSignature: MESSAGE },
    { ...DSSE, messageSignature: null },
    { ...BASE, messageSignature: MESSAGE, dsseEnvelope: null },
    { ...BASE, dsseEnvelope: null },
    { ...BASE, dsse_envelope: ENVELOPE },
    { ...DSSE, dsse_envelope: ENVELOPE },
    { ...DSSE, message_signature: MESSAGE },
    { ...DSSE, DsseEnvelope: ENVELOPE },
    { ...DSSE, media_type: BUNDLE_TYPE },
    { ...DSSE, verification_material: {} },
    { ...DSSE, __proto: 1 },
    null,
    [],
    [DSSE],
    'x',
  ]);
  const text = JSON.stringify(DSSE);
  for (const twice of [
    text.replace('"dsseEnvelope"', '"dsseEnvelope":{},"dsseEnvelope"'),
    text.replace('"payload"', '"payload":"","payload"'),
    text.replace('"sig"', '"\\u0073ig":"","sig"'),
  ]) {
    t.throws(() => parseKeyBundle(Buffer.from(twice)), { message: /^duplicate member/ });
  }
  t.end();
});

t.test('refuses envelopes without exactly one signature or of another shape', (t) => {
  const signatures: readonly unknown[] = [
    undefined,
    null,
    {},
    [],
    [null],
    ['x'],
    [[]],
    [{}],
    [{ sig: null }],
    [{ sig: '!' }],
    [{ sig: [sig] }],
    [{ sig }, { sig }],
    [{ sig, cert: 'x' }],
    [{ sig, Sig: 'x' }],
    [{ sig: 'A'.repeat(MAX_SIGNATURE_TEXT + 4) }],
  ];
  const envelopes: readonly unknown[] = [
    ...signatures.map((it) => ({ ...ENVELOPE, signatures: it })),
    ...[undefined, null, 7, '!', 'A', 'A'.repeat(MAX_SIGNATURE_CONTENT + 4)].map((it) => ({
      ...ENVELOPE,
      payload: it,
    })),
    ...[undefined, null, 7, []].map((payloadType) => ({ ...ENVELOPE, payloadType })),
    { ...ENVELOPE, payload_type: 'x' },
    [],
    'x',
    7,
  ];
  refuses(
    t,
    envelopes.map((dsseEnvelope) => ({ ...BASE, dsseEnvelope })),
  );
  t.end();
});

t.test('refuses message signatures of another shape', (t) => {
  const algorithms: readonly unknown[] = [
    undefined,
    null,
    7,
    '',
    'SHA2_224',
    'sha256',
    'HASH_ALGORITHM_UNSPECIFIED',
    'SHA3_256',
    'constructor',
    '__proto__',
    'toString',
    ['SHA2_256'],
  ];
  const messages: readonly unknown[] = [
    ...algorithms.map((algorithm) => ({
      ...MESSAGE,
      messageDigest: { ...MESSAGE.messageDigest, algorithm },
    })),
    ...[undefined, null, 7, '!', 'A'.repeat(132)].map((digest) => ({
      ...MESSAGE,
      messageDigest: { algorithm: 'SHA2_256', digest },
    })),
    ...[undefined, null, [], 'x'].map((messageDigest) => ({ ...MESSAGE, messageDigest })),
    ...[undefined, null, 7, '!', 'A'.repeat(MAX_SIGNATURE_TEXT + 4)].map((it) => ({
      ...MESSAGE,
      signature: it,
    })),
    { ...MESSAGE, message_digest: MESSAGE.messageDigest },
    { ...MESSAGE, messageDigest: { ...MESSAGE.messageDigest, Digest: '' } },
    [],
    'x',
    7,
  ];
  refuses(
    t,
    messages.map((messageSignature) => ({ ...BASE, messageSignature })),
  );
  t.end();
});

t.test('any bytes are a bundle with a signature or a SyntaxError', (t) => {
  const member = fc.constantFrom(
    'mediaType',
    'verificationMaterial',
    'dsseEnvelope',
    'messageSignature',
    'payload',
    'signatures',
    'publicKey',
    'sig',
  );
  const value = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(member, fc.jsonValue()),
    fc.constantFrom<unknown>(ENVELOPE, MESSAGE, BUNDLE_TYPE),
  );
  fc.assert(
    fc.property(fc.dictionary(member, value), fc.uint8Array(), fc.boolean(), (over, junk, json) => {
      try {
        return Buffer.isBuffer(
          (json ? parse({ ...DSSE, ...over }) : parseKeyBundle(junk)).signature,
        );
      } catch (error) {
        return error instanceof SyntaxError;
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});
