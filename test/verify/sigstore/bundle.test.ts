/** Bundles of every version: an allow-list of members, one content, one verifier, bounded lists. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { MAX_ATTESTATION_CONTENT, MAX_SIGNATURE_TEXT } from '../../../src/verify/bounds.ts';
import { parseBundle } from '../../../src/verify/sigstore/bundle.ts';
import { issueAuthority } from '../../helpers/sigstore/certificate.ts';
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

const parse = (value: unknown) => parseBundle(Buffer.from(JSON.stringify(value)));

function refuses(test: Test, values: readonly unknown[], message?: RegExp): void {
  for (const value of values) {
    const shown = JSON.stringify(value).slice(0, 160);
    test.throws(() => parse(value), { name: 'SyntaxError', ...(message && { message }) }, shown);
  }
}

t.test('reads an envelope', (t) => {
  const expected = {
    form: 'bundle v0.3',
    verifier: { kind: 'key' },
    signature,
    content: { kind: 'dsse', payloadType: ENVELOPE.payloadType, payload },
    entries: [],
    timestamps: [],
    timestamped: signature,
  };
  t.same(parse(DSSE), expected);
  t.same(
    parse({ ...DSSE, mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.3' }),
    expected,
  );
  t.same(parse({ ...DSSE, messageSignature: null }), expected, 'null is absent');
  t.end();
});

t.test('reads a message signature of every hash, or without its digest', (t) => {
  for (const [name, algorithm] of [
    ['SHA2_256', 'sha256'],
    ['SHA2_384', 'sha384'],
    ['SHA2_512', 'sha512'],
  ] as const) {
    const digest = Buffer.alloc(48, 7);
    const messageDigest = { algorithm: name, digest: digest.toString('base64') };
    t.match(parse({ ...BASE, messageSignature: { ...MESSAGE, messageDigest } }), {
      content: { kind: 'message', digest: { algorithm, bytes: digest } },
      signature,
    });
  }
  const { content } = parse({ ...BASE, messageSignature: { signature: sig } });
  t.same(content, { kind: 'message' });
  t.end();
});

const ENTRY = {
  logIndex: '7',
  logId: { keyId: Buffer.alloc(32, 1).toString('base64') },
  kindVersion: { kind: 'hashedrekord', version: '0.0.1' },
  integratedTime: '1700000000',
  inclusionPromise: { signedEntryTimestamp: sig },
  inclusionProof: {
    logIndex: '3',
    rootHash: sig,
    treeSize: '9',
    hashes: [sig],
    checkpoint: { envelope: 'a note' },
  },
  canonicalizedBody: sig,
};
const withEntries = (entries: unknown, mediaType: string = BUNDLE_TYPE) => ({
  ...DSSE,
  mediaType,
  verificationMaterial: { publicKey: {}, tlogEntries: entries },
});
const OLD = 'application/vnd.dev.sigstore.bundle+json;version=';

t.test('reads entries of logs, with numbers in both spellings', (t) => {
  const expected = {
    logId: '01'.repeat(32),
    index: 7n,
    kind: 'hashedrekord',
    version: '0.0.1',
    integratedTime: 1_700_000_000,
    body: signature,
    promise: signature,
    proof: {
      index: 3n,
      treeSize: 9n,
      rootHash: signature,
      hashes: [signature],
      checkpoint: 'a note',
    },
  };
  t.same(parse(withEntries([ENTRY])).entries, [expected]);
  t.same(parse(withEntries([{ ...ENTRY, logIndex: 7 }])).entries, [expected]);
  const { logIndex, ...first } = ENTRY;
  t.equal(parse(withEntries([first])).entries[0]?.index, 0n, `${logIndex} left out is zero`);
  for (const integratedTime of ['0', 0, null, undefined]) {
    const [entry] = parse(withEntries([{ ...ENTRY, integratedTime }])).entries;
    t.equal(entry?.integratedTime, undefined);
  }
  t.end();
});

t.test('asks version 0.1 for a promise and later ones for a proof under a checkpoint', (t) => {
  const promised = { ...ENTRY, inclusionProof: null };
  const proven = { ...ENTRY, inclusionPromise: null };
  const unsigned = { ...ENTRY, inclusionProof: { ...ENTRY.inclusionProof, checkpoint: null } };
  t.doesNotThrow(() => parse(withEntries([promised], `${OLD}0.1`)));
  t.doesNotThrow(() => parse(withEntries([unsigned], `${OLD}0.1`)));
  refuses(t, [withEntries([proven], `${OLD}0.1`)], /inclusion promise/);
  for (const type of [`${OLD}0.2`, `${OLD}0.3`, BUNDLE_TYPE]) {
    t.doesNotThrow(() => parse(withEntries([proven], type)));
    refuses(t, [withEntries([promised], type), withEntries([unsigned], type)], /checkpoint/);
  }
  t.end();
});

t.test('refuses entries and timestamps of another shape, and too many', (t) => {
  const proof = ENTRY.inclusionProof;
  const entries: readonly unknown[] = [
    ...['-1', -1, 1.5, '01', '1e3', '', 'x', ' 1', '9223372036854775808', [1], true].flatMap(
      (it) => [
        { ...ENTRY, logIndex: it },
        { ...ENTRY, integratedTime: it },
        { ...ENTRY, inclusionProof: { ...proof, logIndex: it } },
        { ...ENTRY, inclusionProof: { ...proof, treeSize: it } },
      ],
    ),
    { ...ENTRY, integratedTime: '9007199254740991' },
    { ...ENTRY, logId: null },
    { ...ENTRY, logId: { keyId: '!' } },
    { ...ENTRY, log_index: '7' },
    { ...ENTRY, kindVersion: null },
    { ...ENTRY, kindVersion: { kind: 7, version: '1' } },
    { ...ENTRY, canonicalizedBody: null },
    { ...ENTRY, inclusionPromise: { signedEntryTimestamp: null } },
    { ...ENTRY, inclusionPromise: sig },
    { ...ENTRY, inclusionProof: { ...proof, hashes: Array.from({ length: 65 }, () => sig) } },
    { ...ENTRY, inclusionProof: { ...proof, hashes: [7] } },
    { ...ENTRY, inclusionProof: { ...proof, rootHash: undefined } },
    { ...ENTRY, inclusionProof: { ...proof, checkpoint: 'a note' } },
    { ...ENTRY, inclusionProof: { ...proof, checkpoint: { envelope: 'x'.repeat(65_537) } } },
    null,
    'x',
    [],
  ];
  refuses(
    t,
    entries.map((entry) => withEntries([entry])),
  );
  refuses(t, [
    withEntries(Array.from({ length: 9 }, () => ENTRY)),
    withEntries('x'),
    withEntries({}),
  ]);
  const stamp = { signedTimestamp: sig };
  const stamped = (data: unknown) => ({
    ...DSSE,
    verificationMaterial: { publicKey: {}, timestampVerificationData: data },
  });
  t.same(parse(stamped({ rfc3161Timestamps: [stamp] })).timestamps, [signature]);
  t.same(parse(stamped({})).timestamps, []);
  refuses(
    t,
    [
      { rfc3161Timestamps: Array.from({ length: 9 }, () => stamp) },
      { rfc3161Timestamps: [7] },
      { rfc3161Timestamps: [{}] },
      { rfc3161Timestamps: stamp },
      { rfc3161_timestamps: [] },
      [],
      'x',
    ].map(stamped),
  );
  t.end();
});

const root = issueAuthority({ notBefore: 0, notAfter: 1_000_000 }).der.toString('base64');
const materialOf = (verificationMaterial: object, mediaType: string = BUNDLE_TYPE) => ({
  ...DSSE,
  mediaType,
  verificationMaterial,
});
const raw = (rawBytes: unknown) => ({ rawBytes });
const chainOf = (...certificates: readonly unknown[]) => ({
  x509CertificateChain: { certificates: certificates.map(raw) },
});

t.test('reads a certificate, alone or with intermediates', (t) => {
  const alone = { kind: 'certificate', leaf: Buffer.from('leaf'), chain: [] };
  const own = Buffer.from('leaf').toString('base64');
  t.same(parse(materialOf({ certificate: raw(own) })).verifier, alone);
  t.same(parse(materialOf(chainOf(own))).verifier, alone);
  t.same(parse(materialOf(chainOf(own), `${OLD}0.1`)).verifier, alone);
  t.end();
});

t.test('refuses a root, an empty chain, a long one, and certificates of another shape', (t) => {
  const own = Buffer.from('leaf').toString('base64');
  refuses(t, [materialOf(chainOf(own, root))], /no root certificate/);
  refuses(t, [materialOf(chainOf())], /a certificate in the chain/);
  refuses(t, [
    materialOf({ x509CertificateChain: {} }),
    materialOf({ x509CertificateChain: [] }),
    materialOf(chainOf(own, own)),
    materialOf(chainOf(...Array.from({ length: 9 }, () => own))),
    materialOf({ certificate: raw(own) }, `${OLD}0.2`),
    materialOf({ certificate: own }),
    materialOf({ certificate: raw(null) }),
    materialOf({ certificate: raw(own), publicKey: {} }),
    materialOf({ certificate: raw(own), ...chainOf(own) }),
    materialOf({ publicKey: {}, ...chainOf(own) }),
    materialOf({ Certificate: raw(own) }),
    materialOf({ x509_certificate_chain: { certificates: [raw(own)] } }),
  ]);
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
    { publicKey: { hint: 'x', rawBytes: 'x' } },
    { tlogEntries: [] },
  ];
  refuses(
    t,
    materials.map((verificationMaterial) => ({ ...DSSE, verificationMaterial })),
  );
  t.end();
});

t.test('refuses every other version', (t) => {
  const types: readonly unknown[] = [
    undefined,
    null,
    '',
    7,
    'application/vnd.dev.sigstore.bundle+json;version=0.4',
    'application/vnd.dev.sigstore.bundle+json',
    'application/vnd.dev.sigstore.bundle.v0.4+json',
    `${BUNDLE_TYPE} `,
    BUNDLE_TYPE.toUpperCase(),
    'constructor',
  ];
  refuses(
    t,
    types.map((mediaType) => ({ ...DSSE, mediaType })),
    /version 0\.1, 0\.2 or 0\.3/,
  );
  t.end();
});

t.test('refuses two contents, none, and members under a second name', (t) => {
  refuses(t, [
    BASE,
    { ...DSSE, messageSignature: MESSAGE },
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
    t.throws(() => parseBundle(Buffer.from(twice)), { message: /^duplicate member/ });
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
    ...[undefined, null, 7, '!', 'A', 'A'.repeat(MAX_ATTESTATION_CONTENT + 4)].map((it) => ({
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
    ...[[], 'x'].map((messageDigest) => ({ ...MESSAGE, messageDigest })),
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
        return Buffer.isBuffer((json ? parse({ ...DSSE, ...over }) : parseBundle(junk)).signature);
      } catch (error) {
        return error instanceof SyntaxError;
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});
