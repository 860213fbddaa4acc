/** Promises of certificate-transparency logs: they count when a known log made them, in time, of this certificate. */
import t from 'tap';
import { parseCertificate, type Certificate } from '../../../src/trust/certificate.ts';
import { parsePublicKeys } from '../../../src/trust/public-key.ts';
import type { LogKey, Validity } from '../../../src/trust/trust-root.ts';
import { verifyCertificateTransparency } from '../../../src/verify/sigstore/certificate-transparency.ts';
import {
  createCertificateLog,
  type CertificateLog,
} from '../../helpers/sigstore/certificate-log.ts';
import { issueAuthority, issueCertificate } from '../../helpers/sigstore/certificate.ts';
import * as der from '../../helpers/sigstore/der.ts';
import { createKey } from '../../helpers/sigstore/key.ts';

const NOW = Date.UTC(2026, 5, 1);
const span = { notBefore: NOW, notAfter: NOW + 600_000 };
const SCT_LIST = '1.3.6.1.4.1.11129.2.4.2';
const authority = issueAuthority(span);
const issuer = parseCertificate(authority.der);

function known({ key, id, origin }: CertificateLog, change: Partial<LogKey> = {}): LogKey {
  const [publicKey] = parsePublicKeys(key.pem, origin);
  if (publicKey === undefined) throw new Error('expected a key');
  const validity: Validity = { start: 0, end: Infinity };
  const hex = id.toString('hex');
  return { id: hex, checkpointId: hex, origin, key: publicKey, validity, ...change };
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** A certificate with these promises, which may be changed on the way. */
function leafOf(
  logs: readonly CertificateLog[],
  change: (promises: readonly Buffer[]) => readonly Buffer[] = (promises) => promises,
): Certificate {
  return leafWith((tbs) =>
    der.octets(
      withLength(
        Buffer.concat(
          change(logs.map((log) => log.promise(tbs, authority.key, NOW))).map(withLength),
        ),
      ),
    ),
  );
}

function leafWith(list: (tbs: Buffer) => Buffer): Certificate {
  const { der: bytes } = issueCertificate({
    ...span,
    issuer: authority,
    promise: (tbs) => ({ oid: SCT_LIST, value: list(tbs) }),
  });
  return parseCertificate(bytes);
}

const log = createCertificateLog();
const rsa = createCertificateLog({ kind: 'rsa' });
const hex = ({ id }: CertificateLog): string => id.toString('hex');
const flip = (at: number) => (promises: readonly Buffer[]) =>
  promises.map((promise) => {
    const changed = Buffer.from(promise);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    return changed;
  });

t.test('names each known log once, with ECDSA and RSA keys', async (t) => {
  const leaf = leafOf([log, rsa, log]);
  t.strictSame(verifyCertificateTransparency(leaf, issuer, [known(log), known(rsa)]), [
    hex(log),
    hex(rsa),
  ]);
});

t.test('a certificate without promises has none', async (t) => {
  const leaf = parseCertificate(issueCertificate({ ...span, issuer: authority }).der);
  t.strictSame(verifyCertificateTransparency(leaf, issuer, [known(log)]), []);
  t.strictSame(verifyCertificateTransparency(leafOf([]), issuer, [known(log)]), []);
});

t.test('promises of logs that nobody knows count for nothing', async (t) => {
  t.strictSame(verifyCertificateTransparency(leafOf([log, rsa]), issuer, [known(rsa)]), [hex(rsa)]);
  t.strictSame(verifyCertificateTransparency(leafOf([log]), issuer, []), []);
});

t.test('promises of another version are nobody’s', async (t) => {
  t.strictSame(verifyCertificateTransparency(leafOf([log], flip(0)), issuer, [known(log)]), []);
});

t.test('a promise by another key than the log’s does not hold', async (t) => {
  const impostor = known(rsa, { id: hex(log) });
  t.throws(() => verifyCertificateTransparency(leafOf([log]), issuer, [impostor]), {
    name: 'SyntaxError',
    message: /promise of the certificate-transparency log .* does not hold/,
  });
  const rotated = verifyCertificateTransparency(leafOf([log]), issuer, [impostor, known(log)]);
  t.strictSame(rotated, [hex(log)], 'unless the log is listed with its key as well');
});

t.test('one promise that does not hold is enough to refuse', async (t) => {
  const leaf = leafOf([rsa, log], ([first = Buffer.alloc(0), second = Buffer.alloc(0)]) => [
    first,
    ...flip(60)([second]),
  ]);
  t.throws(
    () => verifyCertificateTransparency(leaf, issuer, [known(log), known(rsa)]),
    SyntaxError,
  );
});

t.test('a promise is of this certificate, by this issuer, at this time', async (t) => {
  const logs = [known(log)];
  const copied = leafOf([log]).extensions.get(SCT_LIST)?.value ?? Buffer.alloc(0);
  const cases: readonly (readonly [string, Certificate, Certificate])[] = [
    ['another certificate', leafWith(() => copied), issuer],
    ['another issuer', leafOf([log]), parseCertificate(issueAuthority(span).der)],
    ['another time', leafOf([log], flip(40)), issuer],
  ];
  for (const [title, leaf, by] of cases) {
    t.throws(() => verifyCertificateTransparency(leaf, by, logs), SyntaxError, title);
  }
});

t.test('a promise lies within the time in which the log is trusted, ends included', async (t) => {
  const leaf = leafOf([log]);
  const during = (start: number, end: number): readonly string[] =>
    verifyCertificateTransparency(leaf, issuer, [known(log, { validity: { start, end } })]);
  t.strictSame(during(NOW, NOW), [hex(log)]);
  t.throws(() => during(NOW + 1, Infinity), SyntaxError);
  t.throws(() => during(0, NOW - 1), SyntaxError);
});

const valid = (): Buffer => withLength(Buffer.alloc(47));
const malformed: readonly (readonly [title: string, list: Buffer, message: RegExp])[] = [
  ['no inner OCTET STRING', withLength(valid()), /./],
  [
    'bytes after the list',
    der.octets(Buffer.concat([withLength(valid()), Buffer.from([0])])),
    /unexpected bytes/,
  ],
  [
    'bytes after a promise',
    der.octets(withLength(withLength(Buffer.alloc(48)))),
    /unexpected bytes/,
  ],
  ['a list that ends early', der.octets(Buffer.from([0, 9, 0])), /ends too early/],
  [
    'a promise that ends early',
    der.octets(withLength(withLength(Buffer.alloc(46)))),
    /ends too early/,
  ],
  [
    '33 promises',
    der.octets(withLength(Buffer.concat(Array.from({ length: 33 }, valid)))),
    /at most 32/,
  ],
];
for (const [title, list, message] of malformed) {
  t.test(`refuses ${title}`, async (t) => {
    const leaf = leafWith(() => list);
    t.throws(() => verifyCertificateTransparency(leaf, issuer, [known(log)]), {
      name: 'SyntaxError',
      message,
    });
  });
}

t.test('hashes that the log did not sign with are not tried', async (t) => {
  for (const [hash, algorithm] of [
    [2, 3],
    [4, 1],
    [5, 3],
    [0, 7],
  ] as const) {
    const leaf = leafOf([log], (promises) =>
      promises.map((promise) => {
        const changed = Buffer.from(promise);
        changed.set([hash, algorithm], 43);
        return changed;
      }),
    );
    t.throws(() => verifyCertificateTransparency(leaf, issuer, [known(log)]), SyntaxError);
  }
});

t.test('a log whose key is of another kind did not promise it', async (t) => {
  const ed = createKey('ed25519');
  t.throws(
    () => verifyCertificateTransparency(leafOf([log]), issuer, [known({ ...log, key: ed })]),
    SyntaxError,
  );
});
