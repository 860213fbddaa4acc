/** Notation trust roots: each kind of store takes what it may, and the id names the content. */
import t from 'tap';
import { parseCertificate } from '../../src/trust/certificate.ts';
import { notationRoot, type NotationStoreFile } from '../../src/trust/notation-root.ts';
import { parseRevocationListFile, parseStoreFile } from '../../src/trust/notation-store.ts';
import {
  issueAuthority,
  issueCertificate,
  leafExtensions,
} from '../helpers/sigstore/certificate.ts';
import * as der from '../helpers/sigstore/der.ts';
import { toPem } from '../helpers/sigstore/key.ts';

const SPAN = { notBefore: Date.UTC(2026, 0), notAfter: Date.UTC(2027, 0) };
const root = issueAuthority(SPAN);
const otherRoot = issueAuthority({ ...SPAN, commonName: 'other root' });
const intermediate = issueAuthority({ ...SPAN, issuer: root });
const leafOptions = {
  ...SPAN,
  subject: der.distinguishedName('Vendor', 'leaf'),
  extensions: leafExtensions([]),
};
const leaf = issueCertificate({ ...leafOptions, issuer: intermediate });
const selfSigned = issueCertificate(leafOptions);

const file = (...some: readonly { readonly der: Buffer }[]): NotationStoreFile => ({
  label: 'a.pem',
  certificates: some.map((one) => parseCertificate(one.der)),
});

t.test('a ca store takes authorities and self-signed certificates', (t) => {
  for (const kind of ['ca', 'signingAuthority'] as const) {
    const made = notationRoot('v', { [kind]: [file(root, intermediate), file(selfSigned)] });
    t.equal(made[kind].length, 3);
    t.throws(
      () => notationRoot('v', { [kind]: [file(root, leaf)] }),
      {
        name: 'SyntaxError',
        message: /^a\.pem: O=Vendor, CN=leaf: expected the certificate of an/,
      },
      'a leaf would be a pin that nobody asked for',
    );
  }
  t.end();
});

t.test('a tsa store takes roots alone', (t) => {
  t.equal(notationRoot('v', { ca: [file(root)], tsa: [file(root)] }).tsa.length, 1);
  for (const wrong of [intermediate, selfSigned, leaf]) {
    t.throws(
      () => notationRoot('v', { ca: [file(root)], tsa: [file(wrong)] }),
      /expected a self-signed root/,
    );
  }
  t.end();
});

t.test('kinds stay apart', (t) => {
  const made = notationRoot('v', { ca: [file(root)], signingAuthority: [file(otherRoot)] });
  t.strictSame(
    made.ca.map(({ subject }) => subject),
    ['O=sigstore.test, CN=root'],
  );
  t.strictSame(
    made.signingAuthority.map(({ subject }) => subject),
    ['O=sigstore.test, CN=other root'],
  );
  t.end();
});

t.test('a root with which nobody could sign is a mistake', (t) => {
  t.throws(() => notationRoot('v', {}), /nobody could sign/);
  t.throws(() => notationRoot('v', { tsa: [file(root)] }), /nobody could sign/);
  t.throws(() => notationRoot('v', { ca: [] }), /ca: expected at least one certificate/);
  t.throws(() => notationRoot('v', { ca: [file()] }), /a\.pem: expected at least one certificate/);
  t.throws(() => notationRoot('v', { ca: [file(root)], tsa: [] }), /tsa: expected at least one/);
  t.throws(
    () => notationRoot('v', { ca: [file(root)] }, Array<Buffer>(65).fill(Buffer.alloc(1))),
    /at most 64 revocation lists/,
  );
  t.end();
});

t.test('the id names the content and nothing else', (t) => {
  const base = notationRoot('v', { ca: [file(root), file(otherRoot)] }).id;
  t.match(base, /^[0-9a-f]{64}$/);
  t.equal(notationRoot('w', { ca: [file(otherRoot, root, root)] }).id, base, 'order and name');
  const others = [
    notationRoot('v', { ca: [file(root)] }),
    notationRoot('v', { signingAuthority: [file(root), file(otherRoot)] }),
    notationRoot('v', { ca: [file(root)], signingAuthority: [file(otherRoot)] }),
    notationRoot('v', { ca: [file(root), file(otherRoot)], tsa: [file(root)] }),
    notationRoot('v', { ca: [file(root), file(otherRoot)] }, [Buffer.from('30', 'hex')]),
  ].map(({ id }) => id);
  t.equal(new Set([base, ...others]).size, 6);
  t.end();
});

t.test('a file of certificates is PEM or DER', (t) => {
  const read = (bytes: Buffer | string): number =>
    parseStoreFile(Buffer.from(bytes), 'b.crt').certificates.length;
  t.equal(read(root.pem), 1);
  t.equal(read(root.pem + intermediate.pem), 2);
  t.equal(read(root.der), 1);
  t.equal(read(Buffer.concat([root.der, intermediate.der])), 2, 'one after the other');
  t.throws(() => read(Buffer.concat([root.der, Buffer.from([0])])), /^b\.crt: /);
  t.throws(() => read(root.der.subarray(0, -1)), /^b\.crt: /);
  t.throws(() => read(''), /b\.crt: expected a PEM block/);
  t.throws(() => read('hello'), /b\.crt: expected a PEM block/);
  t.throws(() => read(Buffer.alloc(1024 * 1024 + 1, 0x30)), /b\.crt: expected at most 1 MiB/);
  t.end();
});

t.test('a file of revocation lists is PEM or DER', (t) => {
  const list = der.sequence(der.integer(1));
  const read = (bytes: Buffer | string): readonly Buffer[] =>
    parseRevocationListFile(Buffer.from(bytes), 'c.crl');
  t.strictSame(read(list), [list]);
  t.strictSame(read(toPem('X509 CRL', list).repeat(2)), [list, list]);
  t.throws(() => read(root.pem), /c\.crl: expected DER, or PEM blocks/);
  t.throws(() => read(toPem('X509 CRL', list) + root.pem), /c\.crl: expected DER, or PEM/);
  t.throws(() => read(''), /c\.crl: expected DER, or PEM/);
  t.throws(() => read(Buffer.concat([list, list])), /c\.crl: unexpected bytes/);
  t.throws(() => read(toPem('X509 CRL', Buffer.from('hello'))), /c\.crl: /);
  t.end();
});
