/** Whom a certificate names: all of it, and nothing that two readers could read differently. */
import t from 'tap';
import {
  CERTIFICATE_EXTENSIONS,
  EXTENSION_NAMES,
} from '../../../src/policy/certificate-extension.ts';
import { parseCertificate } from '../../../src/trust/certificate.ts';
import { readIdentity, type Identity } from '../../../src/verify/sigstore/identity.ts';
import { issueCertificate, type Extension } from '../../helpers/sigstore/certificate.ts';
import * as der from '../../helpers/sigstore/der.ts';
import { needsVectors, readVector } from '../vectors.ts';

const FULCIO = '1.3.6.1.4.1.57264.1';
const ISSUER = 'https://token.actions.githubusercontent.com';

function identity(...extensions: readonly Extension[]): Identity {
  const { der: bytes } = issueCertificate({ notBefore: 0, notAfter: 1000, extensions });
  return readIdentity(parseCertificate(bytes));
}
const names = (...list: readonly Buffer[]): Extension => ({
  oid: '2.5.29.17',
  value: der.sequence(...list),
});
const text = (tag: number, value: string | Buffer): Buffer =>
  der.contextPrimitive(tag, Buffer.from(value as string));
const other = (value: Buffer, oid = `${FULCIO}.7`): Buffer =>
  der.context(0, der.oid(oid), der.context(0, value));
const modern = (arc: number, value: string): Extension => ({
  oid: `${FULCIO}.${arc}`,
  value: der.utf8(value),
});
const raw = (arc: number, value: string | Buffer): Extension => ({
  oid: `${FULCIO}.${arc}`,
  value: Buffer.from(value as string),
});
const anybody = names(text(1, 'ann@acme.test'));

t.test('reads every subject, in order', async (t) => {
  const { subjects } = identity(
    names(
      text(6, 'https://github.com/acme/app'),
      text(1, 'ann@acme.test'),
      text(2, 'acme.test'),
      other(der.utf8('ann!acme.test')),
    ),
  );
  t.strictSame(subjects, [
    { type: 'uri', value: 'https://github.com/acme/app' },
    { type: 'email', value: 'ann@acme.test' },
    { type: 'dns', value: 'acme.test' },
    { type: 'other', value: 'ann!acme.test' },
  ]);
});

t.test('passes over names that are no identity, and never takes them for one', async (t) => {
  const passedOver = [
    der.context(4, der.distinguishedName('acme', 'ann')),
    der.contextPrimitive(7, Buffer.from([127, 0, 0, 1])),
    der.contextPrimitive(8, Buffer.from([0x2a, 3])),
    other(der.utf8('ann'), '1.3.6.1.4.1.311.20.2.3'),
  ];
  t.equal(identity(names(...passedOver, text(1, 'ann@acme.test'))).subjects.length, 1);
  t.throws(() => identity(names(...passedOver)), { name: 'SyntaxError', message: /no subject/ });
});

t.test('reads the issuer from either extension', async (t) => {
  t.equal(identity(anybody).issuer, undefined);
  t.equal(identity(anybody, modern(8, ISSUER)).issuer, ISSUER);
  t.equal(identity(anybody, raw(1, ISSUER)).issuer, ISSUER);
  t.equal(identity(anybody, modern(8, ISSUER), raw(1, ISSUER)).issuer, ISSUER);
});

t.test(
  'reads every extension by its name, modern ones as DER and the first ones as bare text',
  async (t) => {
    const extensions = [...CERTIFICATE_EXTENSIONS].map(([name, { oid, encoding }]): Extension => ({
      oid,
      value: encoding === 'der' ? der.utf8(`of ${name}`) : Buffer.from(`of ${name}`),
    }));
    t.equal(EXTENSION_NAMES.length, 20);
    t.strictSame(
      identity(anybody, ...extensions).extensions,
      Object.fromEntries(EXTENSION_NAMES.map((name) => [name, `of ${name}`])),
    );
    t.strictSame(identity(anybody).extensions, {});
  },
);

