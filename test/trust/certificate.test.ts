/** X.509 certificates: every kind that is read, and everything that two readers could read differently. */
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { digestOf } from '../../src/oci/digest.ts';
import { parseCertificate } from '../../src/trust/certificate.ts';
import * as der from '../helpers/sigstore/der.ts';
import { caExtensions, issueAuthority, issueCertificate } from '../helpers/sigstore/certificate.ts';
import { createKey, signatureAlgorithm, type KeyKind } from '../helpers/sigstore/key.ts';

const key = createKey('p256');
const algorithm = signatureAlgorithm(key);
const name = der.distinguishedName('acme', 'root');
const span = { notBefore: Date.UTC(2026, 0, 1), notAfter: Date.UTC(2027, 0, 1) };

/** The parts of a certificate that a test replaces; everything is in the order of RFC 5280 §4.1. */
interface Parts {
  readonly version: readonly Buffer[];
  readonly serial: Buffer;
  readonly inner: Buffer;
  readonly issuer: Buffer;
  readonly validity: Buffer;
  readonly subject: Buffer;
  readonly spki: Buffer;
  readonly more: readonly Buffer[];
  readonly extensions: readonly Buffer[] | undefined;
  readonly outer: Buffer;
  readonly after: readonly Buffer[];
}

const keyUsage = extension('2.5.29.15', der.bits(Buffer.from([0x06]), 1), der.boolean(true));
const constraints = extension(
  '2.5.29.19',
  der.sequence(der.boolean(true), der.integer(0)),
  der.boolean(true),
);

const honest: Parts = {
  version: [der.context(0, der.integer(2))],
  serial: der.integer(77),
  inner: algorithm,
  issuer: name,
  validity: der.sequence(der.time(span.notBefore), der.time(span.notAfter)),
  subject: name,
  spki: key.spki,
  more: [],
  extensions: [constraints, keyUsage],
  outer: algorithm,
  after: [],
};

function extension(oid: string, value: Buffer, ...critical: readonly Buffer[]): Buffer {
  return der.sequence(der.oid(oid), ...critical, der.octets(value));
}

function build(change: Partial<Parts> = {}): Buffer {
  const parts = { ...honest, ...change };
  const tbs = der.sequence(
    ...parts.version,
    parts.serial,
    parts.inner,
    parts.issuer,
    parts.validity,
    parts.subject,
    parts.spki,
    ...parts.more,
    ...(parts.extensions === undefined ? [] : [der.context(3, der.sequence(...parts.extensions))]),
  );
  return der.sequence(tbs, parts.outer, der.bits(key.sign(tbs)), ...parts.after);
}

t.test('reads a certificate with everything that verification asks of it', async (t) => {
  const bytes = build();
  const read = parseCertificate(bytes);
  t.match(read, {
    fingerprint: digestOf(bytes),
    subject: 'O=acme, CN=root',
    issuer: 'O=acme, CN=root',
    ...span,
    isCa: true,
    claimsCa: true,
    maxPathLength: 0,
    extendedKeyUsage: undefined,
  });
  t.strictSame(read.serialNumber, Buffer.from([77]));
  t.strictSame(read.rawSubject, name);
  t.strictSame(read.rawPublicKey, key.spki);
  t.strictSame([...read.extensions.keys()], ['2.5.29.19', '2.5.29.15']);
  t.strictSame([...(read.keyUsage ?? [])], ['keyCertSign']);
  t.ok(read.isSignedBy(read));
});

t.test('keeps its own copy of the bytes', async (t) => {
  const bytes = build();
  const read = parseCertificate(bytes);
  bytes.fill(0);
  t.ok(read.isSignedBy(read));
  t.equal(digestOf(read.der), read.fingerprint);
});

t.test('reads keys of every kind, and knows who signed', async (t) => {
  const kinds: readonly KeyKind[] = ['p256', 'p384', 'p521', 'rsa', 'ed25519'];
  const other = parseCertificate(issueAuthority(span).der);
  for (const kind of kinds) {
    const issuer = issueAuthority({ ...span, key: createKey(kind) });
    const child = parseCertificate(issueCertificate({ ...span, issuer }).der);
    t.ok(child.isSignedBy(parseCertificate(issuer.der)), kind);
    t.notOk(child.isSignedBy(other), kind);
  }
});

t.test('signatures with SHA-1 were made by nobody', async (t) => {
  const sha1 = der.sequence(der.oid('1.2.840.10045.4.1'));
  const root = parseCertificate(build({ inner: sha1, outer: sha1 }));
  t.notOk(root.isSignedBy(root));
});

t.test(
  'a CA whose key may not sign certificates is none, and does not stop claiming it',
  async (t) => {
    const cRlSign = extension('2.5.29.15', der.bits(Buffer.from([0x02]), 1), der.boolean(true));
    const read = parseCertificate(build({ extensions: [constraints, cRlSign] }));
    t.match(read, { isCa: false, claimsCa: true });
    t.match(parseCertificate(build({ extensions: [constraints] })), { isCa: true });
    t.match(parseCertificate(build({ extensions: [keyUsage] })), { isCa: false, claimsCa: false });
  },
);

t.test('reads times of both forms', async (t) => {
  const late = der.sequence(der.time(span.notBefore), der.generalizedTime(Date.UTC(2050, 0, 1)));
  t.equal(parseCertificate(build({ validity: late })).notAfter, Date.UTC(2050, 0, 1));
  const old = der.sequence(
    der.tagged(0x17, Buffer.from('500101000000Z')),
    der.tagged(0x17, Buffer.from('491231235959Z')),
  );
  const read = parseCertificate(build({ validity: old }));
  t.equal(read.notBefore, Date.UTC(1950, 0, 1));
  t.equal(read.notAfter, Date.UTC(2049, 11, 31, 23, 59, 59));
});

