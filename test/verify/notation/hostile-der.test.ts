/** Whatever well-formed DER is made of an honest sample says what the sample said, or is refused, and nothing else happens. */
import fc from 'fast-check';
import t from 'tap';
import { parseCertificate } from '../../../src/trust/certificate.ts';
import { inner, membersOf, readDer } from '../../../src/trust/der.ts';
import { UntrustedError } from '../../../src/verify/candidate.ts';
import {
  requireSigningChain,
  requireTimestampingChain,
} from '../../../src/verify/notation/certificate-profile.ts';
import { verifyCountersignature } from '../../../src/verify/notation/countersignature.ts';
import { judgeDelta, judgeList } from '../../../src/verify/notation/revocation/list-judgement.ts';
import { judgeOcsp } from '../../../src/verify/notation/revocation/ocsp.ts';
import { readPlaces } from '../../../src/verify/notation/revocation/places.ts';
import { parseRevocationList } from '../../../src/verify/notation/revocation/revocation-list.ts';
import { readSubject } from '../../../src/verify/notation/subject.ts';
import {
  issueNotationAuthority,
  issueSigner,
  extendedKeyUsage,
  keyUsage,
  NOTATION_TIME,
  PURPOSES,
  read,
} from '../../helpers/notation/certificate.ts';
import { createNotationTsa, tokenOver, tsaRoot } from '../../helpers/notation/timestamp.ts';
import * as der from '../../helpers/sigstore/der.ts';
import type { TestKey } from '../../helpers/sigstore/key.ts';
import { mutantsOf } from './der-mutants.ts';
import {
  EKU_OCSP,
  freshest,
  listNumber,
  lists,
  makeAuthority,
  makeLeaf,
  makeList,
  makeOcsp,
  NO_CHECK,
  NOW,
  responders,
  scope,
  scopeName,
} from './revocation/made-revocation.ts';

const RUNS = { numRuns: 200 };
const PLACE = 'http://l.example/ca.crl';
const ca = makeAuthority('ca');
const leaf = makeLeaf(ca, [responders('http://o.example/'), lists(PLACE)], { serial: 7n });

/** The answer, or undefined where it is refused; anything but a refusal is thrown. */
async function answerOf<T>(ask: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof UntrustedError) return undefined;
    throw error;
  }
}

t.test('timestamp tokens', async (t) => {
  const tsa = createNotationTsa();
  const signature = Buffer.from('a signature');
  const token = tokenOver(tsa, signature);
  const roots = [read(tsaRoot(tsa))];
  const verify = (bytes: Buffer) => {
    const { earliest, latest } = verifyCountersignature(bytes, signature, roots, NOTATION_TIME);
    return { earliest, latest };
  };
  const honest = verify(token);
  await fc.assert(
    fc.asyncProperty(mutantsOf(token), async (bytes) => {
      const answer = await answerOf(() => verify(bytes));
      if (answer !== undefined) t.strictSame(answer, honest);
    }),
    RUNS,
  );
});

t.test('OCSP responses, by the authority and by a responder of its own', async (t) => {
  const responder = makeLeaf(ca, [NO_CHECK], { usages: [EKU_OCSP] });
  const [certificate, issuer] = [read(leaf), read(ca)];
  for (const sample of [
    makeOcsp(leaf, { status: { reason: 1 } }),
    makeOcsp(leaf, { signer: responder, embed: [responder] }),
  ]) {
    const judge = (bytes: Buffer) => judgeOcsp(bytes, certificate, issuer, NOW).standing;
    const honest = judge(sample);
    await fc.assert(
      fc.asyncProperty(mutantsOf(sample), async (bytes) => {
        const answer = await answerOf(() => judge(bytes));
        if (answer !== undefined) t.strictSame(answer, honest);
      }),
      RUNS,
    );
  }
});

t.test('revocation lists', async (t) => {
  const question = { certificate: read(leaf), issuer: read(ca), now: NOW };
  const sample = makeList(ca, {
    entries: [
      { serial: 1n, reason: 1 },
      { serial: leaf.serial, reason: 4 },
    ],
    extensions: [listNumber(1), scope(scopeName(PLACE))],
  });
  const judge = (bytes: Buffer) =>
    judgeList(parseRevocationList(bytes), question, () => Promise.reject(new SyntaxError('none')));
  const honest = await judge(sample);
  t.match(honest, { state: 'revoked' });
  await fc.assert(
    fc.asyncProperty(mutantsOf(sample), async (bytes) => {
      const answer = await answerOf(() => judge(bytes));
      if (answer !== undefined) t.strictSame(answer, honest);
    }),
    RUNS,
  );
});

