/** Times of RFC 3161 authorities: believed when a known one stamped exactly these bytes while it was trusted. */
import { constants, createHash, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { parseCertificate } from '../../../src/trust/certificate.ts';
import type { CertificateAuthority } from '../../../src/trust/trust-root.ts';
import { verifyTimestamp } from '../../../src/verify/sigstore/timestamp.ts';
import {
  EKU,
  issueAuthority,
  issueCertificate,
  leafExtensions,
  type Extension,
  type Issued,
} from '../../helpers/sigstore/certificate.ts';
import * as der from '../../helpers/sigstore/der.ts';
import {
  createKey,
  hashAlgorithm,
  sha,
  signatureAlgorithm,
  type HashName,
  type KeyKind,
  type TestKey,
} from '../../helpers/sigstore/key.ts';
import { needsVectors, readVector } from '../vectors.ts';

const NOW = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;
const span = { notBefore: NOW - HOUR, notAfter: NOW + HOUR };
const data = Buffer.from('a signature');
const TST_INFO = '1.2.840.113549.1.9.16.1.4';
const stampingOnly = leafExtensions([EKU.timeStamping], true);

const root = issueAuthority({ ...span, key: createKey() });
const signer = signerOf(root);

function signerOf(
  issuer: Issued,
  kind: KeyKind = 'p256',
  extensions = stampingOnly,
  dates = span,
): Issued {
  const subject = der.distinguishedName('sigstore.test', 'tsa');
  return issueCertificate({ ...dates, key: createKey(kind), subject, issuer, extensions });
}

function authority(
  chain: readonly Issued[],
  change: Partial<CertificateAuthority> = {},
): CertificateAuthority {
  return {
    name: 'tsa.test',
    chain: chain.map(({ der: bytes }) => parseCertificate(bytes)),
    validity: { start: 0, end: Infinity },
    ...change,
  };
}
const trusted = authority([signer, root]);

/** Everything in a token that a test replaces. */
interface Token {
  readonly status: Buffer;
  readonly contentType: Buffer;
  readonly eContentType: Buffer;
  readonly info: Buffer;
  readonly by: Issued;
  readonly signWith: TestKey;
  readonly id: Buffer;
  readonly digest: Buffer;
  readonly algorithm: Buffer;
  readonly attributes: readonly Buffer[];
  readonly certificates: readonly Issued[];
  readonly signers: (signer: Buffer) => readonly Buffer[];
  readonly sign: (signed: Buffer) => Buffer;
}

const attribute = (oid: string, ...values: readonly Buffer[]): Buffer =>
  der.sequence(der.oid(oid), der.setOf(...values));
const contentType = attribute('1.2.840.113549.1.9.3', der.oid(TST_INFO));
const messageDigest = (info: Buffer, hash: HashName = 'sha256'): Buffer =>
  attribute('1.2.840.113549.1.9.4', der.octets(sha(hash, info)));
const names2 = (certificate: Issued): Buffer =>
  attribute(
    '1.2.840.113549.1.9.16.2.47',
    der.sequence(der.sequence(der.sequence(der.octets(sha('sha256', certificate.der))))),
  );
const names1 = (certificate: Issued): Buffer =>
  attribute(
    '1.2.840.113549.1.9.16.2.12',
    der.sequence(
      der.sequence(der.sequence(der.octets(createHash('sha1').update(certificate.der).digest()))),
    ),
  );
const idOf = ({ issuer, subject, serial }: Issued): Buffer =>
  der.sequence(issuer?.subject ?? subject, der.integer(serial));

interface Info {
  readonly imprint: Buffer;
  readonly time: Buffer;
  readonly version: number;
  readonly more: readonly Buffer[];
}
const imprintOf = (hash: HashName = 'sha256'): Buffer =>
  der.sequence(hashAlgorithm(hash), der.octets(sha(hash, data)));
const timeOf = (text: string): Buffer => der.tagged(0x18, Buffer.from(text));
function infoOf(change: Partial<Info> = {}): Buffer {
  const { version = 1, imprint = imprintOf(), time = der.generalizedTime(NOW), more = [] } = change;
  return der.sequence(
    der.integer(version),
    der.oid('1.2.3'),
    imprint,
    der.integer(5),
    time,
    ...more,
  );
}

function stamp(change: Partial<Token> = {}): Buffer {
  const { info = infoOf(), by = signer } = change;
  const signWith = change.signWith ?? by.key;
  const attributes = der.setOf(
    ...(change.attributes ?? [contentType, messageDigest(info), names2(by)]),
  );
  const signature = change.sign?.(attributes) ?? signWith.sign(attributes);
  const signedAs = Buffer.concat([Buffer.from([0xa0]), attributes.subarray(1)]);
  const signerInfo = der.sequence(
    der.integer(1),
    change.id ?? idOf(by),
    change.digest ?? hashAlgorithm('sha256'),
    signedAs,
    change.algorithm ?? signatureAlgorithm(signWith),
    der.octets(signature),
  );
  const certificates = change.certificates ?? [];
  const signedData = der.sequence(
    der.integer(3),
    der.setOf(hashAlgorithm('sha256')),
    der.sequence(change.eContentType ?? der.oid(TST_INFO), der.context(0, der.octets(info))),
    ...(certificates.length === 0 ? [] : [der.context(0, ...certificates.map((one) => one.der))]),
    der.setOf(...(change.signers?.(signerInfo) ?? [signerInfo])),
  );
  return der.sequence(
    der.sequence(change.status ?? der.integer(0)),
    der.sequence(change.contentType ?? der.oid('1.2.840.113549.1.7.2'), der.context(0, signedData)),
  );
}

function verify(
  token: Buffer,
  authorities: readonly CertificateAuthority[] = [trusted],
): ReturnType<typeof verifyTimestamp> {
  return verifyTimestamp(token, data, authorities, 'acme', NOW);
}

t.test('proves a time', async (t) => {
  t.match(verify(stamp()), {
    trustRoot: 'acme',
    source: 'timestamp-authority',
    name: 'tsa.test',
    time: NOW,
  });
});

t.test('reads fractions of a second', async (t) => {
  const at = (text: string): unknown => verify(stamp({ info: infoOf({ time: timeOf(text) }) }));
  t.match(at('20260601000000.057Z'), { time: NOW + 57 });
  t.match(at('20260601000000.5Z'), { time: NOW + 500 });
  t.match(at('20260601000000.123999Z'), { time: NOW + 123 });
});

t.test(
  'takes authorities with keys of every kind, each hash of the imprint, and grants with changes',
  async (t) => {
    for (const kind of ['p256', 'p384', 'p521', 'rsa', 'ed25519'] as const) {
      const by = signerOf(root, kind);
      t.match(verify(stamp({ by }), [authority([by, root])]), { time: NOW }, kind);
    }
    for (const hash of ['sha384', 'sha512'] as const) {
      t.match(verify(stamp({ info: infoOf({ imprint: imprintOf(hash) }) })), { time: NOW }, hash);
    }
    t.match(verify(stamp({ status: der.integer(1) })), { time: NOW });
  },
);

t.test('takes RSA with the hash named beside it, and RSASSA-PSS', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key: TestKey = {
    ...createKey('rsa'),
    publicKey,
    spki: publicKey.export({ type: 'spki', format: 'der' }),
    sign: (signed, hash = 'sha256') => sign(hash, signed, privateKey),
  };
  const subject = der.distinguishedName('sigstore.test', 'tsa');
  const by = issueCertificate({ ...span, key, subject, issuer: root, extensions: stampingOnly });
  const authorities = [authority([by, root])];
  const plain = der.sequence(der.oid('1.2.840.113549.1.1.1'), der.nothing());
  for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
    const info = infoOf();
    const token = stamp({
      by,
      info,
      algorithm: plain,
      digest: hashAlgorithm(hash),
      attributes: [contentType, messageDigest(info, hash)],
      sign: (signed) => by.key.sign(signed, hash),
    });
    t.match(verify(token, authorities), { time: NOW }, hash);
  }
  const pss = (saltLength: number): Buffer =>
    der.sequence(
      der.oid('1.2.840.113549.1.1.10'),
      der.sequence(
        der.context(0, hashAlgorithm('sha256')),
        der.context(1, der.sequence(der.oid('1.2.840.113549.1.1.8'), hashAlgorithm('sha256'))),
        der.context(2, der.integer(saltLength)),
      ),
    );
  const signPss = (signed: Buffer): Buffer =>
    sign('sha256', signed, {
      key: privateKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: 32,
    });
  t.match(verify(stamp({ by, algorithm: pss(32), sign: signPss }), authorities), { time: NOW });
  t.throws(
    () => verify(stamp({ by, algorithm: pss(20), sign: signPss }), authorities),
    SyntaxError,
  );
});

