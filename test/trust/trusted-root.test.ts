/** Trusted roots: every mistake is named with its place, and nothing that is odd slips in. */
import { generateKeyPairSync } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { sigstoreRoot } from '../../src/trust/trust-root.ts';
import { MAX_TRUSTED_ROOT, parseTrustedRoot } from '../../src/trust/trusted-root.ts';
import {
  EKU,
  issueAuthority,
  issueCertificate,
  leafExtensions,
} from '../helpers/sigstore/certificate.ts';
import { distinguishedName } from '../helpers/sigstore/der.ts';
import { createKey } from '../helpers/sigstore/key.ts';
import { createSigstore, SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { noteKeyId } from '../helpers/sigstore/signed-note.ts';
import { needsVectors, vectorPath } from '../verify/vectors.ts';

const sigstore = createSigstore();
const span = { notBefore: SIGSTORE_TIME - 1000, notAfter: SIGSTORE_TIME + 1000 };
const VALID = { start: '2025-09-23T00:00:00Z' };

type Json = Record<string, unknown>;

/** The root with one member changed: `set('tlogs.1.publicKey.validFor', …)`; undefined takes it away. */
function changed(path: string, value: unknown): unknown {
  const root = JSON.parse(JSON.stringify(sigstore.trustedRootJson())) as Json;
  const steps = path.split('.');
  let at = root;
  for (const step of steps.slice(0, -1)) at = at[step] as Json;
  at[steps.at(-1) ?? ''] = value;
  return root;
}

const parse = (root: unknown) => parseTrustedRoot(Buffer.from(JSON.stringify(root)));
const chainOf = (...issued: readonly { readonly der: Buffer }[]) => ({
  certificates: issued.map(({ der }) => ({ rawBytes: der.toString('base64') })),
});
const spki = (kind: 'p256' | 'p384' | 'ed25519' | 'rsa') => createKey(kind).spki.toString('base64');

t.test('reads authorities and logs', (t) => {
  const read = parse(sigstore.trustedRootJson());
  t.equal(
    sigstoreRoot('read', read, { source: 'a file' }).id,
    sigstore.root('made', {
      timestampAuthorities: sigstore
        .authorities()
        .timestampAuthorities.map((one) => ({ ...one, name: 'timestamp.sigstore.test' })),
    }).id,
  );
  t.match(
    read.transparencyLogs.map(({ origin }) => origin),
    [sigstore.log.origin, sigstore.log2.origin],
  );
  t.equal(read.certificateAuthorities[0]?.chain.length, 2);
  t.equal(read.timestampAuthorities[0]?.chain.length, 3);
  t.end();
});

t.test('reads the roots that others made', needsVectors, (t) => {
  const files = globSync(vectorPath('**', 'trusted_root*.json'));
  t.ok(files.length >= 20);
  for (const file of files) {
    t.doesNotThrow(() => parseTrustedRoot(readFileSync(file)), file);
  }
  const { certificateLogs } = parseTrustedRoot(
    readFileSync(vectorPath('sigstore-conformance', 'invalid-ct-key_fail', 'trusted_root.json')),
  );
  t.equal(certificateLogs[0]?.key.algorithm, 'rsa', 'a PKCS#1 key');
  t.end();
});

const twice = { logId: { keyId: sigstore.log.id.toString('base64') } };
const unrelated = issueAuthority(span);
const stamper = (usages: readonly string[], issuer = sigstore.certificateRoot) =>
  issueCertificate({
    ...span,
    subject: distinguishedName('test', 'stamper'),
    issuer,
    extensions: leafExtensions(usages, true),
  });
const below = issueAuthority({ ...span, issuer: sigstore.intermediate });
const noCa = issueCertificate({
  ...span,
  key: createKey(),
  subject: distinguishedName('test', 'no authority'),
  extensions: leafExtensions([EKU.codeSigning]),
});
const CA = 'certificateAuthorities.0.certChain';
const TSA = 'timestampAuthorities.0.certChain';

const mistakes: readonly (readonly [path: string, value: unknown, message: string])[] = [
  ['mediaType', undefined, 'mediaType: expected that of'],
  ['mediaType', 'application/vnd.dev.sigstore.trustedroot+json;version=0.3', 'mediaType: expected'],
  ['tlogs', {}, 'tlogs: expected an array, got a object'],
  ['tlogs.0', 'x', 'tlogs[0]: expected an object, got a string'],
  ['tlogs', Array(65).fill({}), 'tlogs: expected at most 64, got 65'],
  ['certificateAuthorities', Array(65).fill({}), 'certificateAuthorities: expected at most 64'],
  ['tlogs.1.publicKey.validFor', undefined, 'tlogs[1].publicKey.validFor.start: expected a time'],
  ['tlogs.1.publicKey.validFor', {}, 'tlogs[1].publicKey.validFor.start: expected a time'],
  ['tlogs.1.publicKey.validFor.start', null, 'tlogs[1].publicKey.validFor.start: expected a time'],
  ['ctlogs.0.publicKey.validFor', {}, 'ctlogs[0].publicKey.validFor.start: expected a time'],
  ['certificateAuthorities.0.validFor', {}, 'certificateAuthorities[0].validFor.start: expected'],
  ['timestampAuthorities.0.validFor', {}, 'timestampAuthorities[0].validFor.start: expected'],
  ['tlogs.0.publicKey.validFor.start', 'soon', 'tlogs[0].publicKey.validFor.start: expected a'],
  ['tlogs.0.publicKey.validFor.start', 1, 'validFor.start: expected a time, got a number'],
  ['tlogs.0.publicKey.validFor.start', '2025-02-30T00:00:00Z', 'validFor.start: expected a time'],
  ['tlogs.0.publicKey.validFor.start', '2025-02-03T25:00:00Z', 'validFor.start: expected a time'],
  ['tlogs.0.publicKey.validFor.start', '2025-02-03', 'validFor.start: expected a time'],
  [
    'ctlogs.0.publicKey.validFor',
    { ...VALID, end: '2025-09-22T23:59:59.999Z' },
    'ctlogs[0].publicKey.validFor.end: expected an end that is not before the start',
  ],
  [
    'tlogs.0.publicKey.validFor',
    { ...VALID, END: '2026-01-01T00:00:00Z' },
    'tlogs[0].publicKey.validFor: member "END" is ambiguous: expected "end"',
  ],
  ['tlogs.0.publicKey.valid_for', VALID, 'tlogs[0].publicKey: member "valid_for" is ambiguous'],
  [
    'tlogs.0.hashAlgorithm',
    'SHA2_512',
    'tlogs[0].hashAlgorithm: expected SHA2_256, got "SHA2_512"',
  ],
  ['ctlogs.0.hashAlgorithm', undefined, 'ctlogs[0].hashAlgorithm: expected SHA2_256, got nothing'],
  ['tlogs.0.baseUrl', undefined, 'tlogs[0].baseUrl: expected the URL of the log'],
  ['tlogs.0.baseUrl', 'https://', 'tlogs[0].baseUrl: expected the URL of the log'],
  ['tlogs.0.baseUrl', 'https://a\nb', 'tlogs[0].baseUrl: expected one line'],
  ['tlogs.0.baseUrl', 'https://a\u2028b', 'tlogs[0].baseUrl: expected one line'],
  ['tlogs.0.baseUrl', 'https://a\u2029b', 'tlogs[0].baseUrl: expected one line'],
  ['tlogs.0.publicKey', undefined, 'tlogs[0].publicKey: expected an object, got nothing'],
  ['tlogs.0.publicKey.rawBytes', undefined, 'tlogs[0].publicKey.rawBytes: expected a public key'],
  ['tlogs.0.publicKey.rawBytes', 'a_-b', 'tlogs[0].publicKey.rawBytes: expected padded standard'],
  ['tlogs.0.publicKey.rawBytes', 'AB==', 'tlogs[0].publicKey.rawBytes: expected padded standard'],
  ['tlogs.0.publicKey.rawBytes', 'AAAA', 'tlogs[0].publicKey: expected a SPKI public key'],
  ['tlogs.0.publicKey.keyDetails', undefined, 'publicKey.keyDetails: expected the kind of the key'],
  ['tlogs.0.publicKey.keyDetails', 'ML_DSA_65', 'publicKey: expected key details that can be ver'],
  ['tlogs.0.publicKey.keyDetails', 'PKIX_ED25519', 'publicKey: expected the key that PKIX_ED25519'],
  ['tlogs.0.publicKey.rawBytes', spki('p384'), 'publicKey: expected the key that PKIX_ECDSA_P256'],
  ['tlogs.0.publicKey.rawBytes', spki('rsa'), 'publicKey: expected the key that PKIX_ECDSA_P256'],
  [
    'ctlogs.0.publicKey',
    { rawBytes: spki('rsa'), keyDetails: 'PKIX_RSA_PKCS1V15_4096_SHA256', validFor: VALID },
    'ctlogs[0].publicKey: expected the key that PKIX_RSA_PKCS1V15_4096_SHA256 says, got rsa of 2048',
  ],
  [
    'tlogs.0.publicKey.rawBytes',
    Buffer.concat([sigstore.log.key.spki, Buffer.from([0])]).toString('base64'),
    'tlogs[0].publicKey: expected one DER public key and nothing else',
  ],
  ['tlogs.0.logId', {}, 'tlogs[0].logId.keyId: expected 32 or 4 bytes, got 0'],
  ['tlogs.0.logId.keyId', 'AAAAAAA=', 'tlogs[0].logId.keyId: expected 32 or 4 bytes, got 5'],
  ['ctlogs.0.logId.keyId', 'AAAAAA==', 'ctlogs[0].logId.keyId: expected 32 bytes, got 4'],
  [
    'tlogs.0.checkpointKeyId',
    { keyId: 'AAAA' },
    'tlogs[0].checkpointKeyId.keyId: expected 4 or 32',
  ],
  ['tlogs.1.logId', twice.logId, 'tlogs[1].logId: expected an id of its own, tlogs[0] has it'],
  [CA, undefined, 'certificateAuthorities[0].certChain: expected an object, got nothing'],
  [CA, chainOf(), 'certChain.certificates: expected at least one certificate'],
  [
    CA,
    chainOf(...Array<typeof below>(17).fill(below)),
    'certificates: expected at most 16, got 17',
  ],
  [`${CA}.certificates.0`, {}, 'certChain.certificates[0].rawBytes: expected a certificate'],
  [`${CA}.certificates.0.rawBytes`, 'AAAA', 'certChain.certificates[0].rawBytes: '],
  [
    CA,
    chainOf(sigstore.certificateRoot, sigstore.intermediate),
    'certificates[0]: expected it to be issued and signed by the next',
  ],
  [
    CA,
    chainOf(sigstore.intermediate),
    'certificates[0]: expected the last certificate to be a self',
  ],
  [
    CA,
    chainOf(sigstore.intermediate, unrelated),
    'certificates[0]: expected it to be issued and signed by the next',
  ],
  [
    CA,
    chainOf(sigstore.certificateRoot, sigstore.certificateRoot),
    'certificates[0]: expected a self-signed root to come last',
  ],
  [CA, chainOf(noCa), 'certificates[0]: expected a certificate authority that may sign'],
  [
    CA,
    chainOf(below, sigstore.intermediate, sigstore.certificateRoot),
    'certificates[1]: it allows 0 authorities below it, got 1',
  ],
  [TSA, chainOf(), 'timestampAuthorities[0].certChain.certificates: expected at least one'],
  [
    TSA,
    chainOf(...sigstore.timestampAuthority.chain.slice(1)),
    'timestampAuthorities[0].certChain.certificates[0]: expected the own certificate',
  ],
  [
    TSA,
    chainOf(...sigstore.timestampAuthority.chain.slice(0, 1)),
    'certificates[0]: expected the CA of the timestamp authority after it',
  ],
  [
    TSA,
    chainOf(...sigstore.timestampAuthority.chain.slice(0, 2)),
    'certificates[1]: expected the last certificate to be a self-signed root',
  ],
  [
    TSA,
    chainOf(...sigstore.timestampAuthority.chain.toReversed()),
    'certificates[0]: expected the own certificate',
  ],
  [
    TSA,
    chainOf(stamper([]), sigstore.certificateRoot),
    'certificates[0]: expected the extended key usage timeStamping and no other',
  ],
  [
    TSA,
    chainOf(stamper([EKU.codeSigning]), sigstore.certificateRoot),
    'certificates[0]: expected the extended key usage timeStamping and no other',
  ],
  [
    TSA,
    chainOf(stamper([EKU.timeStamping, EKU.codeSigning]), sigstore.certificateRoot),
    'certificates[0]: expected the extended key usage timeStamping and no other',
  ],
  [
    TSA,
    chainOf(stamper([EKU.timeStamping], noCa), noCa),
    'certificates[1]: expected a certificate authority that may sign',
  ],
  ['certificateAuthorities.0.uri', 1, 'certificateAuthorities[0].uri: expected text, got a number'],
  ['certificateAuthorities.0.subject', [], 'certificateAuthorities[0].subject: expected an object'],
];
for (const [path, value, message] of mistakes) {
  const written = value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 40);
  // TAP ends a line, and so a test, at a line separator.
  const said = written.replace(/[\u2028\u2029]/g, (end) => `U+${end.charCodeAt(0).toString(16)}`);
  t.test(`refuses ${path} with ${said}: ${message}`, async (t) => {
    const error = t.throws(() => parse(changed(path, value)), { name: 'SyntaxError' });
    t.ok(error instanceof Error && error.message.includes(message), String(error));
  });
}

