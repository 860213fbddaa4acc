/** OCSP: only who may say so is believed, only about the certificate in question, and only for a while. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { judgeOcsp } from '../../../../src/verify/notation/revocation/ocsp.ts';
import {
  certificateIdOf,
  writeOcspRequest,
} from '../../../../src/verify/notation/revocation/ocsp-request.ts';
import { caExtensions } from '../../../helpers/sigstore/certificate.ts';
import * as der from '../../../helpers/sigstore/der.ts';
import {
  DAY,
  EKU_OCSP,
  HOUR,
  makeAuthority,
  makeLeaf,
  makeOcsp,
  NO_CHECK,
  NOW,
  read,
  UNKNOWN_CRITICAL,
  type OcspChange,
} from './made-revocation.ts';

const ca = makeAuthority('ca');
const otherCa = makeAuthority('other ca');
const leaf = makeLeaf(ca);
const responder = makeLeaf(ca, [NO_CHECK], { usages: [EKU_OCSP] });

const judge = (change: OcspChange = {}, now = NOW) =>
  judgeOcsp(makeOcsp(leaf, change), read(leaf), read(ca), now);
const refuses = (t: Test, message: RegExp, change: OcspChange, name = 'is refused'): void => {
  t.throws(() => judge(change), { name: 'SyntaxError', message }, name);
};

t.test('a request names the certificate as RFC 6960 has it', (t) => {
  const id = certificateIdOf(read(leaf), read(ca));
  t.equal(id.issuerNameHash.length, 20);
  const request = writeOcspRequest(id);
  const certId = der.sequence(
    der.sequence(der.oid('1.3.14.3.2.26'), der.nothing()),
    der.octets(id.issuerNameHash),
    der.octets(id.issuerKeyHash),
    der.integer(leaf.serial),
  );
  t.strictSame(request, der.sequence(der.sequence(der.sequence(der.sequence(certId)))));
  t.end();
});

t.test('the authority says that the certificate is good', (t) => {
  const good = { standing: { state: 'good', until: NOW + DAY } };
  t.strictSame(judge(), good);
  t.strictSame(judge({ byKey: true }), good, 'it may be named by its key');
  t.strictSame(judge({ embed: [ca] }), good, 'and send its certificate along');
  t.strictSame(judge({ thisUpdate: NOW + HOUR / 60, producedAt: NOW + HOUR / 60 }), good);
  t.end();
});

t.test('what is revoked is revoked, with the reason', (t) => {
  t.match(judge({ status: { reason: 1 } }).standing, {
    state: 'revoked',
    reason: 'O=Vendor, CN=leaf was revoked at 2026-05-31T00:00:00.000Z (keyCompromise), says OCSP',
  });
  t.match(judge({ status: {} }).standing, { state: 'revoked', reason: /\(unspecified\)/ });
  t.match(judge({ status: { reason: 6 } }).standing, { reason: /\(certificateHold\)/ });
  t.match(judge({ status: { reason: 77 } }).standing, { reason: /\(reason 77\)/ });
  const old = { nextUpdate: NOW - HOUR, thisUpdate: NOW - DAY };
  t.match(judge({ status: { reason: 1 }, ...old }).standing, { state: 'revoked' }, 'for ever');
  refuses(t, /out of date/, { status: { reason: 6 }, ...old }, 'but a hold may have been lifted');
  t.end();
});

t.test('an answer that does not know the certificate is none', (t) => {
  refuses(t, /does not know O=Vendor, CN=leaf/, { status: 'unknown' });
  refuses(t, /expected one answer .* got none/, { serial: leaf.serial + 1n });
  refuses(t, /expected one answer .* got none/, { issuer: otherCa, signer: ca });
  refuses(t, /expected one answer .* got several/, { answers: 2 });
  refuses(t, /expected one answer .* got none/, { answers: 0 });
  refuses(t, /at most 16 answers/, { answers: 17 });
  t.end();
});

t.test('an answer holds from its thisUpdate to its nextUpdate', (t) => {
  refuses(t, /out of date/, { nextUpdate: NOW });
  refuses(t, /out of date/, { nextUpdate: NOW - DAY });
  refuses(t, /has no nextUpdate/, { nextUpdate: null }, 'it could be shown for ever');
  refuses(t, /answer is from the future/, { thisUpdate: NOW + HOUR });
  refuses(t, /response is from the future/, { producedAt: NOW + HOUR });
  t.end();
});

t.test('nobody else may say so', (t) => {
  refuses(t, /signature .* does not hold/, { signer: otherCa, claim: ca });
  refuses(t, /by nobody that the authority named/, { signer: otherCa });
  refuses(t, /was not issued by/, { signer: otherCa, embed: [otherCa] });
  refuses(t, /by nobody that the authority named/, { signer: otherCa, byKey: true });
  const sha1 = der.sequence(der.oid('1.2.840.10045.4.1'));
  refuses(t, /signature .* does not hold/, { algorithm: sha1 }, 'SHA-1');
  t.end();
});

t.test('the authority may delegate to a responder that it certified for OCSP', (t) => {
  const delegated = { signer: responder, embed: [responder] };
  t.strictSame(judge(delegated), { standing: { state: 'good', until: NOW + DAY } });
  t.strictSame(judge({ ...delegated, byKey: true }), judge(delegated));
  t.match(judge({ ...delegated, status: {} }).standing, { state: 'revoked' });
  refuses(t, /by nobody that the authority named/, { signer: responder });
  refuses(t, /signature .* does not hold/, { ...delegated, signer: otherCa, claim: responder });

  const short = makeLeaf(ca, [NO_CHECK], { usages: [EKU_OCSP], notAfter: NOW + HOUR });
  t.strictSame(
    judge({ signer: short, embed: [short] }).standing,
    { state: 'good', until: NOW + HOUR },
    'for no longer than the responder is certified',
  );
  t.end();
});

t.test('a responder that the authority did not certify for OCSP is nobody', (t) => {
  const by = (signer: ReturnType<typeof makeLeaf>): OcspChange => ({ signer, embed: [signer] });
  const usage = /has no extended key usage OCSPSigning/;
  refuses(t, usage, by(makeLeaf(ca, [NO_CHECK])), 'no usage at all');
  refuses(t, usage, by(makeLeaf(ca, [NO_CHECK], { usages: ['1.3.6.1.5.5.7.3.3'] })), 'another');
  refuses(t, usage, by(makeLeaf(ca, [NO_CHECK], { usages: ['2.5.29.37.0'] })), 'any');
  refuses(t, usage, by(leaf), 'the certificate speaks for itself');
  refuses(t, /was not issued by/, by(makeLeaf(otherCa, [NO_CHECK], { usages: [EKU_OCSP] })));
  const under = makeAuthority('under', { issuer: ca });
  refuses(
    t,
    /was not issued by/,
    { ...by(makeLeaf(under, [NO_CHECK], { usages: [EKU_OCSP] })) },
    'an authority below may not speak for the one above',
  );
  const expired = makeLeaf(ca, [NO_CHECK], { usages: [EKU_OCSP], notAfter: NOW - 1000 });
  refuses(t, /not valid now/, by(expired));
  const usages = { oid: '2.5.29.37', value: der.sequence(der.oid(EKU_OCSP)) };
  const noSigner = makeAuthority('no signer', {
    issuer: ca,
    extensions: [...caExtensions(), usages, NO_CHECK],
  });
  refuses(t, /key of the OCSP responder .* is not for signatures/, by(noSigner));
  const odd = makeLeaf(ca, [NO_CHECK, UNKNOWN_CRITICAL], { usages: [EKU_OCSP] });
  refuses(t, /unknown critical extension 1\.2\.3\.4/, by(odd));
  t.end();
});

t.test('a responder without ocsp-nocheck has to be asked about itself', (t) => {
  const unchecked = makeLeaf(ca, [], { usages: [EKU_OCSP] });
  const judgement = judge({ signer: unchecked, embed: [unchecked] });
  t.equal(judgement.unchecked?.fingerprint, read(unchecked).fingerprint);
  t.equal(judge({ signer: responder, embed: [responder] }).unchecked, undefined);
  t.equal(judge().unchecked, undefined, 'the authority itself has not');
  t.end();
});

t.test('critical extensions are understood or the response is none', (t) => {
  refuses(t, /response has the unknown critical extension 1\.2\.3\.4/, {
    responseExtensions: [UNKNOWN_CRITICAL],
  });
  refuses(t, /answer of OCSP has the unknown critical extension 1\.2\.3\.4/, {
    answerExtensions: [UNKNOWN_CRITICAL],
  });
  const nonce = { oid: '1.3.6.1.5.5.7.48.1.2', value: der.octets(Buffer.from('n')) };
  t.match(judge({ responseExtensions: [nonce] }).standing, { state: 'good' });
  t.end();
});

t.test('what is no successful response is refused', (t) => {
  refuses(t, /got tryLater/, { responseStatus: 3 });
  refuses(t, /got unauthorized/, { responseStatus: 6 });
  refuses(t, /got status 9/, { responseStatus: 9 });
  refuses(t, /at most 8 certificates/, { embed: Array<typeof leaf>(9).fill(leaf) });
  const judgeBytes = (bytes: Buffer) => () => judgeOcsp(bytes, read(leaf), read(ca), NOW);
  const whole = makeOcsp(leaf);
  t.throws(judgeBytes(Buffer.concat([whole, Buffer.from([0])])), /unexpected bytes/);
  t.throws(judgeBytes(whole.subarray(0, -1)), SyntaxError);
  t.throws(judgeBytes(Buffer.alloc(0)), SyntaxError);
  t.throws(judgeBytes(Buffer.alloc(20 * 1024 + 1, 0x30)), /at most 20480 bytes/);
  t.throws(judgeBytes(Buffer.from('300530030a0103', 'hex')), SyntaxError);
  t.throws(judgeBytes(Buffer.from('30030a0100', 'hex')), /expected responseBytes/);
  t.end();
});

t.test('no changed byte leaves an answer', (t) => {
  const whole = makeOcsp(leaf);
  const [certificate, issuer] = [read(leaf), read(ca)];
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ mask;
      t.throws(() => judgeOcsp(changed, certificate, issuer, NOW), SyntaxError);
    }),
    { numRuns: 100 },
  );
  t.end();
});

t.test('any bytes are refused with a SyntaxError', (t) => {
  const [certificate, issuer] = [read(leaf), read(ca)];
  const bytes = fc.uint8Array({ maxLength: 200 });
  const wrapped = bytes.map((inside) =>
    der.sequence(
      Buffer.from('0a0100', 'hex'),
      der.context(0, der.sequence(der.oid('1.3.6.1.5.5.7.48.1.1'), der.octets(inside))),
    ),
  );
  fc.assert(
    fc.property(fc.oneof(bytes, wrapped), (some) => {
      t.throws(() => judgeOcsp(Buffer.from(some), certificate, issuer, NOW), SyntaxError);
    }),
    { numRuns: 60 },
  );
  t.end();
});
