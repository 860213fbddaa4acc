/** The way from a certificate to a trusted authority: every rule of RFC 5280 §6 that keeps a stranger out. */
import t from 'tap';
import { parseCertificate, type Certificate } from '../../../src/trust/certificate.ts';
import type { CertificateAuthority, Validity } from '../../../src/trust/trust-root.ts';
import { UntrustedError } from '../../../src/verify/candidate.ts';
import { findCertificatePath } from '../../../src/verify/sigstore/certificate-path.ts';
import {
  caExtensions,
  EKU,
  issueAuthority,
  issueCertificate,
  type AuthorityOptions,
  type Extension,
  type Issued,
} from '../../helpers/sigstore/certificate.ts';
import * as der from '../../helpers/sigstore/der.ts';
import { createKey } from '../../helpers/sigstore/key.ts';

const NOW = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;
const span = { notBefore: NOW - HOUR, notAfter: NOW + HOUR };
const always: Validity = { start: 0, end: Infinity };
const key = createKey();

const authority = (...chain: readonly Issued[]): CertificateAuthority => trusted(always, ...chain);
const read = (issued: Issued): Certificate => parseCertificate(issued.der);
function trusted(validity: Validity, ...chain: readonly Issued[]): CertificateAuthority {
  return { name: 'fulcio.test', chain: chain.map(read), validity };
}
function ca(options: Partial<AuthorityOptions> = {}): Issued {
  return issueAuthority({ ...span, key: createKey(), ...options });
}
function leafOf(issuer: Issued, extensions: readonly Extension[] = []): Certificate {
  return read(issueCertificate({ ...span, key, issuer, extensions }));
}

const root = ca();
const intermediate = ca({ issuer: root, maxPathLength: 0, usages: [EKU.codeSigning] });
const leaf = leafOf(intermediate);

t.test('finds the way over the intermediates of the authority', async (t) => {
  const fulcio = authority(intermediate, root);
  const found = findCertificatePath(leaf, [], [fulcio], [NOW]);
  t.strictSame(
    found.path.map(({ fingerprint }) => fingerprint),
    [leaf, read(intermediate), read(root)].map(({ fingerprint }) => fingerprint),
  );
  t.equal(found.authority, fulcio);
  t.equal(found.validUntil, span.notAfter);
});

t.test('an authority that names who issues means nobody beside it', async (t) => {
  const fulcio = authority(intermediate, root);
  const sibling = ca({ issuer: root, commonName: 'sibling' });
  const find = (issuer: Issued) =>
    findCertificatePath(leafOf(issuer), [read(sibling)], [fulcio], [NOW]);
  t.throws(() => find(sibling), { name: 'UntrustedError' });
  t.doesNotThrow(() =>
    findCertificatePath(leafOf(sibling), [read(sibling)], [authority(root)], [NOW]),
  );
  t.doesNotThrow(() => find(intermediate));
});

t.test(
  'finds the way over intermediates that came along, in any order and with strangers',
  async (t) => {
    const lower = ca({ issuer: root, commonName: 'one' });
    const lowest = ca({ issuer: lower, commonName: 'two' });
    const along = [ca({ commonName: 'two' }), lower, lowest, root].map(read);
    const { path } = findCertificatePath(leafOf(lowest), along, [authority(root)], [NOW]);
    t.equal(path.length, 4);
  },
);

t.test('tells until when it holds: the first end on the way', async (t) => {
  const soon = trusted({ start: 0, end: NOW + 1 }, intermediate, root);
  t.equal(findCertificatePath(leaf, [], [soon], [NOW]).validUntil, NOW + 1);
  const short = ca({ issuer: root, notAfter: NOW + 60_000 });
  const found = findCertificatePath(leafOf(short), [], [authority(short, root)], [NOW]);
  t.equal(found.validUntil, NOW + 60_000);
});

t.test('asks the next authority when one does not hold', async (t) => {
  const past = trusted({ start: 0, end: NOW - 1 }, intermediate, root);
  const present = authority(intermediate, root);
  t.equal(findCertificatePath(leaf, [], [past, present], [NOW]).authority, present);
});

t.test('says whose certificate it is when no authority issued it', async (t) => {
  const stranger = ca({ organization: 'evil', commonName: 'their root' });
  const cases: readonly (readonly [
    string,
    Certificate,
    readonly Issued[],
    CertificateAuthority[],
  ])[] = [
    ['another root', leafOf(stranger), [], [authority(intermediate, root)]],
    ['a root that came along', leafOf(stranger), [stranger], [authority(intermediate, root)]],
    ['no authority', leafOf(stranger), [], []],
  ];
  for (const [title, certificate, along, authorities] of cases) {
    t.throws(
      () => findCertificatePath(certificate, along.map(read), authorities, [NOW]),
      { name: 'UntrustedError', message: /issued by O=evil, CN=their root, which is no trusted/ },
      title,
    );
  }
});