t.test(
  'takes a signer named by key identifier, and one that names its certificate the old way or not',
  async (t) => {
    const identifier = parseCertificate(signer.der).subjectKeyId ?? Buffer.alloc(0);
    t.match(verify(stamp({ id: der.contextPrimitive(0, identifier) })), { time: NOW });
    t.equal(verify(stamp({ id: der.contextPrimitive(0, Buffer.alloc(20)) })), 'unknown-authority');
    const info = infoOf();
    t.match(verify(stamp({ info, attributes: [contentType, messageDigest(info)] })), { time: NOW });
    t.match(
      verify(stamp({ info, attributes: [contentType, messageDigest(info), names1(signer)] })),
      { time: NOW },
    );
  },
);

const infoWith = (change: Partial<Info>): Partial<Token> => ({ info: infoOf(change) });
const info = infoOf();
const sha1Imprint = der.sequence(
  der.sequence(der.oid('1.3.14.3.2.26')),
  der.octets(createHash('sha1').update(data).digest()),
);
const stranger = signerOf(issueAuthority({ ...span, commonName: 'evil root' }));
const criticalUnknown = der.context(
  1,
  der.sequence(der.oid('1.2.3'), der.boolean(true), der.octets(der.nothing())),
);
const refused: readonly (readonly [title: string, change: Partial<Token>, message: RegExp])[] = [
  [
    'is of other bytes',
    infoWith({
      imprint: der.sequence(hashAlgorithm('sha256'), der.octets(sha('sha256', Buffer.from('x')))),
    }),
    /of something else/,
  ],
  ['has an imprint of SHA-1', infoWith({ imprint: sha1Imprint }), /SHA-256/],
  ['was not granted', { status: der.integer(2) }, /granted/],
  ['is no signed data', { contentType: der.oid('1.2.840.113549.1.7.1') }, /signed data/],
  [
    'is over something else than a TSTInfo',
    { eContentType: der.oid('1.2.840.113549.1.7.1') },
    /over a TSTInfo/,
  ],
  [
    'signs another content type',
    {
      info,
      attributes: [attribute('1.2.840.113549.1.9.3', der.oid('1.2.3')), messageDigest(info)],
    },
    /contentType/,
  ],
  ['signs no content type', { info, attributes: [messageDigest(info)] }, /contentType/],
  ['signs no digest', { attributes: [contentType] }, /messageDigest/],
  [
    'signs another digest',
    { attributes: [contentType, messageDigest(Buffer.from('x'))] },
    /signed digest/,
  ],
  [
    'signs two digests',
    { info, attributes: [contentType, messageDigest(info), messageDigest(Buffer.from('x'))] },
    /one value/,
  ],
  [
    'signs a digest with two values',
    {
      attributes: [
        contentType,
        attribute('1.2.840.113549.1.9.4', der.octets(sha('sha256', info)), der.octets(data)),
      ],
    },
    /one value/,
  ],
  [
    'names another certificate',
    { info, attributes: [contentType, messageDigest(info), names2(stranger)] },
    /another certificate/,
  ],
  [
    'names another certificate the old way',
    { info, attributes: [contentType, messageDigest(info), names1(stranger)] },
    /another certificate/,
  ],
  ['has no signature', { signers: () => [] }, /one signature/],
  ['has two signatures', { signers: (one) => [one, one] }, /one signature/],
  ['is signed with another key', { signWith: stranger.key }, /does not hold/],
  [
    'says another algorithm',
    { algorithm: signatureAlgorithm(signer.key, 'sha384') },
    /does not hold/,
  ],
  ['is signed with SHA-1', { algorithm: der.sequence(der.oid('1.2.840.10045.4.1')) }, /SHA-256/],
  ['has a digest of SHA-1', { digest: der.sequence(der.oid('1.3.14.3.2.26')) }, /SHA-256/],
  ['is of another version', infoWith({ version: 2 }), /version 1/],
  [
    'has an unknown critical extension',
    infoWith({ more: [criticalUnknown] }),
    /critical extension/,
  ],
  ['has a time without a zone', infoWith({ time: timeOf('20260601000000') }), /genTime/],
  ['has a time that is none', infoWith({ time: timeOf('20261301000000Z') }), /genTime/],
  ['is from the future', infoWith({ time: der.generalizedTime(NOW + 301_000) }), /future/],
];
for (const [title, change, message] of refused) {
  t.test(`refuses one that ${title}`, async (t) => {
    t.throws(() => verify(stamp(change)), { name: 'SyntaxError', message });
  });
}