t.test('puts up with serial numbers that are zero or negative', async (t) => {
  for (const serial of [der.integer(0), der.tagged(0x02, Buffer.from([0x80]))]) {
    t.ok(parseCertificate(build({ serial })));
  }
});

const times = (text: string, tag = 0x17): Buffer =>
  der.sequence(der.tagged(tag, Buffer.from(text)), der.time(span.notAfter));
const p224 = generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey;
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
const longLength = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([bytes[0] ?? 0, 0x83, 0]), bytes.subarray(2)]);

const bad: readonly (readonly [title: string, bytes: Buffer, message: RegExp])[] = [
  ['nothing', Buffer.alloc(0), /ends too early/],
  ['bytes after it', Buffer.concat([build(), Buffer.from([0])]), /unexpected bytes after/],
  ['members after the signature', build({ after: [der.nothing()] }), /unexpected members/],
  ['fewer bytes than it says', build().subarray(0, -1), /ends too early/],
  ['a length in more bytes than needed', longLength(build()), /not DER/],
  ['more than 64 KiB', Buffer.alloc(64 * 1024 + 1), /at most 64 KiB/],
  ['extensions in version 2', build({ version: [der.context(0, der.integer(1))] }), /version 3/],
  ['extensions in version 1', build({ version: [] }), /version 3/],
  [
    'a version that is the default',
    build({ version: [der.context(0, der.integer(0))] }),
    /version 3/,
  ],
  ['an unknown version', build({ version: [der.context(0, der.integer(3))] }), /version 3/],
  [
    'two algorithms',
    build({ outer: signatureAlgorithm(key, 'sha384') }),
    /one signature algorithm/,
  ],
  ['a long serial number', build({ serial: der.tagged(2, Buffer.alloc(22, 1)) }), /20 bytes/],
  ['a padded serial number', build({ serial: der.tagged(2, Buffer.from([0, 1])) }), /integer/],
  ['an empty serial number', build({ serial: der.tagged(2) }), /integer/],
  ['a time without seconds', build({ validity: times('2601010000Z') }), /to be a time/],
  ['a time in a zone', build({ validity: times('260101000000+0100') }), /to be a time/],
  ['the 30th of February', build({ validity: times('260230000000Z') }), /to be a time/],
  [
    'a fraction of a second',
    build({ validity: times('20260101000000.5Z', 0x18) }),
    /whole seconds/,
  ],
  [
    'a third time',
    build({ validity: der.sequence(der.time(0), der.time(1), der.time(2)) }),
    /unexpected members/,
  ],
  ['an extension twice', build({ extensions: [keyUsage, keyUsage] }), /2\.5\.29\.15 once/],
  ['no extensions in the list', build({ extensions: [] }), /at least one extension/],
  [
    'a default that is written',
    build({ extensions: [extension('1.2.3', der.nothing(), der.boolean(false))] }),
    /true or absent/,
  ],
  [
    'a truth that is not 0xff',
    build({ extensions: [extension('1.2.3', der.nothing(), der.tagged(1, Buffer.from([1])))] }),
    /true or absent/,
  ],
  [
    'bytes after basicConstraints',
    build({ extensions: [extension('2.5.29.19', Buffer.concat([der.sequence(), der.nothing()]))] }),
    /unexpected bytes/,
  ],
  [
    'a negative path length',
    build({
      extensions: [
        extension('2.5.29.19', der.sequence(der.boolean(true), der.tagged(2, Buffer.from([0xff])))),
      ],
    }),
    /small number/,
  ],
  [
    'bits that DER leaves out',
    build({ extensions: [extension('2.5.29.15', der.bits(Buffer.from([0x06]), 0))] }),
    /list of bits/,
  ],
  [
    'an empty extendedKeyUsage',
    build({ extensions: [extension('2.5.29.37', der.sequence())] }),
    /at least one extendedKeyUsage/,
  ],
  [
    'a second spelling of an OID',
    build({
      extensions: [
        der.sequence(der.tagged(6, Buffer.from([0x55, 0x80, 0x1d])), der.octets(der.nothing())),
      ],
    }),
    /name of an extension/,
  ],
  [
    'members after the extensions',
    build({ more: [der.context(4, der.nothing())] }),
    /unexpected members/,
  ],
  [
    'a curve that nobody asked for',
    build({ spki: p224.export({ type: 'spki', format: 'der' }) }),
    /P-256/,
  ],
  ['a weak key', build({ spki: weak.export({ type: 'spki', format: 'der' }) }), /2048/],
  ['a key that is none', build({ spki: der.sequence() }), /cannot be read/],
];
for (const [title, bytes, message] of bad) {
  t.test(`refuses ${title}`, async (t) => {
    t.throws(() => parseCertificate(bytes), { name: 'SyntaxError', message });
  });
}

t.test('names on messages stay on one line and short', async (t) => {
  const subject = der.distinguishedName('acme', `\u202eevil\n${'x'.repeat(300)}`);
  const read = parseCertificate(build({ subject }));
  t.notMatch(read.subject, /[\n\u202e]/u);
  t.ok(read.subject.length <= 201);
});

t.test('other bytes give a certificate or a SyntaxError', async () => {
  const bytes = issueAuthority({ ...span, extensions: caExtensions(1) }).der;
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(3), (at, value, cut) => {
      const changed = Buffer.from(bytes);
      changed[at] = value;
      try {
        parseCertificate(cut === 0 ? changed.subarray(0, at) : changed);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});