const refused: readonly (readonly [
  title: string,
  extensions: readonly Extension[],
  message: RegExp,
])[] = [
  ['no subject', [], /names no subject/],
  ['an empty list of subjects', [names()], /names no subject/],
  ['an empty subject', [names(text(6, ''))], /printable ASCII/],
  ['an empty otherName', [names(other(der.utf8('')))], /not to be empty/],
  [
    'a subject with a zero byte',
    [names(text(6, 'https://acme.test\0.evil.test'))],
    /printable ASCII/,
  ],
  ['a subject with a line break', [names(text(1, 'ann@acme.test\n'))], /printable ASCII/],
  ['a subject that is not ASCII', [names(text(1, 'änn@acme.test'))], /printable ASCII/],
  [
    'a bad subject after a good one',
    [names(text(1, 'ann@acme.test'), text(6, '\0'))],
    /printable ASCII/,
  ],
  [
    'an otherName that is no UTF8String',
    [names(other(der.octets(Buffer.from('ann'))))],
    /UTF8String/,
  ],
  ['an otherName that is no UTF-8', [names(other(der.tagged(0x0c, Buffer.from([0xff]))))], /UTF-8/],
  [
    'an otherName of two values',
    [names(der.context(0, der.oid(`${FULCIO}.7`), der.context(0, der.utf8('a'), der.utf8('b'))))],
    /unexpected bytes/,
  ],
  [
    'an unknown kind of subject',
    [names(der.contextPrimitive(9, Buffer.from('x')))],
    /unexpected kind/,
  ],
  ['too many subjects', [names(...Array.from({ length: 65 }, () => text(1, 'a@b')))], /at most 64/],
  ['two issuers', [anybody, modern(8, ISSUER), raw(1, `${ISSUER}/acme`)], /two issuers/],
  ['an empty issuer', [anybody, modern(8, '')], /empty issuer/],
  ['an issuer that is bare where DER belongs', [anybody, raw(8, ISSUER)], /./],
  [
    'an issuer of another string type',
    [anybody, { oid: `${FULCIO}.8`, value: der.tagged(0x16, Buffer.from(ISSUER)) }],
    /UTF8String/,
  ],
  [
    'bytes after the issuer',
    [anybody, { oid: `${FULCIO}.8`, value: Buffer.concat([der.utf8(ISSUER), der.nothing()]) }],
    /unexpected bytes/,
  ],
  [
    'a control character in an extension',
    [anybody, modern(12, 'https://acme.test\u0000')],
    /control character/,
  ],
  [
    'a change of direction in an extension',
    [anybody, modern(12, 'https://\u202etest')],
    /control character/,
  ],
  ['bare text that is no UTF-8', [anybody, raw(4, Buffer.from([0xc3]))], /UTF-8/],
];
for (const [title, extensions, message] of refused) {
  t.test(`refuses ${title}`, async (t) => {
    t.throws(() => identity(...extensions), { name: 'SyntaxError', message });
  });
}

t.test('reads a real certificate of the public instance', needsVectors, async (t) => {
  const bundle = JSON.parse(
    readVector(
      'sigstore-conformance',
      'happy-path-v0.3-new-mediaType',
      'bundle.sigstore.json',
    ).toString(),
  ) as { verificationMaterial: { certificate: { rawBytes: string } } };
  const leaf = Buffer.from(bundle.verificationMaterial.certificate.rawBytes, 'base64');
  const repository = 'sigstore-conformance/extremely-dangerous-public-oidc-beacon';
  t.match(readIdentity(parseCertificate(leaf)), {
    issuer: ISSUER,
    subjects: [
      {
        type: 'uri',
        value: `https://github.com/${repository}/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main`,
      },
    ],
    extensions: {
      sourceRepositoryURI: `https://github.com/${repository}`,
      githubWorkflowRepository: repository,
      runnerEnvironment: 'github-hosted',
    },
  });
});