t.test('a root of the same name with another key is a stranger, not a flaw', async (t) => {
  const namesake = ca();
  t.throws(
    () => findCertificatePath(leafOf(namesake), [], [authority(root)], [NOW]),
    UntrustedError,
  );
});

t.test('what came along is a way to a root and never a root', async (t) => {
  const own = ca({ organization: 'evil' });
  const below = ca({ organization: 'evil', commonName: 'below', issuer: own });
  t.throws(
    () => findCertificatePath(leafOf(below), [below, own].map(read), [authority(root)], [NOW]),
    UntrustedError,
  );
});

t.test('CVE-2026-24122: every time lies within the validity of every certificate', async (t) => {
  const expired = ca({ issuer: root, notAfter: NOW - 1000, commonName: 'expired' });
  const below = leafOf(expired);
  for (const at of [[NOW], [NOW - 2000, NOW], [NOW, NOW - 2000]]) {
    t.throws(() => findCertificatePath(below, [], [authority(expired, root)], at), {
      name: 'SyntaxError',
      message:
        /CN=expired is valid from .* to 2026-05-31T23:59:59.000Z, and not at 2026-06-01T00:00/,
    });
  }
  t.ok(
    findCertificatePath(below, [], [authority(expired, root)], [NOW - 1000]),
    'the end is inside',
  );
  const oldRoot = ca({ notAfter: NOW - 1000, commonName: 'old root' });
  const young = ca({ issuer: oldRoot });
  t.throws(() => findCertificatePath(leafOf(young), [], [authority(young, oldRoot)], [NOW]), {
    message: /CN=old root is valid/,
  });
  const late = read(
    issueCertificate({ key, issuer: intermediate, notBefore: NOW + 1000, notAfter: NOW + HOUR }),
  );
  t.throws(() => findCertificatePath(late, [], [authority(intermediate, root)], [NOW]), {
    name: 'SyntaxError',
    message: /the signer's certificate is valid from/,
  });
  t.ok(findCertificatePath(late, [], [authority(intermediate, root)], [NOW + 1000]));
});

t.test('an authority is trusted within its validity only, ends included', async (t) => {
  const fulcio = trusted({ start: NOW - 10, end: NOW + 10 }, intermediate, root);
  for (const time of [NOW - 10, NOW + 10]) t.ok(findCertificatePath(leaf, [], [fulcio], [time]));
  for (const time of [NOW - 11, NOW + 11]) {
    t.throws(() => findCertificatePath(leaf, [], [fulcio], [time, NOW]), {
      name: 'SyntaxError',
      message: /authority fulcio.test is trusted from/,
    });
  }
});

t.test('a time that is none, and no time at all, hold nowhere', async (t) => {
  for (const none of [[], [Number.NaN]]) {
    t.throws(
      () => findCertificatePath(leaf, [], [authority(intermediate, root)], none),
      SyntaxError,
    );
  }
});

const unknown: Extension = { oid: '1.2.3.4', critical: true, value: der.nothing() };
const constrained: Extension = { oid: '2.5.29.30', value: der.sequence() };
const crlSign: Extension = {
  oid: '2.5.29.15',
  critical: true,
  value: der.bits(Buffer.from([2]), 1),
};
const [isCa] = caExtensions();
const flaws: readonly (readonly [
  title: string,
  issuer: Partial<AuthorityOptions>,
  message: RegExp,
])[] = [
  ['is no CA', { extensions: [unknown].slice(1) }, /may not sign certificates/],
  ['has a key that may not sign them', { extensions: isCa ? [isCa, crlSign] : [] }, /may not sign/],
  ['is for other purposes', { usages: [EKU.timeStamping] }, /is not for code signing/],
  [
    'has an unknown critical extension',
    { extensions: [...caExtensions(), unknown] },
    /critical extension 1\.2\.3\.4/,
  ],
  [
    'is under name constraints',
    { extensions: [...caExtensions(), constrained] },
    /name constraints/,
  ],
];
for (const [title, options, message] of flaws) {
  t.test(
    `refuses an issuer that ${title}, the authority's own or one that came along`,
    async (t) => {
      const issuer = ca({ ...options, issuer: root, commonName: 'flawed' });
      const below = leafOf(issuer);
      const expected = { name: 'SyntaxError', message };
      t.throws(() => findCertificatePath(below, [], [authority(issuer, root)], [NOW]), expected);
      t.throws(
        () => findCertificatePath(below, [read(issuer)], [authority(root)], [NOW]),
        expected,
      );
      const flawedRoot = ca(options);
      t.throws(
        () => findCertificatePath(leafOf(flawedRoot), [], [authority(flawedRoot)], [NOW]),
        expected,
      );
    },
  );
}