t.test('refuses what is no root at all, and one in which nobody is trusted', (t) => {
  const error = { name: 'SyntaxError' };
  t.throws(() => parseTrustedRoot(Buffer.alloc(MAX_TRUSTED_ROOT + 1, ' ')), {
    ...error,
    message: /at most 1 MiB/,
  });
  t.throws(() => parseTrustedRoot(Buffer.from('[]')), {
    ...error,
    message: 'expected an object, got an array',
  });
  t.throws(() => parseTrustedRoot(Buffer.from('{"mediaType":"x","mediaType":"x"}')), error);
  const mediaType = 'application/vnd.dev.sigstore.trustedroot.v0.2+json';
  t.throws(() => parse({ mediaType }), { ...error, message: /at least one authority or log/ });
  t.throws(() => parse({ mediaType, tlogs: null, ctlogs: [] }), error);
  t.end();
});

t.test('a member that is new is no mistake, and null means absent', (t) => {
  t.doesNotThrow(() => parse(changed('tlogs.0.rekorVersion', 3)));
  t.doesNotThrow(() => parse(changed('tlogs.0.checkpointKeyId', null)));
  t.doesNotThrow(() => parse(changed('certificateAuthorities.0.subject', null)));
  t.end();
});

t.test('the ends of a validity are what they say, to the millisecond', (t) => {
  const validFor = { start: '2025-09-23T02:00:00+02:00', end: '2025-09-23T00:00:00.999999Z' };
  const [log] = parse(changed('tlogs.0.publicKey.validFor', validFor)).transparencyLogs;
  const start = Date.UTC(2025, 8, 23);
  t.same(log?.validity, { start, end: start + 999 });
  const open = parse(changed('tlogs.0.publicKey.validFor', { ...VALID, end: null }));
  t.same(open.transparencyLogs[0]?.validity, { start, end: Infinity });
  const moment = { start: VALID.start, end: VALID.start };
  t.doesNotThrow(() => parse(changed('tlogs.0.publicKey.validFor', moment)));
  t.end();
});