t.test('clocks may be five minutes apart', async (t) => {
  const time = der.generalizedTime(NOW + 300_000);
  t.match(verify(stamp({ info: infoOf({ time }) })), { time: NOW + 300_000 });
});

t.test('a token of an authority that nobody knows counts for nothing', async (t) => {
  t.equal(verify(stamp({ by: stranger })), 'unknown-authority');
  t.equal(verify(stamp(), []), 'unknown-authority');
  t.equal(
    verify(stamp({ by: stranger, info: infoOf({ imprint: sha1Imprint }) })),
    'unknown-authority',
  );
});

t.test('CVE-2026-39984: a certificate that came along is not the authority’s', async (t) => {
  // The token names the authority, carries a stranger's certificate and is signed with the stranger's key.
  const token = stamp({ id: idOf(signer), signWith: stranger.key, certificates: [stranger] });
  t.throws(() => verify(token), { name: 'SyntaxError', message: /does not hold/ });
  // The stranger's certificate has the names and the number of the authority's.
  const subject = der.distinguishedName('sigstore.test', 'tsa');
  const evil = issueAuthority({ ...span, key: createKey() });
  const double = issueCertificate({
    ...span,
    subject,
    issuer: evil,
    serial: signer.serial,
    extensions: stampingOnly,
  });
  for (const order of [
    [double, signer],
    [signer, double],
  ]) {
    t.throws(() => verify(stamp({ by: double, certificates: order })), SyntaxError);
  }
  t.equal(
    verify(stamp({ by: double, certificates: [double] }), [authority([root])]),
    'unknown-authority',
  );
});