t.test('a signer certifies nobody: a leaf is no issuer', async (t) => {
  const signer = issueCertificate({
    ...span,
    issuer: intermediate,
    subject: der.distinguishedName('acme', 'signer'),
  });
  t.throws(
    () =>
      findCertificatePath(leafOf(signer), [read(signer)], [authority(intermediate, root)], [NOW]),
    { name: 'SyntaxError', message: /CN=signer may not sign certificates/ },
  );
});

t.test('an issuer for any purpose is one for code signing', async (t) => {
  const issuer = ca({ issuer: root, usages: ['2.5.29.37.0'] });
  t.ok(findCertificatePath(leafOf(issuer), [], [authority(issuer, root)], [NOW]));
});

t.test('refuses a leaf with an unknown critical extension', async (t) => {
  t.throws(
    () =>
      findCertificatePath(
        leafOf(intermediate, [unknown]),
        [],
        [authority(intermediate, root)],
        [NOW],
      ),
    { name: 'SyntaxError', message: /unknown critical extension/ },
  );
});

t.test('keeps to the path length of every issuer', async (t) => {
  const narrow = ca({ issuer: root, maxPathLength: 0, commonName: 'narrow' });
  const below = ca({ issuer: narrow, commonName: 'below' });
  t.ok(findCertificatePath(leafOf(narrow), [], [authority(narrow, root)], [NOW]));
  t.throws(
    () => findCertificatePath(leafOf(below), [read(below)], [authority(narrow, root)], [NOW]),
    {
      name: 'SyntaxError',
      message: /CN=narrow allows 0 certificates below it, got 1/,
    },
  );
});

t.test("refuses a signature with an authority's own certificate", async (t) => {
  const own = read(root);
  t.throws(() => findCertificatePath(own, [], [authority(root)], [NOW]), {
    name: 'SyntaxError',
    message: /authority's own/,
  });
});

t.test('names alone chain nobody, nor do signatures alone', async (t) => {
  const other = ca({ commonName: 'other', key: root.key });
  // Issued under the name of `other`, signed by the same key as the root's.
  t.throws(() => findCertificatePath(leafOf(other), [], [authority(root)], [NOW]), UntrustedError);
});

t.test('goes no further than eight certificates', async (t) => {
  const line = (length: number): readonly Issued[] => {
    let last = root;
    return Array.from({ length }, (_, at) => (last = ca({ issuer: last, commonName: `ca ${at}` })));
  };
  const six = line(6);
  const seven = line(7);
  const find = (chain: readonly Issued[]): unknown =>
    findCertificatePath(leafOf(chain.at(-1) ?? root), chain.map(read), [authority(root)], [NOW]);
  t.ok(find(six));
  t.throws(() => find(seven), UntrustedError);
  t.throws(() => findCertificatePath(leaf, Array<Certificate>(17).fill(leaf), [], [NOW]), {
    name: 'SyntaxError',
    message: /at most 16/,
  });
});

t.test(
  'certificates that sign each other in circles cost a bounded number of checks',
  async (t) => {
    const evil = { organization: 'evil', commonName: 'ca' };
    const first = ca(evil);
    // Sixteen of one name and one key: every one is signed by every other.
    const mesh = Array.from({ length: 16 }, () => ca({ ...evil, key: first.key, issuer: first }));
    t.throws(
      () => findCertificatePath(leafOf(first), mesh.map(read), [authority(root)], [NOW]),
      UntrustedError,
    );
    // A line in which every one has the name of all others, after strangers of that name that are tried in vain.
    let last = first;
    const line = [
      first,
      ...Array.from({ length: 6 }, () => (last = ca({ ...evil, issuer: last }))),
    ];
    const strangers = Array.from({ length: 9 }, () => ca(evil));
    let checks = 0;
    const counted = [leafOf(last), ...[...strangers, ...line].map(read)].map(
      (certificate): Certificate => ({
        ...certificate,
        isSignedBy: (issuer) => {
          checks += 1;
          return certificate.isSignedBy(issuer);
        },
      }),
    );
    const [below = leaf, ...along] = counted;
    t.throws(() => findCertificatePath(below, along, [authority(root)], [NOW]), {
      name: 'SyntaxError',
      message: /within 64 signatures/,
    });
    t.equal(checks, 64);
  },
);