t.test('ids are computed where they are absent, and given ones are kept', (t) => {
  const noId = (index: number) =>
    parse(changed(`tlogs.${index}.logId`, undefined)).transparencyLogs[index];
  const { log, log2 } = sigstore;
  t.equal(noId(0)?.id, log.id.toString('hex'), 'the hash of the key');
  t.equal(noId(1)?.id, noteKeyId(log2.origin, 1, log2.key).toString('hex'), 'the key id of a note');
  t.equal(noId(1)?.checkpointId, noId(1)?.id);
  const short = { keyId: log2.id.subarray(0, 4).toString('base64') };
  const [, given] = parse(changed('tlogs.1.checkpointKeyId', short)).transparencyLogs;
  t.equal(given?.checkpointId, log2.id.toString('hex').slice(0, 8));
  t.equal(given?.id, log2.id.toString('hex'));
  t.end();
});

t.test('the origin is the URL without scheme and trailing slash', (t) => {
  const origin = (baseUrl: string) =>
    parse(changed('tlogs.0.baseUrl', baseUrl)).transparencyLogs[0]?.origin;
  t.equal(origin('https://rekor.test/'), 'rekor.test');
  t.equal(origin('http://rekor.test:3000/a/b//'), 'rekor.test:3000/a/b');
  t.equal(origin('rekor.test'), 'rekor.test');
  t.end();
});