t.test(
  'where the root names CAs alone, the token brings the certificate that they issued',
  async (t) => {
    const cas = [authority([root])];
    t.match(verify(stamp({ certificates: [signer] }), cas), { time: NOW });
    t.equal(verify(stamp({ certificates: [] }), cas), 'unknown-authority');
    t.equal(verify(stamp({ by: stranger, certificates: [stranger] }), cas), 'unknown-authority');
    const below = issueAuthority({ ...span, key: createKey(), issuer: root });
    const by = signerOf(below);
    t.match(verify(stamp({ by, certificates: [below, by] }), cas), { time: NOW });
    const careless = signerOf(root, 'p256', leafExtensions([EKU.timeStamping], false));
    t.throws(() => verify(stamp({ by: careless, certificates: [careless] }), cas), {
      message: /critically/,
    });
  },
);

const usages: readonly (readonly [
  title: string,
  extensions: readonly Extension[],
  message: RegExp,
])[] = [
  ['no purpose', leafExtensions([]), /timestamps only/],
  ['code signing', leafExtensions([EKU.codeSigning], true), /timestamps only/],
  [
    'timestamps and more',
    leafExtensions([EKU.timeStamping, EKU.codeSigning], true),
    /timestamps only/,
  ],
  ['anything', leafExtensions(['2.5.29.37.0'], true), /timestamps only/],
  [
    'keys that do not sign',
    [...stampingOnly.slice(1), { oid: '2.5.29.15', value: der.bits(Buffer.from([0x20]), 5) }],
    /for signatures/,
  ],
];
for (const [title, extensions, message] of usages) {
  t.test(`refuses an authority whose certificate is for ${title}`, async (t) => {
    const by = signerOf(root, 'p256', extensions);
    const expected = { name: 'SyntaxError', message };
    t.throws(() => verify(stamp({ by }), [authority([by, root])]), expected);
    t.throws(() => verify(stamp({ by, certificates: [by] }), [authority([root])]), expected);
  });
}