/** Mutants of what is signed, each signed anew: what an authority itself may have written. */
function signedAnew(sample: Buffer, key: TestKey): fc.Arbitrary<Buffer> {
  const [body, algorithm] = membersOf(readDer(sample, 'it'), 'it');
  if (body === undefined || algorithm === undefined) throw new Error('expected what is signed');
  return mutantsOf(body.raw).map((bytes) =>
    der.sequence(bytes, algorithm.raw, der.bits(key.sign(bytes))),
  );
}

t.test('lists that their authority signed, however odd', async () => {
  const question = { certificate: read(leaf), issuer: read(ca), now: NOW };
  const sample = makeList(ca, {
    entries: [{ serial: leaf.serial, reason: 6 }],
    extensions: [listNumber(1), scope(scopeName(PLACE)), freshest(PLACE)],
  });
  await fc.assert(
    fc.asyncProperty(signedAnew(sample, ca.key), async (bytes) => {
      await answerOf(() =>
        judgeList(parseRevocationList(bytes), question, (full) =>
          judgeDelta(parseRevocationList(bytes), full, question),
        ),
      );
    }),
    RUNS,
  );
});

t.test('OCSP answers that their authority signed, however odd', async (t) => {
  const [certificate, issuer] = [read(leaf), read(ca)];
  const whole = makeOcsp(leaf);
  const [status, wrapped] = membersOf(readDer(whole, 'it'), 'it');
  const [type, basic] = membersOf(inner(wrapped ?? readDer(whole, 'it'), 'it'), 'it');
  if (status === undefined || type === undefined || basic === undefined) {
    throw new Error('expected a response');
  }
  const responses = signedAnew(basic.content, ca.key).map((bytes) =>
    der.sequence(status.raw, der.context(0, der.sequence(type.raw, der.octets(bytes)))),
  );
  await fc.assert(
    fc.asyncProperty(responses, async (bytes) => {
      const answer = await answerOf(() => judgeOcsp(bytes, certificate, issuer, NOW).standing);
      // It may be about a reason or a time, but good or revoked it is only with an end or a date.
      t.match(answer?.state ?? 'refused', /^(?:good|revoked|refused)$/);
      if (answer?.state === 'good') t.ok(answer.until > NOW);
    }),
    RUNS,
  );
});

t.test('certificates that their authority signed, however odd', async () => {
  const root = issueNotationAuthority('root');
  const issuer = read(root);
  await fc.assert(
    fc.asyncProperty(signedAnew(issueSigner({ issuer: root }).der, root.key), async (bytes) => {
      const certificate = await answerOf(() => parseCertificate(bytes));
      if (certificate === undefined) return;
      await answerOf(() => {
        requireSigningChain([certificate, issuer]);
      });
      await answerOf(() => readPlaces(certificate));
      await answerOf(() => readSubject(certificate.rawSubject));
    }),
    RUNS,
  );
});

t.test('certificates', async (t) => {
  const root = issueNotationAuthority('root');
  const signer = issueSigner({
    issuer: root,
    extensions: [
      keyUsage(['digitalSignature']),
      extendedKeyUsage([PURPOSES.codeSigning]),
      responders('http://o.example/'),
      lists(PLACE),
    ],
  });
  const issuer = read(root);
  await fc.assert(
    fc.asyncProperty(mutantsOf(signer.der), async (bytes) => {
      const certificate = await answerOf(() => parseCertificate(bytes));
      if (certificate === undefined) return;
      // Only what was signed holds, and it is the sample, byte for byte.
      t.equal(certificate.isSignedBy(issuer), bytes.equals(signer.der));
      for (const require of [requireSigningChain, requireTimestampingChain]) {
        await answerOf(() => {
          require([certificate, issuer]);
        });
        await answerOf(() => {
          require([certificate]);
        });
      }
      await answerOf(() => readPlaces(certificate));
      await answerOf(() => readSubject(certificate.rawSubject));
    }),
    RUNS,
  );
});