t.test('an operator is kept, and is part of what names the root', (t) => {
  const root = (operator: unknown) =>
    sigstoreRoot('x', parse(changed('tlogs.0.operator', operator)), { source: 'a test' });
  t.equal(root('acme.test').authorities.transparencyLogs[0]?.operator, 'acme.test');
  t.equal(root('').id, root(undefined).id);
  t.not(root('acme.test').id, root('').id);
  t.end();
});

t.test('an RSA key verifies as its details say', (t) => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey;
  const algorithm = (key: typeof publicKey, type: 'spki' | 'pkcs1', keyDetails: string) => {
    const rawBytes = key.export({ type, format: 'der' }).toString('base64');
    const value = { rawBytes, keyDetails, validFor: VALID };
    return parse(changed('ctlogs.0.publicKey', value)).certificateLogs[0]?.key.algorithm;
  };
  t.equal(algorithm(publicKey, 'spki', 'PKIX_RSA_PKCS1V15_2048_SHA256'), 'rsa');
  t.equal(algorithm(publicKey, 'pkcs1', 'PKCS1_RSA_PKCS1V5'), 'rsa');
  t.equal(algorithm(publicKey, 'pkcs1', 'PKCS1_RSA_PSS'), 'rsa-pss');
  t.equal(algorithm(publicKey, 'spki', 'PKIX_RSA_PSS_2048_SHA256'), 'rsa-pss');
  t.equal(algorithm(pss, 'spki', 'PKIX_RSA_PSS'), 'rsa-pss');
  t.throws(() => algorithm(pss, 'spki', 'PKIX_RSA_PKCS1V5'), { name: 'SyntaxError' });
  t.throws(() => algorithm(publicKey, 'spki', 'PKCS1_RSA_PKCS1V5'), { name: 'SyntaxError' });
  t.throws(() => algorithm(publicKey, 'pkcs1', 'PKIX_RSA_PKCS1V5'), { name: 'SyntaxError' });
  const long = Buffer.concat([publicKey.export({ type: 'pkcs1', format: 'der' }), Buffer.alloc(1)]);
  const value = {
    rawBytes: long.toString('base64'),
    keyDetails: 'PKCS1_RSA_PKCS1V5',
    validFor: VALID,
  };
  t.throws(() => parse(changed('ctlogs.0.publicKey', value)), { name: 'SyntaxError' });
  t.end();
});

t.test('whatever the bytes, there is a root or a SyntaxError', (t) => {
  const text = JSON.stringify(sigstore.trustedRootJson());
  const refusesOrReads = (bytes: Uint8Array) => {
    try {
      parseTrustedRoot(bytes);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  };
  fc.assert(fc.property(fc.uint8Array(), refusesOrReads));
  fc.assert(
    fc.property(fc.nat(text.length), fc.nat(40), fc.string(), (at, length, other) => {
      refusesOrReads(Buffer.from(text.slice(0, at) + other + text.slice(at + length)));
    }),
    { numRuns: 100 },
  );
  const paths = ['tlogs', 'tlogs.0', 'tlogs.0.publicKey', 'tlogs.0.publicKey.validFor', CA, TSA];
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
      refusesOrReads(Buffer.from(JSON.stringify(changed(path, value))));
    }),
    { numRuns: 100 },
  );
  t.end();
});