t.test('the time lies within the validity of every certificate and of the authority', async (t) => {
  const late = { notBefore: NOW + 1000, notAfter: NOW + HOUR };
  const by = signerOf(root, 'p256', stampingOnly, late);
  t.throws(() => verify(stamp({ by }), [authority([by, root])]), {
    name: 'SyntaxError',
    message: /CN=tsa is valid/,
  });
  const lateRoot = issueAuthority({ ...late, key: createKey() });
  const below = signerOf(lateRoot);
  t.throws(() => verify(stamp({ by: below }), [authority([below, lateRoot])]), {
    name: 'SyntaxError',
    message: /CN=root is valid/,
  });
  for (const [start, end] of [
    [NOW + 1, Infinity],
    [0, NOW - 1],
  ] as const) {
    const outside = authority([signer, root], { validity: { start, end } });
    t.throws(() => verify(stamp(), [outside]), {
      name: 'SyntaxError',
      message: /tsa.test is trusted/,
    });
    t.match(verify(stamp(), [outside, trusted]), { time: NOW }, 'unless it is listed again');
  }
  t.match(verify(stamp(), [authority([signer, root], { validity: { start: NOW, end: NOW } })]), {
    time: NOW,
  });
});

t.test('an authority’s certificate is issued by its CA', async (t) => {
  const namesake = issueAuthority({ ...span, key: createKey() });
  t.throws(() => verify(stamp(), [authority([signer, namesake])]), { name: /Error$/ });
  t.throws(() => verify(stamp(), [authority([signer])]), SyntaxError);
  const wrong = issueAuthority({
    ...span,
    key: createKey(),
    issuer: root,
    usages: [EKU.codeSigning],
  });
  const by = signerOf(wrong);
  t.throws(() => verify(stamp({ by }), [authority([by, wrong, root])]), {
    message: /not for time stamping/,
  });
});

t.test('one authority is one, whichever of its keys stamped; others are others', async (t) => {
  const nextRoot = issueAuthority({ ...span, key: createKey() });
  const byName = signerOf(nextRoot);
  const byRoot = signerOf(root, 'p384');
  const otherRoot = issueAuthority({ ...span, key: createKey(), commonName: 'other root' });
  const other = signerOf(otherRoot);
  const all = [
    trusted,
    authority([byName, nextRoot]),
    authority([byRoot, root], { name: 'tsa.test, 2027' }),
    authority([other, otherRoot], { name: 'other.test' }),
  ];
  const ids = [signer, byName, byRoot, other].map((by) => {
    const proven = verify(stamp({ by }), all);
    return proven === 'unknown-authority' ? proven : proven.authority;
  });
  t.equal(new Set(ids.slice(0, 3)).size, 1);
  t.equal(new Set(ids).size, 2);
  t.notOk(ids.includes('unknown-authority'));
});

