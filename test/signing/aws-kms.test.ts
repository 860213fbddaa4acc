/** Keys in AWS KMS: the questions that it is asked, and answers that are none. */
import t, { type Test } from 'tap';
import { openSigner } from '../../src/signing/open-signer.ts';
import { signatureMatches } from '../../src/verify/key-signature.ts';
import { createSigner, type SignerKind } from '../helpers/signer.ts';
import { surroundings } from './environments.ts';
import { kms, kmsEnv, startKeyServer, type Question, type Reply } from './key-servers.ts';

const DATA = Buffer.from('what is signed');
const NAME = 'awskms:///alias/approvals';

async function open(t: Test, answer: (question: Question) => Reply, name = NAME) {
  const server = await startKeyServer(t, answer);
  return { opened: openSigner(name, surroundings({}, kmsEnv(server.url))), server };
}

t.test('signs with every kind of key', async (t) => {
  for (const kind of ['p256', 'p384', 'rsa', 'ed25519'] satisfies SignerKind[]) {
    const key = createSigner(kind);
    const { opened } = await open(t, kms(key));
    const signer = await opened;
    t.equal(signer.publicPem, key.publicPem, kind);
    t.ok(signatureMatches(signer.publicKey, DATA, await signer.sign(DATA)), kind);
    const long = Buffer.alloc(5000, 'long');
    if (kind === 'ed25519')
      await t.rejects(signer.sign(long), { code: 'content', message: /4096/ });
    else t.ok(signatureMatches(signer.publicKey, long, await signer.sign(long)), `${kind}, long`);
    await signer.close();
  }
});

t.test('asks the key that it was shown, whatever its alias means by then', async (t) => {
  const { opened, server } = await open(t, kms(createSigner('p384')));
  const signer = await opened;
  await signer.sign(DATA);
  await signer.sign(Buffer.alloc(5000));
  await signer.close();
  const [, signed, long] = server.questions;
  t.match(signed?.body, {
    KeyId: 'the-key',
    MessageType: 'RAW',
    SigningAlgorithm: 'ECDSA_SHA_384',
  });
  t.match(long?.body, { KeyId: 'the-key', MessageType: 'DIGEST' });
  t.match(signed?.headers.authorization, /AKIDEXAMPLE\/\d+\/eu-central-1\/kms/);
});

t.test('takes the region of an ARN', async (t) => {
  const arn = 'arn:aws:kms:ap-south-1:123456789012:alias/approvals';
  const { opened, server } = await open(t, kms(createSigner()), `awskms:///${arn}`);
  await t.rejects(opened, { code: 'not-found' });
  t.match(server.questions[0]?.body, { KeyId: arn });
  t.match(server.questions[0]?.headers.authorization, /ap-south-1/);
});

t.test('says what KMS would not do, and never the secret', async (t) => {
  const fails = (type: string) => () => ({
    status: 400,
    body: { __type: type, message: 'told by KMS' },
  });
  const answers: readonly (readonly [(question: Question) => Reply, string, RegExp])[] = [
    [fails('NotFoundException'), 'not-found', /NotFoundException: told by KMS/],
    [fails('AccessDeniedException'), 'denied', /told by KMS/],
    [fails('DisabledException'), 'denied', /DisabledException/],
    [fails('UnrecognizedClientException'), 'denied', /credentials: UnrecognizedClientException$/],
    [fails('SomethingNew'), 'unreachable', /cannot be asked: SomethingNew$/],
    [
      () => ({ status: 200, body: { KeyUsage: 'ENCRYPT_DECRYPT' } }),
      'key',
      /one for ENCRYPT_DECRYPT/,
    ],
    [
      () => ({ status: 200, body: { KeyUsage: 'SIGN_VERIFY', PublicKey: 'AAAA' } }),
      'answer',
      /cannot be read/,
    ],
  ];
  for (const [answer, code, message] of answers) {
    const { opened } = await open(t, answer);
    const error: unknown = await opened.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    t.match(error, { name: 'SigningError', code, message });
    t.notOk(String(error).includes('this-is-the-secret'));
  }
  const [key, another] = [kms(createSigner()), kms(createSigner())];
  const { opened } = await open(t, (question) => {
    const looks = question.headers['x-amz-target'] === 'TrentService.GetPublicKey';
    return (looks ? key : another)(question);
  });
  await t.rejects((await opened).sign(DATA), { code: 'answer', message: /does not verify/ });
});

t.test('names that are none are refused', async (t) => {
  for (const name of [
    'awskms://',
    'awskms:///',
    'awskms://alias/x',
    'awskms:///a b',
    'awskms:///../x',
  ]) {
    await t.rejects(
      openSigner(name, surroundings({}, kmsEnv('http://127.0.0.1:1'))),
      { code: 'key-name' },
      name,
    );
  }
  const env = { ...kmsEnv('http://127.0.0.1:1'), AWS_TLS_INSECURE_SKIP_VERIFY: '1' };
  await t.rejects(openSigner(NAME, surroundings({}, env)), { message: /NODE_EXTRA_CA_CERTS/ });
});