t.test('refuses what is no response, without falling over', async (t) => {
  for (const bytes of [
    Buffer.alloc(0),
    der.sequence(),
    Buffer.alloc(64 * 1024 + 1),
    Buffer.concat([stamp(), Buffer.from([0])]),
  ]) {
    t.throws(() => verify(bytes), SyntaxError);
  }
  const many = Array.from({ length: 17 }, () => signer);
  t.throws(() => verify(stamp({ certificates: many })), { message: /at most 16/ });
});

const folder = 'sigstore-conformance';
function vector(
  name: string,
): readonly [token: Buffer, signature: Buffer, authorities: readonly CertificateAuthority[]] {
  const read = (file: string): unknown => JSON.parse(readVector(folder, name, file).toString());
  const bundle = read('bundle.sigstore.json') as {
    readonly messageSignature: { readonly signature: string };
    readonly verificationMaterial: {
      readonly timestampVerificationData: {
        readonly rfc3161Timestamps: readonly { readonly signedTimestamp: string }[];
      };
    };
  };
  const trustedRoot = read('trusted_root.json') as {
    readonly timestampAuthorities: readonly {
      readonly uri: string;
      readonly certChain: { readonly certificates: readonly { readonly rawBytes: string }[] };
      readonly validFor: { readonly start: string; readonly end?: string };
    }[];
  };
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
  const [first] = bundle.verificationMaterial.timestampVerificationData.rfc3161Timestamps;
  return [
    bytes(first?.signedTimestamp ?? ''),
    bytes(bundle.messageSignature.signature),
    trustedRoot.timestampAuthorities.map(({ uri, certChain, validFor: { start, end } }) => ({
      name: uri,
      chain: certChain.certificates.map(({ rawBytes }) => parseCertificate(bytes(rawBytes))),
      validity: { start: Date.parse(start), end: end === undefined ? Infinity : Date.parse(end) },
    })),
  ];
}

const vectors: readonly (readonly [
  name: string,
  expected: 'proven' | 'unknown-authority' | RegExp,
])[] = [
  ['rekor2-timestamp-without-embedded-cert', 'proven'],
  ['rekor2-timestamp-with-expired-cert-chain', 'proven'],
  ['rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail', 'unknown-authority'],
  ['rekor2-timestamp-payload-mismatch_fail', /of something else/],
  ['rekor2-timestamp-outside-trust-root-tsa-validity_fail', /is trusted from/],
];
for (const [name, expected] of vectors) {
  t.test(`answers ${name} as the public suite expects`, needsVectors, async (t) => {
    const [token, signature, authorities] = vector(name);
    const check = (): unknown => verifyTimestamp(token, signature, authorities, 'r', NOW);
    if (expected instanceof RegExp) t.throws(check, { name: 'SyntaxError', message: expected });
    else if (expected === 'proven') t.match(check(), { source: 'timestamp-authority' });
    else t.equal(check(), expected);
  });
}

t.test('other bytes of a token give no other time', async () => {
  const token = stamp({ certificates: [signer] });
  const authorities = [trusted, authority([root])];
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Buffer.from(token);
      changed.writeUInt8(changed.readUInt8(at) ^ change, at);
      for (const bytes of [changed, token.subarray(0, at)]) {
        try {
          const result = verify(bytes, authorities);
          // Nothing signs the status and the certificates that came along.
          if (result !== 'unknown-authority' && result.time !== NOW) return false;
        } catch (error) {
          if (!(error instanceof SyntaxError)) throw error;
        }
      }
      return true;
    }),
    { numRuns: 1000 },
  );
});
